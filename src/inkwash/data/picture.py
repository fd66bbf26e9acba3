"""One image file -> 8-bit pixels, as its photographer meant it: upright, on white, grey or colour."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # Pillow is slow to import
    from PIL.Image import Image

_GREY = {"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N"}


class UnreadableError(Exception):
    """The file gives no image; the message is the reason in a few words."""


@dataclass(frozen=True)
class Header:
    """What is known of an image before it is decoded."""

    grey: bool
    height: int  # pixels, when upright
    width: int


def read_header(path: Path) -> Header:
    """Raises UnreadableError where Pillow knows no such image. Cheap: pixels are not decoded."""
    with _opened(path) as image:
        turned = _orientation(image) >= 5
        width, height = image.size[::-1] if turned else image.size
        return Header(image.mode in _GREY, height, width)


def decode(path: Path, size: int | None, channels: int) -> NDArray[np.uint8]:
    """uint8 [channels,H,W], channels 1 or 3; with `size`, the short side scaled to it and the middle cut out.

    EXIF orientation is obeyed, transparency laid on white, 16 bits scaled to 8, of an animation the first
    frame taken. Raises UnreadableError where the file is damaged or no image.
    """
    from PIL.Image import Resampling

    with _opened(path) as image:
        orientation = _orientation(image)
        if size is not None:
            image.draft(None, (3 * size, 3 * size))  # a large JPEG is decoded smaller, several times faster
        flat = _turned(_flattened(image, "L" if channels == 1 else "RGB"), orientation)
        if size is not None:
            short = min(flat.size)
            left, top = ((side - short) // 2 for side in flat.size)
            middle = (left, top, left + short, top + short)
            flat = flat.resize((size, size), Resampling.LANCZOS, box=middle, reducing_gap=3.0)
        pixels = np.array(flat)  # [H,W] or [H,W,3]
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Within: images over Pillow's limit raise. From then on: Pillow is silent about odd metadata.

    To be entered by the thread that starts the decoding. The second filter stays on purpose: images are
    decoded in background threads for as long as the process runs, and restoring filters while others change
    them is a race.
    """
    from PIL import Image

    Image.init()  # loads every format now; doing so in several threads at once is not safe
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


@contextmanager
def _opened(path: Path) -> Iterator[Image]:
    from PIL import Image, UnidentifiedImageError

    try:
        # opened here: given a path, Pillow 13 maps uncompressed TIFFs, and garbles those lying sideways
        with path.open("rb") as file, Image.open(file) as image:
            if image.mode == "F":
                raise UnreadableError("floating-point pixels, of which nobody knows what is white")
            yield image
    except (UnreadableError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise UnreadableError("not an image that Pillow reads") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise UnreadableError(f"larger than Pillow's limit of {Image.MAX_IMAGE_PIXELS} pixels") from error
    except Exception as error:  # damaged files make Pillow's readers fail in every way there is
        raise UnreadableError(str(error) or type(error).__name__) from error


def _orientation(image: Image) -> int:
    """The EXIF orientation, 1 to 8, where 1 is upright."""
    if image.format == "TIFF":  # Pillow turns these itself
        return 1
    if image.format == "PNG" and "exif" not in image.info:  # else Pillow would decode the whole image to look for it
        return 1
    try:
        found = image.getexif().get(0x0112, 1)
    except (SyntaxError, ValueError, TypeError, KeyError, IndexError, OSError, struct.error):
        return 1  # bad metadata, good pixels
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _turned(image: Image, orientation: int) -> Image:
    # not ImageOps.exif_transpose: it rewrites all metadata, and fails where any of it is odd
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


def _flattened(image: Image, mode: str) -> Image:
    """8 bits, no palette, no transparency."""
    import PIL.Image as Pillow

    if image.mode.startswith("I"):
        values = np.array(image)
        if values.min() < 0 or values.max() > 0xFFFF:
            raise UnreadableError("pixels of more than 16 bits")
        image = Pillow.fromarray(np.rint(values / 257).astype(np.uint8))
    if image.has_transparency_data:
        colours = image.convert("RGBA")  # by way of RGBA, as only so palettes keep their transparency
        image = Pillow.alpha_composite(Pillow.new("RGBA", colours.size, "white"), colours)
    return image.convert(mode)
