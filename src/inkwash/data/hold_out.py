"""Random division of a data set into training and held-out images; every class remains in training."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor

from inkwash.data.shuffle import permutation
from inkwash.data.source import Divisible
from inkwash.errors import UsageError

D = TypeVar("D", bound=Divisible)


def hold_out(source: D, fraction: float = 0.05, at_most: int = 1000, at_least: int = 1, seed: int = 0) -> tuple[D, D]:
    """Divides a set without a test split randomly into (train, held out). Deterministic in labels and seed.

    round(fraction·N) images are held out, clamped to at_least..at_most. Both parts preserve the set's order. At least
    one image of each class stays in training, so fewer images may be held out.

    Raises UsageError if no image can be held out or none would remain.
    """
    n = len(source)
    held = max(at_least, min(at_most, round(fraction * n)))
    if not 1 <= held < n:
        raise UsageError(
            f"Cannot hold out {held} of the {n} image(s) of {source.name} for testing: both parts need at least one. "
            f"{_ADVICE}"
        )
    order = permutation(seed, 0, n)
    out = order[:held] if source.labels is None else _spared(order, source.labels.cpu(), held)
    if not len(out):
        raise UsageError(
            f"None of the {n} images of {source.name} can be held out for testing, as each is the only one of its "
            f"class. {_ADVICE}"
        )
    kept = torch.ones(n, dtype=torch.bool)
    kept[out] = False
    return source.part(kept.nonzero()[:, 0], "train"), source.part(out.sort().values, "test")


_ADVICE = (
    "Add images; put them into folders train/ and test/; or give `held_out='none'` to train on all, and measure on the "
    "same images."
)


def _spared(order: Tensor, labels: Tensor, held: int) -> Tensor:
    """The first `held` images of an order, skipping those that would leave their class without an image."""
    left = torch.bincount(labels).tolist()
    out = []
    for i, label in zip(order.tolist(), labels[order].tolist(), strict=True):
        if left[label] > 1:
            left[label] -= 1
            out.append(i)
            if len(out) == held:
                break
    return torch.tensor(out, dtype=torch.int64)


def divide(source: D, held_out: str) -> tuple[D, D]:
    """Calls `hold_out` as `held_out` states: "auto" (5 %, 1 to 1000 images), a number, a share like 0.1, or "none".

    With "none" both parts are the whole set. Raises UsageError for other strings, and what `hold_out` raises.
    """
    amount = read_held_out(held_out)
    if amount is None:
        everything = torch.arange(len(source))
        return source.part(everything, "train"), source.part(everything, "test")
    if held_out == "auto":
        return hold_out(source)
    if isinstance(amount, int):
        return hold_out(source, 0, amount, amount)
    return hold_out(source, amount, len(source), 1)


def read_held_out(words: str) -> int | float | None:
    """Parses `held_out`: a number of images, a share, None for "none", 0.05 for "auto". Raises UsageError otherwise."""
    if words in ("auto", "none"):
        return 0.05 if words == "auto" else None
    try:
        if words.isascii() and words.isdecimal() and 1 <= int(words) < 2**31:
            return int(words)
        share = float(words.removesuffix("%")) / (100 if words.endswith("%") else 1)
        if 0 < share < 1:
            return share
    except ValueError:
        pass
    raise UsageError(
        f"`held_out` takes a number of images such as 100, a share of them such as 0.1, or none; got {words!r}."
    )
