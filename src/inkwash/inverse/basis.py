"""Orthonormal bases that operators are diagonal in: Fourier's in real numbers, and products of small ones."""

from functools import cached_property

import torch
from torch import Tensor

from inkwash.inverse.operator import CUT, SVD, Operator, Shape


def hartley(x: Tensor) -> Tensor:
    """The two-dimensional discrete Hartley transform Re F − Im F of [...,H,W]: orthonormal, real and its own inverse.

    A real image's Fourier values at k and −k are conjugate, and determine its Hartley values at both.
    """
    found: Tensor = torch.fft.fft2(x, norm="ortho")
    return found.real - found.imag


class Selection(Operator):
    """Measures some of the coefficients of an orthonormal basis, exactly: y [B,C,M] = (Vᵀx)[kept].

    `kept` is bool [H,W], the same for each channel. Subclasses state `v_t` and `v`; these are the identity here.
    """

    def __init__(self, shape: Shape, kept: Tensor) -> None:
        super().__init__(shape)
        self.kept = kept

    def v_t(self, x: Tensor) -> Tensor:
        """Coefficients [B,C,H,W] of images."""
        return x

    def v(self, z: Tensor) -> Tensor:
        """Images of coefficients."""
        return z

    def forward(self, x: Tensor) -> Tensor:
        return self.v_t(x)[..., self.kept]

    def spread(self, y: Tensor) -> Tensor:
        """Coefficients [B,C,H,W] with 0 where nothing was measured."""
        z = torch.zeros(len(y), *self.shape, dtype=y.dtype, device=y.device)
        z[..., self.kept] = y
        return z

    def adjoint(self, y: Tensor) -> Tensor:
        return self.v(self.spread(y))

    def pinv(self, y: Tensor) -> Tensor:
        return self.adjoint(y)

    @cached_property
    def svd(self) -> SVD:
        return SVD(self.kept.to(torch.float64).expand(self.shape), self.v_t, self.v, self.spread)


class Separable(Operator):
    """Multiplies each column by one matrix and each row by another: y [B,C,H',W'] = R·x·Qᵀ, with H' ≤ H and W' ≤ W.

    Its singular values are the products of those of `rows` R [H',H] and `columns` Q [W',W], both float64.
    """

    def __init__(self, shape: Shape, rows: Tensor, columns: Tensor) -> None:
        super().__init__(shape)
        self.rows, self.columns = rows, columns
        (self._u, s, vh), (self._w, r, qh) = (torch.linalg.svd(each) for each in (rows, columns))
        self._v, self._q = vh.T, qh.T
        self._s = torch.zeros(shape[1:], dtype=torch.float64)
        self._s[: len(s), : len(r)] = s[:, None] * r

    def forward(self, x: Tensor) -> Tensor:
        return self.rows.to(x) @ x @ self.columns.T.to(x)

    def adjoint(self, y: Tensor) -> Tensor:
        return self.rows.T.to(y) @ y @ self.columns.to(y)

    @cached_property
    def svd(self) -> SVD:
        values = torch.where(self._s > CUT * self._s.max(), self._s, 0.0)

        def u_t(y: Tensor) -> Tensor:
            z = torch.zeros(len(y), *self.shape, dtype=y.dtype, device=y.device)
            z[..., : y.shape[2], : y.shape[3]] = self._u.T.to(y) @ y @ self._w.to(y)
            return torch.where(values.to(z) > 0, z, 0.0)

        return SVD(
            values.expand(self.shape),
            lambda x: self._v.T.to(x) @ x @ self._q.to(x),
            lambda z: self._v.to(z) @ z @ self._q.T.to(z),
            u_t,
        )
