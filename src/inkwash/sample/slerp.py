"""Spherical interpolation of noises."""

import torch
from torch import Tensor

from inkwash.errors import UsageError

PARALLEL = 1e-6  # of sin θ, below which the two noises are parallel


def slerp(a: Tensor, b: Tensor, shares: Tensor) -> Tensor:
    """Noises [n,C,H,W] on the arc from a to b [C,H,W], at shares [n] of its angle; 0 gives a and 1 gives b.

    Shoemake's formula: (sin((1−u)θ) a + sin(uθ) b) / sin θ, with θ the angle between a and b as vectors (Song et al.
    2021a, section 5.3). Independent Gaussian noises keep their expected size, while a straight line shrinks them, by
    √2 in its middle. Parallel noises are interpolated linearly. Computed in float64, returned in a's dtype. Raises
    UsageError for opposite noises, between which there is no shortest arc, and for a noise that is 0 everywhere.
    """
    one, two = a.double(), b.double()
    sizes = one.norm() * two.norm()
    if sizes == 0:
        raise UsageError("a noise that is 0 everywhere has no direction; give two noises that are not 0.")
    cosine = ((one * two).sum() / sizes).clamp(-1, 1)
    angle = torch.arccos(cosine)
    u = shares.to(one).view(-1, *[1] * a.dim())
    if torch.sin(angle) < PARALLEL:
        if cosine < 0:
            raise UsageError("opposite noises have no shortest arc between them; give two other pictures.")
        return torch.lerp(one[None], two[None], u).to(a.dtype)
    return ((torch.sin((1 - u) * angle) * one + torch.sin(u * angle) * two) / torch.sin(angle)).to(a.dtype)
