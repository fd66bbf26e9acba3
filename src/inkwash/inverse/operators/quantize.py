"""Quantisation: few grey levels."""

from typing import ClassVar

from torch import Tensor

from inkwash.inverse.operator import Operator, Shape, number


class Quantize(Operator):
    """x rounded to LEVELS = `argument` values from −1 to 1: y [B,C,H,W]. Its gradient is taken to be that of x."""

    linear: ClassVar[bool] = False

    def __init__(self, shape: Shape, argument: str = "4") -> None:
        super().__init__(shape)
        self.steps = int(number(argument or "4", "the number of levels", 2, 65536)) - 1

    def forward(self, x: Tensor) -> Tensor:
        rounded = (((x.clamp(-1, 1) + 1) / 2 * self.steps).round() / self.steps) * 2 - 1
        return x + (rounded - x).detach()
