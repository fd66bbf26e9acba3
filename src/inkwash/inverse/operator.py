"""What an operator is: y = A(x), with its adjoint, pseudo-inverse and singular values where it is linear."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from inkwash.errors import UsageError
from inkwash.inverse.solve import conjugate_gradients

Shape = tuple[int, int, int]  # (C, H, W) of the images

CUT = 1e-4  # singular values below this share of the largest count as 0: what they measure is lost in rounding
_DENSE = 1024  # pixels up to which the decomposition of any linear operator is computed from its matrix


@dataclass(frozen=True)
class SVD:
    """A = U·diag(s)·Vᵀ, as functions. Coefficients have the shape of images, [B,C,H,W], one for each singular value.

    `s` [C,H,W] is 0 for the directions that are not measured. V is orthonormal. `u_t(y)` is 0 where s is.
    """

    s: Tensor
    v_t: Callable[[Tensor], Tensor]  # images -> coefficients
    v: Callable[[Tensor], Tensor]  # coefficients -> images
    u_t: Callable[[Tensor], Tensor]  # measurements -> coefficients

    @property
    def measured(self) -> Tensor:
        """The directions that the operator measures, bool [C,H,W]: s above `CUT` times the largest."""
        return self.s > CUT * self.s.max()

    def inverse_s(self, like: Tensor) -> Tensor:
        """1/s, and 0 for what is not measured, in the type of `like`."""
        return torch.where(self.measured, 1 / self.s.clamp(min=1e-300), 0.0).to(like)


class Operator:
    """A measurement of images: `forward` maps [B,C,H,W], in [−1, 1], to y [B,…].

    A linear operator needs only `forward`: its adjoint is then taken by automatic differentiation, and its singular
    values from its matrix if the images have at most 1,024 values. Operators of inkwash state both in closed form.
    `forward` of a nonlinear operator is differentiable, if need be by a straight-through gradient.
    """

    linear: ClassVar[bool] = True
    files: tuple[Path, ...] = ()  # files that the operator was read from

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        """y [B,…] of images [B,C,H,W], without noise."""
        raise NotImplementedError

    def adjoint(self, y: Tensor) -> Tensor:
        """Aᵀy, images [B,C,H,W]."""
        with torch.enable_grad():
            x = torch.zeros(len(y), *self.shape, dtype=y.dtype, device=y.device, requires_grad=True)
            (found,) = torch.autograd.grad(self.forward(x), x, y)
        return found.detach()

    @cached_property
    def svd(self) -> SVD | None:
        """The singular value decomposition; None for a nonlinear operator, or one too large for a dense matrix."""
        channels, height, width = self.shape
        if not self.linear or channels * height * width > _DENSE:
            return None
        return _dense(self)

    def pinv(self, y: Tensor) -> Tensor:
        """A⁺y: the smallest image [B,C,H,W] that comes closest to the measurement y."""
        return self.correction(y, 0.0)

    def correction(self, residual: Tensor, ridge: float) -> Tensor:
        """Aᵀ(A·Aᵀ + ridge·I)⁻¹·residual, images [B,C,H,W]; A⁺·residual where `ridge` is 0.

        x + correction(y − A·x, σ²/r²) is the mean of N(x, r²·I) given y = A·x + N(0, σ²·I). From the singular values
        where they are known, else by conjugate gradients.
        """
        if self.svd is None:
            v = conjugate_gradients(lambda v: self.forward(self.adjoint(v)) + ridge * v, residual, 200, 1e-6)
            return self.adjoint(v)
        s = self.svd.s.to(residual)
        gain = torch.where(self.svd.measured.to(residual.device), s / (s**2 + ridge).clamp(min=1e-38), 0.0)
        return self.svd.v(gain * self.svd.u_t(residual))

    def from_picture(self, picture: Tensor) -> Tensor:
        """y of a measurement that was stored as a picture, [B,C,H',W'] in [−1, 1].

        Raises UsageError if y is no picture, or one of another size.
        """
        wanted = tuple(self.forward(torch.zeros(1, *self.shape)).shape[1:])
        if tuple(picture.shape[1:]) != wanted:
            size = "×".join(map(str, wanted))
            raise UsageError(
                f"a measurement of this operator has the shape {size} (got a picture of "
                f"{'×'.join(map(str, picture.shape[1:]))}); `inkwash degrade` writes one as .npz."
            )
        return picture

    def picture(self, y: Tensor) -> Tensor:
        """The measurement as images [B,C,H,W] for people to look at: y itself if it has this form, else Aᵀy."""
        return y if y.ndim == 4 and y.shape[1] in (1, 3) else self.adjoint(y)


def matrix_of(operator: Operator) -> Tensor:
    """The matrix of a linear operator, float64 [M,D], column by column."""
    channels, height, width = operator.shape
    units = torch.eye(channels * height * width, dtype=torch.float64).view(-1, *operator.shape)
    return operator.forward(units).flatten(1).T


def _dense(operator: Operator) -> SVD:
    u, s, vh = torch.linalg.svd(matrix_of(operator), full_matrices=False)
    _, _, full = torch.linalg.svd(vh, full_matrices=True)  # a basis of all images whose first rows span those of vh
    rank = len(s)
    basis = torch.cat([vh, full[rank:]])
    shape, values = operator.shape, torch.zeros(basis.shape[1], dtype=s.dtype)
    values[:rank] = s
    values = torch.where(values > CUT * values.max(), values, 0.0)

    def u_t(y: Tensor) -> Tensor:
        found = torch.zeros(len(y), len(basis), dtype=y.dtype, device=y.device)
        found[:, :rank] = y.flatten(1) @ u.to(y)
        return torch.where(values.to(y) > 0, found, 0.0).view(-1, *shape)

    return SVD(
        values.view(shape),
        lambda x: (x.flatten(1) @ basis.T.to(x)).view(-1, *shape),
        lambda z: (z.flatten(1) @ basis.to(z)).view(-1, *shape),
        u_t,
    )


def number(word: str, what: str, low: float, high: float) -> float:
    """A number in [low, high] from a word of an operator's or method's argument. Raises UsageError for another."""
    try:
        value = float(word)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise UsageError(f"{what} is a number from {low:g} to {high:g} (got {word!r}).")
    return value
