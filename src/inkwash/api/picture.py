"""A picture with a notebook display."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inkwash.errors import UsageError
from inkwash.view import to_png, write
from inkwash.view.pixels import Pixels


@dataclass(frozen=True, eq=False, repr=False)
class Picture:
    """A picture, uint8 [H,W,C] with C = 1 or 3, and its provenance."""

    pixels: Pixels
    provenance: dict[str, Any]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self.pixels, dtype=dtype, copy=copy)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes a PNG that contains the provenance for `inkwash replay`. Raises UsageError for any other suffix."""
        if Path(path).suffix.lower() != ".png":
            raise UsageError(f"a picture is saved as a PNG; give `path` a name ending in .png (got {path}).")
        write(path, self.pixels[None], self.provenance)
        return Path(path)

    def __repr__(self) -> str:
        height, width, _ = self.pixels.shape
        return f"Picture({width}×{height} px)"

    def _repr_png_(self) -> bytes:
        return to_png(self.pixels, self.provenance)
