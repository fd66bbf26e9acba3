"""Stateless shuffling: every order is a function of integers, so any step can be computed directly."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from inkwash.core.noise import mix
from inkwash.errors import UsageError

_ORDER = 1  # mixed into the seed, so that different uses of one seed are independent


def generator(*numbers: int) -> torch.Generator:
    """A fresh CPU generator seeded with `mix(*numbers)`."""
    return torch.Generator().manual_seed(mix(*numbers))


@lru_cache(maxsize=2)  # a batch may straddle two epochs
def _permutation(seed: int, epoch: int, n: int) -> Tensor:
    return torch.randperm(n, generator=generator(_ORDER, seed, epoch))  # [n]


def permutation(seed: int, epoch: int, n: int) -> Tensor:
    """The order of epoch `epoch` over n images: int64 [n], a permutation of 0..n-1. Returns a copy."""
    return _permutation(seed, epoch, n).clone()


def indices(seed: int, step: int, batch_size: int, n: int) -> Tensor:
    """The indices, among n images, of batch `step` (0, 1, ...): int64 [batch_size].

    Batches are consecutive slices of an endless sequence of permutations: every epoch contains each image exactly
    once, even if batch_size does not divide n or exceeds it. Raises UsageError if n or batch_size is below 1, or step
    is below 0.
    """
    if n < 1 or batch_size < 1 or step < 0:
        raise UsageError(
            f"A batch needs n >= 1, batch_size >= 1 and step >= 0; got n={n}, batch_size={batch_size}, step={step}."
        )
    start, end = step * batch_size, (step + 1) * batch_size
    pieces = [
        _permutation(seed, epoch, n)[max(start - epoch * n, 0) : end - epoch * n]
        for epoch in range(start // n, (end - 1) // n + 1)
    ]
    return torch.cat(pieces)  # [batch_size]


@lru_cache(maxsize=2)
def _grouped(kinds: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(image indices [n] sorted by kind, the start of each kind in them, the size of each kind)."""
    counts = torch.unique(kinds, return_counts=True)[1]
    return kinds.argsort(stable=True), counts.cumsum(0) - counts, counts


def members(kinds: Tensor, seed: int, step: int, batch_size: int) -> Tensor:
    """As `indices`, but every epoch contains each kind once: one image of each kind, the next one in the next epoch.

    `kinds` int64 [n] holds the kind of each image, as arbitrary numbers. Kinds with many variants therefore do not
    dominate. Raises what `indices` raises.
    """
    order, starts, counts = _grouped(kinds)
    chosen = indices(seed, step, batch_size, len(counts))  # of kinds
    epochs = (step * batch_size + torch.arange(batch_size)) // len(counts)
    return order[starts[chosen] + epochs % counts[chosen]]
