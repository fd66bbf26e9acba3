"""The time embedding."""

import math

import torch
from torch import Tensor, nn


class TimeEmbedding(nn.Module):
    """t [B] -> [B,out]: sinusoids (Vaswani et al. 2017, section 3.5) and two linear layers.

    `scale` brings t to the range 0..1000 that the sinusoids resolve: 1 for rows, 1000 for t in [0, 1].
    """

    def __init__(self, channels: int, out: int, scale: float = 1.0) -> None:
        super().__init__()
        self.channels, self.scale = channels, scale
        self.layers = nn.Sequential(nn.Linear(channels, out), nn.SiLU(), nn.Linear(out, out), nn.SiLU())

    def forward(self, t: Tensor) -> Tensor:
        return self.layers(sinusoids(t.float() * self.scale, self.channels))  # type: ignore[no-any-return]


def sinusoids(t: Tensor, channels: int) -> Tensor:
    """sin and cos of t [B] at channels/2 rates from 1 to 1/10,000 each: [B,channels], channels even."""
    rates = torch.exp(torch.linspace(0, -math.log(10_000), channels // 2, device=t.device))
    angles = t[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)
