"""The 28×28 U-Net that the MNIST report trains."""

import torch
from torch import Tensor, nn


class TenChannelUNet(nn.Module):
    """x [B,C,28,28], t [B] in 0..999 -> [B,C,28,28]; fractional t are rounded; cond is ignored.

    Three levels of 10, 20 and 40 channels with three blocks each. Time is a fixed table of sinusoids, which a small
    MLP per level projects and which is added to x. The report does not show the network's code, but is based on
    B. Pulfer's public DDPM walk-through, whose network this is. That code counts 606,852 parameters: those of this
    network, the 100·T numbers of the table, and a norm that it never uses.
    """

    def __init__(self, image_channels: int = 1, steps: int = 1000) -> None:
        super().__init__()
        self.register_buffer("times", _times(steps, 100), persistent=False)
        self.down1 = _Level(image_channels, (10, 10, 10), 28)
        self.shrink1 = nn.Conv2d(10, 10, 4, 2, 1)
        self.down2 = _Level(10, (20, 20, 20), 14)
        self.shrink2 = nn.Conv2d(20, 20, 4, 2, 1)
        self.down3 = _Level(20, (40, 40, 40), 7)
        self.shrink3 = nn.Sequential(nn.Conv2d(40, 40, 2, 1), nn.SiLU(), nn.Conv2d(40, 40, 4, 2, 1))
        self.middle = _Level(40, (20, 20, 40), 3)
        self.grow3 = nn.Sequential(nn.ConvTranspose2d(40, 40, 4, 2, 1), nn.SiLU(), nn.ConvTranspose2d(40, 40, 2, 1))
        self.up3 = _Level(80, (40, 20, 20), 7)
        self.grow2 = nn.ConvTranspose2d(20, 20, 4, 2, 1)
        self.up2 = _Level(40, (20, 10, 10), 14)
        self.grow1 = nn.ConvTranspose2d(10, 10, 4, 2, 1)
        self.up1 = _Level(20, (10, 10, 10), 28, normed=2)
        self.last = nn.Conv2d(10, image_channels, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor, cond: object = None) -> Tensor:
        e = self.times[t.round().long()]  # type: ignore[index]
        h1 = self.down1(x, e)
        h2 = self.down2(self.shrink1(h1), e)
        h3 = self.down3(self.shrink2(h2), e)
        h = self.middle(self.shrink3(h3), e)
        h = self.up3(torch.cat([h3, self.grow3(h)], dim=1), e)
        h = self.up2(torch.cat([h2, self.grow2(h)], dim=1), e)
        h = self.up1(torch.cat([h1, self.grow1(h)], dim=1), e)
        return self.last(h)  # type: ignore[no-any-return]


class _Level(nn.Module):
    """Adds the time embedding to every position, then applies blocks of layer norm and two convolutions."""

    def __init__(self, channels: int, outs: tuple[int, ...], side: int, normed: int = 3) -> None:
        super().__init__()
        self.time = nn.Sequential(nn.Linear(100, channels), nn.SiLU(), nn.Linear(channels, channels))
        ins = (channels, *outs[:-1])
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm((i, side, side)) if n < normed else nn.Identity(),
                nn.Conv2d(i, o, 3, padding=1),
                nn.SiLU(),
                nn.Conv2d(o, o, 3, padding=1),
                nn.SiLU(),
            )
            for n, (i, o) in enumerate(zip(ins, outs, strict=True))
        )

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        x = x + self.time(e)[:, :, None, None]
        for block in self.blocks:
            x = block(x)
        return x


def _times(steps: int, d: int) -> Tensor:
    """The report's sinusoidal_embedding, [steps,d]: columns 2i and 2i + 1 are sin and cos at 10,000^(−4i/d)."""
    j = torch.arange(d)
    angles = torch.arange(steps)[:, None] * 10_000.0 ** (-2 * (j - j % 2).double() / d)
    return torch.where(j % 2 == 0, angles.sin(), angles.cos()).float()
