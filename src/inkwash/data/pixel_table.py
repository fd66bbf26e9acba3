"""Images in a CSV file: one image a line, its pixels as numbers, and perhaps its label (Kaggle's MNIST)."""

from __future__ import annotations

import io
import math
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inkwash.data.packed import open_file
from inkwash.data.pixels import as_labels, as_pixels, numbered
from inkwash.data.source import Images
from inkwash.errors import UsageError

_LARGEST = 2**31  # bytes
_LABELS = ("label", "labels", "class", "target", "y", "digit", "digit-label")


class PixelTable:
    """Square images of one channel, H·W numbers a line; the label comes first, or is called so in the first line."""

    @staticmethod
    def recognises(path: Path) -> bool:
        return path.suffix.lower() == ".csv" and path.is_file()

    @staticmethod
    def read(path: Path) -> dict[str, Images]:
        """All images. Raises UsageError, naming the line, for a table of anything else."""
        names, table = _numbers(path)
        place = _place_of_label(path, names, table)
        rows = table if place is None else np.delete(table, place, axis=1)
        pixels, notes = as_pixels(rows, f"the pixels of {path.name}")
        if place is None:
            return {"": Images(path.stem, "train", pixels, notes=notes)}
        column = table[:, place]
        if not (column == np.rint(column)).all():
            raise UsageError(f"{path}, column {place + 1} was taken for the labels, and holds no whole numbers.")
        labels = as_labels(column.astype(np.int64), len(pixels), f"{path}, column {place + 1}")
        notes = (*notes, f"Column {place + 1} of {path.name} is taken for the labels.")
        return {"": Images(path.stem, "train", pixels, labels, numbered(labels), notes=notes)}


def _numbers(path: Path) -> tuple[list[str], NDArray[np.float32]]:
    """The names in the first line, [] if it holds numbers already, and the numbers [N,columns]."""
    try:
        with (
            open_file(path, _LARGEST) as file,
            io.TextIOWrapper(file, encoding="utf-8-sig") as text,
            warnings.catch_warnings(),
        ):
            first = text.readline()
            names = [word.strip().strip("\"'").casefold() for word in first.split(",")]
            named = any(not _is_number(name) for name in names) and first.strip() != ""
            text.seek(0)
            warnings.simplefilter("ignore", UserWarning)  # of a file without lines, which is refused below
            table = np.loadtxt(text, np.float32, delimiter=",", skiprows=int(named), ndmin=2, comments=None)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}).") from error
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{path} is no table of pixels ({error}); lines of numbers were expected.") from error
    if not table.size:
        raise UsageError(f"{path} holds no lines of pixels.")
    if named and len(names) != table.shape[1]:
        raise UsageError(f"{path} has {len(names)} names in its first line and {table.shape[1]} numbers in the others.")
    return names if named else [], table


def _is_number(word: str) -> bool:
    try:
        float(word)
        return True
    except ValueError:
        return False


def _place_of_label(path: Path, names: list[str], table: NDArray[np.float32]) -> int | None:
    """The column of the labels; None if there is none."""
    columns = table.shape[1]
    named = [i for i, name in enumerate(names) if name in _LABELS]
    if len(named) == 1 and _is_square(columns - 1):
        return named[0]
    if _is_square(columns) and not named:
        return None
    if _is_square(columns - 1) and not named:
        # a corner of the images often has one value
        ends = [i for i in (0, columns - 1) if len(np.unique(table[:, i])) > 1]
        return ends[0] if len(ends) == 1 else 0
    raise UsageError(
        f"{path} has {columns} columns{f' ({len(named)} of labels)' if named else ''}; the pixels of a square grey "
        "image, and perhaps a label, were expected, such as 784 or 785 columns."
    )


def _is_square(count: int) -> bool:
    return count > 0 and math.isqrt(count) ** 2 == count
