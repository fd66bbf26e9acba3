"""Noise of each image by itself, so that an image does not depend on the batch it is sampled in."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from inkwash.core.level import Level
from inkwash.core.philox import normal
from inkwash.core.prediction import marginal_std

Noise = Callable[[Tensor], Tensor]


VERSION = 2
"""Pictures record it: the noise of a seed is the same in all versions of inkwash with this number."""


class Seeded:
    """Unit noise for the images `indices` of the request `seed`: z = noise(x), shapes as x.

    The k-th call gives image i numbers that depend on (seed, i, k) and on their place in the image alone. They come
    from a counter-based generator whose key is the seed, of 64 bits, and whose counter holds i and k: no two images,
    calls or seeds share noise, and every batch size sees the same. A GPU computes them itself, and may round
    differently.
    """

    def __init__(self, seed: int, indices: Sequence[int]) -> None:
        self._seed, self._indices, self._draw = seed, torch.tensor(list(indices), dtype=torch.int64), 0

    def __call__(self, x: Tensor) -> Tensor:
        if len(x) != len(self._indices):
            raise ValueError(f"noise for {len(self._indices)} images was asked for a batch of {len(x)}")
        where = x.device if x.device.type == "cuda" else "cpu"  # others have no float64
        z = normal(self._indices.to(where), x[0].numel() if len(x) else 0, self._draw, self._seed)
        self._draw += 1
        return z.view(x.shape).to(x.device, x.dtype)


def prior(noise: Noise, level: Level, like: Tensor) -> Tensor:
    """The initial x of a plan: unit noise times √(α² + σ²), the marginal standard deviation for data of unit variance.

    `like` gives the shape [B,C,H,W].
    """
    return float(marginal_std(level)) * noise(like)


def mix(*numbers: int) -> int:
    """A well-scrambled 63-bit seed from integers (the finaliser of splitmix64, Steele et al. 2014)."""
    state = 0
    for number in numbers:
        state = (state + number + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return state >> 1
