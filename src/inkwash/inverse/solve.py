"""Conjugate gradients for a batch of linear systems."""

from collections.abc import Callable

import torch
from torch import Tensor


def conjugate_gradients(apply: Callable[[Tensor], Tensor], b: Tensor, iterations: int, tolerance: float) -> Tensor:
    """Solves apply(v) = b for a symmetric positive semidefinite `apply`, for each row of b [B,…] by itself.

    Hestenes & Stiefel 1952. A row stops at a relative residual of `tolerance`, or where rounding has made `apply`
    indefinite.
    """
    over = (-1, *[1] * (b.ndim - 1))

    def dot(a: Tensor, c: Tensor) -> Tensor:
        return (a * c).flatten(1).sum(1)

    v, r = torch.zeros_like(b), b.clone()
    p, size = r.clone(), dot(b, b)
    first = size
    for _ in range(iterations):
        going = size > tolerance**2 * first
        if not going.any():
            break
        q = apply(p)
        curve = dot(p, q)
        going = going & (curve > 0)
        step = torch.where(going, size / curve.where(curve > 0, 1.0), 0.0)
        v = v + step.view(over) * p
        r = r - step.view(over) * q
        new = dot(r, r)
        p = r + torch.where(going, new / size.clamp(min=1e-38), 0.0).view(over) * p
        size = torch.where(going, new, 0.0)  # a row that has stopped stays
    return v
