"""The seal of cached results: a digest that is stored with them, so that damaged or edited ones are computed again."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np


def seal(*parts: Any) -> str:
    """The sha256, in hexadecimal, of arrays (with type and shape) and of other values, whose `repr` must be exact."""
    hashed = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            hashed.update(f"{part.dtype.str} {part.shape}".encode())
            hashed.update(np.ascontiguousarray(part).data)
        else:
            hashed.update(repr(part).encode())
        hashed.update(b"\0")
    return hashed.hexdigest()
