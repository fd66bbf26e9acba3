"""The inputs of one call of a function of flow matching, where t = 0 is noise and t = 1 is data."""

from dataclasses import dataclass

import torch
from torch import Tensor

from inkwash.check.case import SHAPE, SIDE
from inkwash.core import Level
from inkwash.denoise import Gaussian


@dataclass(frozen=True)
class FlowCase:
    """One call: images [B,C,H,W] float64 and the times of the batch."""

    times: Tensor  # [B] in (0, 1)
    data: Tensor
    noise: Tensor
    mean: Tensor
    std: Tensor
    dt: float = 0.125
    axis: int = 0  # the axis along which the times lie

    @property
    def t(self) -> Tensor:
        """t as a coefficient of images."""
        shape = [1, 1, 1, 1]
        shape[self.axis] = len(self.times)
        return self.times.view(shape)

    @property
    def x(self) -> Tensor:
        """x_t, right whatever the mistake is."""
        t = self.times.view(-1, 1, 1, 1)
        return (1 - t) * self.noise + t * self.data

    def network(self, x: Tensor, t: Tensor) -> Tensor:
        """The exact E[data − noise | x_t] of Gaussian data."""
        t = t.reshape(-1, 1, 1, 1).double()
        data = Gaussian(self.mean, self.std)(x, Level(0.0, t, 1 - t))
        return (data - x) / (1 - t)


def make_flow_case(seed: int) -> FlowCase:
    """A case at five times between 0.1 and 0.85."""
    generator = torch.Generator().manual_seed(100 + seed)
    a, noise, mean, std = torch.randn(4, *SHAPE, dtype=torch.float64, generator=generator)
    mean, std = 0.3 * mean[:1], 0.2 + 0.05 * std[:1].clamp(-2, 2)
    times = torch.linspace(0.1, 0.85, SIDE, dtype=torch.float64)[torch.randperm(SIDE, generator=generator)]
    return FlowCase(times, mean + std * a, noise, mean, std)
