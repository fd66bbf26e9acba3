"""Describes a data set in sentences: number of images, classes, and possible problems."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from inkwash.data.alike import repeated
from inkwash.data.listing import some
from inkwash.data.source import Source
from inkwash.foreign import harmless

_LOOKED_AT, _VALUES = 256, 2**26  # at most so many images are examined, with at most so many values in total
_FLAT, _ALIKE = 4.0, 1.0  # of 255: standard deviations below which images count as constant, and as identical
_RANGE = 32  # of 256 values: images count as constant too if their pixels span a smaller range


def describe(train: Source, test: Source, held_out: str = "auto") -> tuple[str, ...]:
    """Sentences about the training and held-out images: counts, files left out and why, copies, and warnings.

    `inkwash train` prints them before the first step, and `inkwash data` without training.

    `held_out` is that of `folder`; if it is "none", both sets are the same images.
    """
    kept = "none held out: held-out losses are of these" if held_out == "none" else f"{len(test):,} held out"
    lines = [f"{len(train):,} image{'s' * (len(train) > 1)} to train on, {kept}{_classes(train)}."]
    lines += getattr(train, "notes", ())
    without = [name for name, count in zip(train.classes, class_counts(train), strict=True) if not count]
    if without:
        count = f"{len(without)} of the {len(train.classes)} classes"
        lines.append(f"warning: {count} have no image to train on, and cannot be asked for: {some(without, 8)}.")
    looks = _looks(train)  # images of one value are copies too, which need not be said
    return (*lines, *(looks or repeated(train, test, held_out)))


def class_table(train: Source, test: Source, held_out: str = "auto") -> list[str]:
    """A line for each class, with its number, its name, and how many images are trained on and held out."""
    counts, held = class_counts(train), class_counts(test)
    held += [0] * (len(counts) - len(held))  # a set of a user's own may name fewer classes there
    if not counts:
        return []
    rows = [("number", "class", "train", "" if held_out == "none" else "held out")]
    for i, (name, count, other) in enumerate(zip(train.classes, counts, held, strict=False)):
        rows.append((str(i), harmless(name), f"{count:,}", "" if held_out == "none" else f"{other:,}"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return [f"{a:>{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}".rstrip() for a, b, c, d in rows]


def class_counts(source: Source) -> list[int]:
    """The number of images of each class; [] if there are no labels."""
    labels = source.labels
    return [] if labels is None else torch.bincount(labels.cpu(), minlength=len(source.classes)).tolist()


def _classes(source: Source) -> str:
    counts = class_counts(source)
    if not counts:
        return ""
    if len(counts) > 12:
        return f"; of {len(counts)} classes with {min(counts):,} to {max(counts):,} each"
    return f"; of {len(counts)} class{'es' * (len(counts) > 1)} ({', '.join(map(_count, source.classes, counts))})"


def _count(name: str, count: int) -> str:
    return f"{harmless(name)} {count:,}"


def _looks(source: Source) -> Sequence[str]:
    """Warnings about images that are nearly constant, or nearly identical to each other."""
    n = len(source)
    count = min(n, _LOOKED_AT, max(16, _VALUES // math.prod(source.shape)))
    chosen = torch.linspace(0, n - 1, count, dtype=torch.float64).long()
    total = squares = torch.zeros(source.shape, dtype=torch.float64)
    low, high, blank = 255, 0, 0
    for part in torch.split(chosen, 16):  # few at a time: they may be large
        pixels = source.take(part).cpu()
        values = pixels.double()
        total, squares = total + values.sum(0), squares + values.square().sum(0)
        flat = pixels.flatten(1)
        low, high = min(low, int(flat.min())), max(high, int(flat.max()))
        blank += int((flat.amax(1) == flat.amin(1)).sum())
    mean = total / count
    overall = float(mean.mean())
    spread = max(0.0, float(squares.mean()) / count - overall**2) ** 0.5
    within = (squares / count - mean.square()).clamp_min(0).sqrt()
    numbers = f"mean {overall:.1f} of 255, standard deviation {spread:.1f}, {low} to {high}"
    ground = "; if they are transparent, another `background` may show them"
    if spread < _FLAT or high - low < _RANGE:
        return [f"warning: the images are nearly one value ({numbers}){ground}."]
    if n > 1 and float(within.mean()) < _ALIKE:
        return [f"warning: the images are all alike: a pixel differs by {float(within.mean()):.2f} of 255 among them."]
    if blank > 0.2 * count and source.shape[1] * source.shape[2] > 1:
        return [f"warning: {blank} of {count} images looked at are one value everywhere{ground}."]
    return []
