"""Grey: colourisation."""

from functools import cached_property

import torch
from torch import Tensor

from inkwash.errors import UsageError
from inkwash.inverse.operator import SVD, Operator, Shape

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)


class Grey(Operator):
    """The luma of colour images, y [B,1,H,W]. Raises UsageError for images that are grey."""

    def __init__(self, shape: Shape, argument: str = "") -> None:
        if shape[0] != 3 or argument:
            raise UsageError("the operator grey takes images of 3 channels, and no argument.")
        super().__init__(shape)
        self.weights = torch.tensor(LUMA, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("c,bchw->bhw", self.weights.to(x), x)[:, None]

    def adjoint(self, y: Tensor) -> Tensor:
        return self.weights.to(y).view(3, 1, 1) * y

    @cached_property
    def svd(self) -> SVD:
        """One singular value a pixel, the length of the weights; V is a rotation of the colours."""
        _, s, vh = torch.linalg.svd(self.weights[None], full_matrices=True)
        sign = torch.sign(vh[0] @ self.weights)  # U is 1 by 1
        values = torch.zeros(self.shape, dtype=torch.float64)
        values[0] = s[0]
        return SVD(
            values,
            lambda x: torch.einsum("kc,bchw->bkhw", vh.to(x), x),
            lambda z: torch.einsum("kc,bkhw->bchw", vh.to(z), z),
            lambda y: torch.cat([sign.to(y) * y, torch.zeros_like(y), torch.zeros_like(y)], 1),
        )
