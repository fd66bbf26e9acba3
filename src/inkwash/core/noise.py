"""Noise with one generator per image, so that an image does not depend on the batch it is sampled in."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from inkwash.core.level import Level
from inkwash.core.prediction import marginal_std

Noise = Callable[[Tensor], Tensor]


class Seeded:
    """Unit noise for the images `indices` of the request `seed`: z = noise(x), shapes as x.

    Image i draws from a generator of (seed, i) alone. The numbers are drawn on the CPU, so every device
    and every batch size sees the same ones.
    """

    def __init__(self, seed: int, indices: Sequence[int]) -> None:
        self._generators = [torch.Generator().manual_seed(stream(seed, i)) for i in indices]

    def __call__(self, x: Tensor) -> Tensor:
        if len(x) != len(self._generators):
            raise ValueError(f"noise for {len(self._generators)} images was asked for a batch of {len(x)}")
        z = torch.empty(x.shape, dtype=torch.float32)
        for row, generator in zip(z, self._generators, strict=True):
            row.normal_(generator=generator)
        return z.to(x.device, x.dtype)


def prior(noise: Noise, level: Level, like: Tensor) -> Tensor:
    """The initial x of a plan: unit noise times √(α² + σ²), the marginal standard deviation for data of unit variance.

    `like` gives the shape [B,C,H,W].
    """
    return float(marginal_std(level)) * noise(like)


def stream(seed: int, i: int) -> int:
    """The 32-bit seed of image i, different for every i of a request.

    PyTorch's CPU generator uses only the low 32 bits of its seed. Adding i and scrambling are both bijections on 32
    bits, so no two of 50,000 images share a generator by chance.
    """
    x = (mix(seed) + i) & 0xFFFFFFFF
    x = ((x ^ (x >> 16)) * 0x85EBCA6B) & 0xFFFFFFFF
    x = ((x ^ (x >> 13)) * 0xC2B2AE35) & 0xFFFFFFFF
    return x ^ (x >> 16)


def mix(*numbers: int) -> int:
    """A well-scrambled 63-bit seed from integers (the finaliser of splitmix64, Steele et al. 2014)."""
    state = 0
    for number in numbers:
        state = (state + number + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return state >> 1
