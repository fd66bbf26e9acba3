"""Conjugate gradients for a batch of linear systems."""

from collections.abc import Callable

import torch
from torch import Tensor

SLACK = 0.99  # for rounding


def conjugate_gradients(
    apply: Callable[[Tensor], Tensor], b: Tensor, iterations: int, tolerance: float, least: float = 0.0
) -> Tensor:
    """Solves apply(v) = b for a symmetric positive semidefinite `apply`, for each row of b [B,…] by itself.

    Hestenes & Stiefel 1952. A row stops at a relative residual of `tolerance`, or in a direction p in which `apply`
    cannot be what it should: pᵀ·apply(p) must be positive, and at least `least`·pᵀp where its eigenvalues are known to
    be no smaller. Of its iterates, the one with the smallest residual is returned: for a network's Jacobian, which is
    not symmetric, later ones may be far worse.
    """
    over = (-1, *[1] * (b.ndim - 1))

    def dot(a: Tensor, c: Tensor) -> Tensor:
        return (a * c).flatten(1).sum(1)

    v, r = torch.zeros_like(b), b.clone()
    p, size = r.clone(), dot(b, b)
    first, best, least_size = size, v, torch.full_like(size, torch.inf)
    for _ in range(iterations):
        going = size > tolerance**2 * first
        if not going.any():
            break
        q = apply(p)
        curve = dot(p, q)
        going = going & (curve > 0) & (curve >= SLACK * least * dot(p, p))
        step = torch.where(going, size / curve.where(curve > 0, 1.0), 0.0)
        v = v + step.view(over) * p
        r = r - step.view(over) * q
        new = dot(r, r)
        p = r + torch.where(going, new / size.clamp(min=1e-38), 0.0).view(over) * p
        better = going & (new < least_size)
        best, least_size = torch.where(better.view(over), v, best), torch.where(better, new, least_size)
        size = torch.where(going, new, 0.0)  # a row that has stopped stays
    return best
