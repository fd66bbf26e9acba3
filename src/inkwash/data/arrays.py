"""Reads the arrays of an .npz file from anywhere: of bounded size, and without running code."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkwash.data.regular import open_regular
from inkwash.errors import UsageError

LARGEST = 4 * 2**30  # bytes of all arrays
_SMALL, _RATIO = 2**28, 100  # arrays of more bytes than this may be packed to a hundredth at most


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file by name. Raises UsageError for any other file, and for one that unpacks to too much.

    Too much is more than 4 GiB, or more than 256 MiB and a hundred times the file: images are never packed that well.
    """
    try:
        with open_regular(path, LARGEST) as opened, np.load(opened, allow_pickle=False) as found:
            if not isinstance(found, np.lib.npyio.NpzFile) or found.zip is None:
                raise ValueError("one array, and no archive of arrays")
            _check(found.zip, path.stat().st_size)
            return {name: found[name] for name in found.files}
    except Exception as error:  # damaged files make numpy's readers raise anything
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UsageError(f"{path} cannot be read as an .npz file of images ({reason}).") from error


def _check(archive: zipfile.ZipFile, packed: int) -> None:
    """Raises ValueError before anything is unpacked that is too large, or whose array is larger than its file."""
    entries = archive.infolist()
    total = sum(entry.file_size for entry in entries)  # zipfile reads no further than this
    if total > LARGEST or (total > _SMALL and total > _RATIO * packed):
        raise ValueError(f"its arrays unpack from {packed:,} to {total:,} bytes")
    for entry in entries:
        with archive.open(entry) as file:
            version = np.lib.format.read_magic(file)
            read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            if version not in read:
                raise ValueError(f"{entry.filename} is in another version of numpy's format")
            shape, _, dtype = read[version](file)
            if math.prod(shape) * dtype.itemsize > entry.file_size:
                raise ValueError(f"{entry.filename} is shorter than its array")
