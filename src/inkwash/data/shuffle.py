"""Randomness without state: every order is a function of integers alone, so any step has a name."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from inkwash.core.noise import mix
from inkwash.errors import UsageError

_ORDER = 1  # what a number is drawn for is mixed in too, so that two uses of one seed are unrelated


def generator(*numbers: int) -> torch.Generator:
    """A fresh CPU generator seeded with `mix(*numbers)`."""
    return torch.Generator().manual_seed(mix(*numbers))


@lru_cache(maxsize=2)  # a batch may straddle two epochs
def _permutation(seed: int, epoch: int, n: int) -> Tensor:
    return torch.randperm(n, generator=generator(_ORDER, seed, epoch))  # [n]


def permutation(seed: int, epoch: int, n: int) -> Tensor:
    """The order of epoch `epoch` over n images: int64 [n], each of 0..n-1 once; the caller's own copy."""
    return _permutation(seed, epoch, n).clone()


def indices(seed: int, step: int, batch_size: int, n: int) -> Tensor:
    """Which of n images make up batch `step` (0, 1, ...): int64 [batch_size].

    Batches cut one endless tape of permutations: every epoch shows each image exactly once, also when
    batch_size does not divide n or exceeds it. Raises UsageError when n or batch_size is below 1, or step
    below 0.
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
    """The images [n] kind by kind, and of each kind where it starts there, and its size."""
    counts = torch.unique(kinds, return_counts=True)[1]
    return kinds.argsort(stable=True), counts.cumsum(0) - counts, counts


def members(kinds: Tensor, seed: int, step: int, batch_size: int) -> Tensor:
    """As `indices`, where every epoch shows each kind once: of a kind's images one, the next in the epoch after.

    `kinds` int64 [n] says of which kind each image is, in any numbers. So many variants of one thing do not crowd out
    the rest. Raises what `indices` raises.
    """
    order, starts, counts = _grouped(kinds)
    chosen = indices(seed, step, batch_size, len(counts))  # of kinds
    epochs = (step * batch_size + torch.arange(batch_size)) // len(counts)
    return order[starts[chosen] + epochs % counts[chosen]]
