"""What a network is shown of a measurement, and whether two operators are one."""

import torch
from torch import Tensor

from inkwash.errors import UsageError
from inkwash.inverse.measurement import Measurement
from inkwash.inverse.operator import Operator


def as_images(measured: Measurement) -> Tensor:
    """The measurement brought to the size of the images, [B,C,H,W], for a network to read beside x.

    y itself if it has the shape of the images: a blur is not divided by its small singular values. Else
    Aᵀ(A·Aᵀ + σ²·I)⁻¹·y, the mean of N(0, I) given y, which is A⁺y without noise: low-resolution images are enlarged,
    holes are grey, and unmeasured Fourier values are 0.

    Raises UsageError for a nonlinear operator whose y is no image.
    """
    operator, y = measured.operator, measured.y
    if tuple(y.shape[1:]) == tuple(operator.shape):
        return y
    if not operator.linear:
        raise UsageError(
            "a network reads measurements as images, and what this operator measures is none; take a linear operator, "
            "or one that makes an image of the same size."
        )
    return operator.correction(y, measured.std**2)


def same(one: Operator, other: Operator) -> bool:
    """Whether two operators measure the same of images, as tried on noise."""
    if tuple(one.shape) != tuple(other.shape):
        return False
    x = 0.5 * torch.randn(2, *one.shape, generator=torch.Generator().manual_seed(0))
    return torch.equal(one.forward(x), other.forward(x))
