"""Images in one .npy file: one array, as numpy.save writes it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from inkwash.data.pixels import as_pixels
from inkwash.data.regular import open_regular
from inkwash.data.source import Images
from inkwash.errors import UsageError

_LARGEST = 4 * 2**30  # bytes


class Npy:
    """An array of images: see `as_pixels` for its shape and values."""

    @staticmethod
    def recognises(path: Path) -> bool:
        return path.suffix.lower() == ".npy" and path.is_file()

    @staticmethod
    def read(path: Path) -> dict[str, Images]:
        """All images. Raises UsageError if the file is no such array, is cut short, or goes on after its end."""
        try:
            with open_regular(path, _LARGEST) as file:
                version = np.lib.format.read_magic(file)
                read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
                shape, _, dtype = read[version](file)
                expected = file.tell() + math.prod(shape) * dtype.itemsize
                if dtype.hasobject or expected != path.stat().st_size:  # before memory is taken
                    raise ValueError(f"{path.stat().st_size:,} bytes, where its header says {expected:,}")
                file.seek(0)
                array = np.load(file, allow_pickle=False)
        except Exception as error:  # damaged files make numpy's readers raise anything
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise UsageError(f"{path} cannot be read as an .npy file of images ({reason}).") from error
        pixels, notes = as_pixels(array, str(path))
        return {"": Images(path.stem, "train", pixels, notes=notes)}
