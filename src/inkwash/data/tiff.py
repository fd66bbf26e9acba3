"""The pages of a TIFF file, counted by its chain of directories, since Pillow counts those before damage."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO


def tiff_pages(file: BinaryIO) -> int | None:
    """The number of pages; None if a directory lies beyond the end of the file, or the chain is a loop.

    A page is a directory of the main chain, as in "TIFF Revision 6.0", section 2; BigTIFF has wider numbers.
    """
    file.seek(0)
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        return None
    big = struct.unpack(f"{order}H", head[2:4])[0] == 43
    count, entry, offset = ("Q", 20, "Q") if big else ("H", 12, "I")
    counts, offsets = struct.calcsize(f"{order}{count}"), struct.calcsize(f"{order}{offset}")
    place = struct.unpack(f"{order}{offset}", head[8:16] if big else head[4:8])[0]
    seen: set[int] = set()
    end = file.seek(0, os.SEEK_END)
    while place:
        if place in seen or place + counts > end:
            return None
        seen.add(place)
        file.seek(place)
        entries = struct.unpack(f"{order}{count}", file.read(counts))[0]
        after = place + counts + entries * entry
        if after + offsets > end:
            return None
        file.seek(after)
        place = struct.unpack(f"{order}{offset}", file.read(offsets))[0]
    return len(seen)
