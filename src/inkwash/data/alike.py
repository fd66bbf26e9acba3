"""Finds images that occur several times in a data set, or as mirror images of each other."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

import torch
from torch import Tensor

from inkwash.data.source import Images, Source
from inkwash.data.streamed import Streamed

_MOST = 2**28  # bytes of pixels that are compared
_SMALL = 16  # values of an image; smaller ones, such as points, coincide by chance
_MANY = 0.01  # share of the images above which a sentence is a warning


def repeated(train: Source, test: Source, held_out: str = "auto") -> list[str]:
    """Sentences about exact copies among the training images, among the held-out ones, and about mirrored pairs.

    Images in memory are compared by their pixels, others by the contents of their files, without mirrored pairs.
    Sets of more than 256 MiB in memory, and images of fewer than 16 values, are not compared. With `held_out` "none"
    both sets are the same images.
    """
    keys = _keys(train)
    if keys is None:
        return []
    known: dict[bytes, int] = {}
    copies = [(known[key], i) for i, key in enumerate(keys) if known.setdefault(key, i) != i]
    lines = []
    if copies:
        first, again = (_name(train, i) for i in copies[0])
        lines.append(
            _weighed(len(copies), len(keys), f"{_count(copies)} an exact copy of another: {again} of {first}.")
        )
    others = _keys(test) if held_out != "none" and type(test) is type(train) else None
    shared = [i for i, key in enumerate(others or ()) if key in known]
    if shared:
        said = f"{_count(shared)} both held out and trained on, such as {_name(test, shared[0])}."
        lines.append(_weighed(len(shared), len(others or ()), said))
    if isinstance(train, Images):
        mirrors = _hashed(train, lambda pixels: pixels.flip(-1))
        pairs = [(known[m], i) for i, m in enumerate(mirrors) if m in known and m != keys[i] and known[m] < i]
        if pairs:
            first, again = (_name(train, i) for i in pairs[0])
            said = f"{_count(pairs)} the mirror image of another: {again} of {first}; `flip=True` would mirror all."
            lines.append(_weighed(len(pairs), len(keys), said))
    return lines


def _keys(source: Source) -> list[bytes] | None:
    """A key for each image, the same for the same content; None if they are too many or too small to compare."""
    if math.prod(source.shape) < _SMALL:
        return None
    if isinstance(source, Streamed):
        return source.digests
    small = isinstance(source, Images) and source.pixels.numel() <= _MOST
    return _hashed(source, lambda pixels: pixels) if isinstance(source, Images) and small else None


def _hashed(source: Images, changed: Callable[[Tensor], Tensor]) -> list[bytes]:
    keys: list[bytes] = []
    for part in torch.split(source.pixels.cpu(), 4096):
        rows = changed(part).contiguous().flatten(1).numpy()
        keys += [hashlib.blake2b(row, digest_size=16).digest() for row in rows]
    return keys


def _weighed(found: int, among: int, said: str) -> str:
    return f"warning: {said}" if found > _MANY * among else said


def _count(found: list[int] | list[tuple[int, int]]) -> str:
    return f"{len(found):,} image{'s are each' if len(found) > 1 else ' is'}"


def _name(source: Source, i: int) -> str:
    """What an image is called in a sentence: its file below the folder, or its number."""
    if isinstance(source, Streamed):
        return source.files[i].relative_to(source.root).as_posix()
    return source.files[i] if isinstance(source, Images) and source.files else f"image {i}"
