"""Phase retrieval."""

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from inkwash.inverse.operator import Operator, Shape, number


class Phase(Operator):
    """The moduli of an image's Fourier values, without their phases: y [B,C,H',W'].

    The image is brought to [0, 1] and padded with black to OVERSAMPLING = `argument` times its sides. A picture, the
    same turned by 180° and its shifts within the padding have one measurement, so a restoration may be any of them.
    """

    linear: ClassVar[bool] = False

    def __init__(self, shape: Shape, argument: str = "2") -> None:
        super().__init__(shape)
        factor = number(argument or "2", "the oversampling of phase", 1, 8)
        self.edges = [round(side * (factor - 1)) for side in shape[1:]]

    def forward(self, x: Tensor) -> Tensor:
        wide = pad((x + 1) / 2, (0, self.edges[1], 0, self.edges[0]))
        found: Tensor = torch.fft.fft2(wide, norm="ortho")
        return (found.real**2 + found.imag**2 + 1e-12).sqrt()

    def picture(self, y: Tensor) -> Tensor:
        """The logarithm of the moduli, with k = 0 in the middle, cut to the size of the images."""
        seen = torch.log1p(20 * y.roll((y.shape[2] // 2, y.shape[3] // 2), (2, 3)))
        top, left = (self.edges[0] // 2, self.edges[1] // 2)
        seen = seen[:, :, top : top + self.shape[1], left : left + self.shape[2]]
        return seen / seen.amax((1, 2, 3), keepdim=True).clamp(min=1e-12) * 2 - 1
