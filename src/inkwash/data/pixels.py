"""Makes images of arrays as other programs store them: of bytes or floats, with channels first or last, or flat."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inkwash.errors import UsageError

_CHANNELS = (1, 3, 4)
_CLASSES = 1_000_000  # at most


def as_pixels(array: NDArray[Any], where: str) -> tuple[Tensor, tuple[str, ...]]:
    """Images uint8 [N,C,H,W], and sentences about what was assumed.

    Takes [N,H,W,C], [N,C,H,W], [N,H,W] and flat rows [N,H·W] of squares; whole numbers 0..255, and floats in [0, 1] or
    [−1, 1], which are scaled. `where` names the array in messages. Raises UsageError for anything else.
    """
    if not array.size or array.ndim not in (2, 3, 4) or array.dtype.kind not in "uifb":
        raise _refused(where, array)
    notes: list[str] = []
    if array.ndim == 2:
        side = math.isqrt(array.shape[1])
        if side * side != array.shape[1]:
            raise _refused(where, array)
        array = array.reshape(-1, side, side)
    if array.ndim == 3:
        array = array[:, None]
    elif array.shape[3] in _CHANNELS:
        if array.shape[1] in _CHANNELS:
            notes.append(f"{where} is {list(array.shape)}; the channels are taken to come last.")
        array = array.transpose(0, 3, 1, 2)
    elif array.shape[1] not in _CHANNELS:
        raise _refused(where, array)
    values, said = _bytes(array, where)
    return torch.from_numpy(np.ascontiguousarray(values)), (*notes, *said)


def _bytes(array: NDArray[Any], where: str) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """The values as bytes."""
    if array.dtype == np.uint8:
        return array, ()
    if array.dtype.kind == "b":
        return array.astype(np.uint8) * np.uint8(255), (f"{where} holds truth values; true is taken for white.",)
    low, high = array.min(), array.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise UsageError(f"{where} holds values that are no numbers (nan or inf); remove them.")
    whole = array.dtype.kind in "ui" or bool((array == np.rint(array)).all())
    if low >= 0 and high <= 1 and not (whole and array.dtype.kind in "ui"):
        return np.rint(array * np.float64(255)).astype(np.uint8), (f"{where} holds 0 to 1; 1 is taken for white.",)
    if whole and low >= 0 and high <= 255:
        return array.astype(np.uint8), ()
    if not whole and low >= -1 and high <= 1:
        scaled = np.rint((array.astype(np.float64) + 1) * 127.5).astype(np.uint8)
        return scaled, (f"{where} holds −1 to 1; 1 is taken for white and −1 for black.",)
    raise UsageError(
        f"{where} holds values from {low:.4g} to {high:.4g}; bytes 0 to 255, or floats in [0, 1] or [−1, 1], were "
        "expected."
    )


def as_labels(array: NDArray[Any], images: int, where: str) -> Tensor:
    """Labels int64 [N], from whole numbers [N] or [N,1]. Raises UsageError for anything else."""
    flat = array.reshape(-1) if array.ndim == 2 and array.shape[1] == 1 else array
    if flat.dtype.kind not in "ui" or flat.shape != (images,) or flat.min() < 0 or flat.max() >= _CLASSES:
        raise UsageError(
            f"{where} must be a whole number from 0 to {_CLASSES - 1:,} for each of the {images:,} images; it is "
            f"{array.dtype} {list(array.shape)}."
        )
    return torch.from_numpy(flat.astype(np.int64))


def numbered(labels: Tensor) -> tuple[str, ...]:
    """The names "0", "1", … of classes that have none."""
    return tuple(map(str, range(int(labels.max()) + 1)))


def _refused(where: str, array: NDArray[Any]) -> UsageError:
    return UsageError(
        f"{where} is {array.dtype} {list(array.shape)}; images are [N,H,W,C] or [N,C,H,W] with C 1, 3 or 4, "
        "[N,H,W], or [N,H·W] for squares."
    )
