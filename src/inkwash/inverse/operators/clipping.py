"""Clipping: high dynamic range."""

from typing import ClassVar

from torch import Tensor

from inkwash.inverse.operator import Operator, Shape, number


class Clip(Operator):
    """y [B,C,H,W] = min(1, max(−1, GAIN·x)), GAIN = `argument`: what was too bright or too dark is lost."""

    linear: ClassVar[bool] = False

    def __init__(self, shape: Shape, argument: str = "2") -> None:
        super().__init__(shape)
        self.gain = number(argument or "2", "the gain of clip", 1, 1e4)

    def forward(self, x: Tensor) -> Tensor:
        return (self.gain * x).clamp(-1, 1)
