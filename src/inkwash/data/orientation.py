"""Which way up an image is, by its metadata."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:  # Pillow is slow to import
    from PIL.Image import Image

_ORIENTED = ("exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp")  # where a PNG may store the orientation


def orientation_of(image: Image, file: BinaryIO) -> int:
    """The orientation in the metadata, 1 to 8, where 1 is upright; as PIL.ImageOps.exif_transpose finds it."""
    if image.format == "TIFF":  # Pillow turns these itself
        return 1
    # to get the EXIF data of a PNG, Pillow decodes the whole image
    if image.format == "PNG" and not any(key in image.info for key in _ORIENTED) and not _more_follows(file):
        return 1
    try:
        found = image.getexif().get(0x0112, 1)
    except (SyntaxError, ValueError, TypeError, KeyError, IndexError, OSError, struct.error):
        return 1  # bad metadata, good pixels
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _more_follows(file: BinaryIO) -> bool:
    """Whether a PNG has metadata after its pixels."""
    place = file.tell()
    try:
        file.seek(8)
        seen = False
        for _ in range(100_000):  # chunks; a hostile file has more
            head = file.read(8)
            kind = head[4:]
            if len(head) < 8:
                return False
            if kind == b"IEND":
                return False
            if seen and kind in (b"eXIf", b"tEXt", b"zTXt", b"iTXt"):
                return True
            seen = seen or kind == b"IDAT"
            file.seek(int.from_bytes(head[:4], "big") + 4, 1)
        return False
    finally:
        file.seek(place)


def turned(image: Image, orientation: int) -> Image:
    """The image upright."""
    # not ImageOps.exif_transpose: it rewrites all metadata, and fails if any of it is invalid
    from PIL.Image import Transpose

    turns = (
        None,
        Transpose.FLIP_LEFT_RIGHT,
        Transpose.ROTATE_180,
        Transpose.FLIP_TOP_BOTTOM,
        Transpose.TRANSPOSE,
        Transpose.ROTATE_270,
        Transpose.TRANSVERSE,
        Transpose.ROTATE_90,
    )
    turn = turns[orientation - 1]
    return image if turn is None else image.transpose(turn)
