"""Random projections: compressed sensing."""

import torch
from torch import Tensor

from inkwash.inverse.basis import Selection, hartley
from inkwash.inverse.operator import Shape, number


class Projection(Selection):
    """SHARE = `argument` of the values of a random rotation: y [B,C,M].

    The rotation changes the signs of pixels at random and takes their Hartley transform, so that each value sees all
    pixels alike: the subsampled randomised transform of Ailon & Chazelle 2009, section 3, with orthonormal rows.
    """

    def __init__(self, shape: Shape, argument: str = "0.25", seed: int = 0) -> None:
        share = number(argument or "0.25", "the share of projections", 1e-6, 1)
        generator, count = torch.Generator().manual_seed(seed), shape[1] * shape[2]
        self.signs = torch.randint(2, shape[1:], generator=generator).double() * 2 - 1
        kept = torch.zeros(count, dtype=torch.bool)
        kept[torch.randperm(count, generator=generator)[: max(1, round(share * count))]] = True
        super().__init__(shape, kept.view(shape[1:]))

    def v_t(self, x: Tensor) -> Tensor:
        return hartley(self.signs.to(x) * x)

    def v(self, z: Tensor) -> Tensor:
        return self.signs.to(z) * hartley(z)
