"""Decodes an image file to 8-bit grey or RGB pixels, upright and without transparency."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from inkwash.data.orientation import orientation_of, turned
from inkwash.data.packed import ending_of, open_file, page_of
from inkwash.data.tiff import tiff_pages

if TYPE_CHECKING:  # Pillow is slow to import
    from PIL.Image import Image

Fit = Literal["cut", "pad", "stretch"]

_GREY = {"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N"}
# Formats that Pillow decodes itself. Excluded are EPS, which Pillow passes to Ghostscript, WMF, which it passes to
# Windows, and scientific formats, of which it reads only the header. HEIF and JXL need a plugin.
_FORMATS = (
    "PNG", "JPEG", "GIF", "WEBP", "AVIF", "BMP", "DIB", "TIFF", "PPM", "TGA", "ICO", "CUR", "ICNS", "JPEG2000", "MPO",
    "PCX", "DCX", "QOI", "SGI", "SUN", "DDS", "PSD", "XBM", "XPM", "IM", "MSP", "SPIDER", "FLI", "BLP", "FTEX", "GBR",
    "PIXAR", "PCD", "XVTHUMB", "IMT", "MCIDAS", "FITS", "HEIF", "JXL",
)  # fmt: skip
_PAGES = 100_000
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # of Pillow, by channels
_HEIF = (".heic", ".heif", ".hif")
_LARGE, _large = 2**24, Lock()  # pixels
# The possible white values of integers of more than 8 bits: the maxima of 8, 10, 12 and 16 bits.
_WHITES = (255, 1023, 4095, 65535)


class UnreadableError(Exception):
    """The file cannot be read as an image; the message is a short reason."""


@dataclass(frozen=True)
class Header:
    """Properties of an image that are known without decoding it."""

    grey: bool
    height: int  # in pixels, after orientation
    width: int
    deep: bool = False  # integers of more than 8 bits
    transparent: bool = False
    several: bool = False  # an animation, or pages


def read_header(path: Path) -> Header:
    """Reads the header without decoding pixels. Raises UnreadableError if Pillow does not recognise the image."""
    with _opened(path) as (image, file):
        turned = orientation_of(image, file) >= 5
        width, height = image.size[::-1] if turned else image.size
        several = image.format != "MPO" and bool(getattr(image, "is_animated", False))  # an MPO holds one photograph
        return Header(
            image.mode in _GREY, height, width, image.mode.startswith("I"), image.has_transparency_data, several
        )


def pages(path: Path) -> int:
    """The number of frames or pages. Raises UnreadableError as `read_header` does, and for more than 100,000."""
    with _opened(path) as (image, file):
        found = 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))
        if image.format == "TIFF" and found != (expected := tiff_pages(file)):
            raise UnreadableError(f"cut short, or damaged: {found} of {expected or 'its'} pages are there")
    if found > _PAGES:
        raise UnreadableError(f"{found:,} pages, where {_PAGES:,} are most")
    return found


def peak(path: Path) -> int:
    """The largest value in an image of more than 8 bits.

    Raises UnreadableError if the file is damaged or a value lies outside 0..65535.
    """
    with _opened(path) as (image, _), _turn_of(image):
        return int(_integers(image).max())


def white_of(largest: int) -> int:
    """The white value of images of more than 8 bits, from their largest value: the maximum of 8, 10, 12 or 16 bits.

    Programs store 8- and 12-bit values in files of 16 or 32 bits, usually without recording it.
    """
    return next((white for white in _WHITES if largest <= white), _WHITES[-1])


def decode(
    path: Path,
    size: int | None,
    channels: int,
    background: str = "white",
    white: int = _WHITES[-1],
    fit: Fit = "cut",
) -> NDArray[np.uint8]:
    """Decodes a file to uint8 [channels,H,W], channels 1, 3 or 4 (RGBA); with `size`, fits it to size × size pixels.

    `fit` "cut" scales the short side and cuts the middle out, "pad" scales the long side and puts the image in the
    middle of `background`, and "stretch" scales each side by its own factor.

    With 4 channels the transparency is kept, and pixels that are wholly transparent have the colour of `background`.
    Applies the EXIF orientation, composites transparent pixels on `background` (a colour in Pillow's notation), scales
    integers of more than 8 bits so that `white` becomes 255, and takes the first frame, or the page that `path` names.
    Raises UnreadableError if the file is damaged or not an image.
    """
    with _opened(path) as (image, file), _turn_of(image):
        orientation = orientation_of(image, file)
        if size is not None:
            image.draft(None, (3 * size, 3 * size))  # decodes large JPEGs at reduced size, several times faster
        flat = turned(_flattened(image, _MODES[channels], background, white), orientation)
        if size is not None:
            flat = _fitted(flat, size, fit, background)
        if channels == 4:
            flat = _hidden(flat, background)
        pixels = np.array(flat)  # [H,W] or [H,W,3]
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _fitted(image: Image, size: int, fit: Fit, background: str) -> Image:
    import PIL.Image as Pillow

    scale = Pillow.Resampling.LANCZOS
    if fit == "stretch":
        return image.resize((size, size), scale, reducing_gap=3.0)
    if fit == "pad":
        width, height = (max(1, round(side * size / max(image.size))) for side in image.size)
        small = image.resize((width, height), scale, reducing_gap=3.0)
        padded = Pillow.new("RGB", (size, size), background).convert(image.mode)
        if image.mode == "RGBA":  # the edges are transparent
            padded.putalpha(0)
        padded.paste(small, ((size - width) // 2, (size - height) // 2))
        return padded
    short = min(image.size)
    left, top = ((side - short) // 2 for side in image.size)
    return image.resize((size, size), scale, box=(left, top, left + short, top + short), reducing_gap=3.0)


def _hidden(image: Image, background: str) -> Image:
    """The image with the colour of `background` where it is wholly transparent, since nothing is meant there."""
    import PIL.Image as Pillow

    colour = Pillow.new("RGBA", image.size, background)
    colour.putalpha(0)
    shown = image.getchannel("A").point(lambda value: 255 * (value > 0), "L")
    return Pillow.composite(image, colour, shown)


def _turn_of(image: Image) -> AbstractContextManager[object]:
    """Large images are decoded one at a time, or several threads would need as many times the memory."""
    return _large if image.width * image.height > _LARGE else nullcontext()


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Inside, images over Pillow's size limit raise. From then on, Pillow does not warn about invalid metadata.

    Must be entered by the thread that starts the decoding. The second filter stays on purpose: background threads
    decode images for as long as the process runs, and restoring filters while other threads change them is a race.
    """
    from PIL import Image

    Image.init()  # loads every format now; doing so in several threads at once is not safe
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Image, BinaryIO]]:
    from PIL import Image, UnidentifiedImageError

    path, number = page_of(path)
    try:
        # opened here: given a path, Pillow 13 memory-maps uncompressed TIFFs and garbles rotated ones
        heif = path.suffix.lower() in _HEIF and _heif()
        with open_file(path) as file, Image.open(file, formats=_readable(heif)) as image:
            if image.mode == "F":
                raise UnreadableError("floating-point pixels, of which nobody knows what is white")
            if number is not None:
                image.seek(number)
            yield image, file
    except (UnreadableError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        advice = ""
        if path.suffix.lower() in _HEIF and not heif:
            advice = " without pillow-heif: pip install 'inkwash[heif]'"
        elif ending_of(path) is not None:
            advice = ", but an archive or a table, which is read where its own path is given"
        raise UnreadableError(f"not an image that Pillow reads{advice}") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise UnreadableError(f"larger than Pillow's limit of {Image.MAX_IMAGE_PIXELS} pixels") from error
    except OSError as error:
        raise UnreadableError(error.strerror or str(error) or type(error).__name__) from error
    except Exception as error:  # damaged files make Pillow's readers raise any exception
        raise UnreadableError(str(error) or type(error).__name__) from error


@cache
def _heif() -> bool:
    """Whether Pillow reads HEIC now, by the package pillow-heif."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener(thumbnails=False)
    return True


@cache
def _readable(heif: bool) -> tuple[str, ...]:
    from PIL import Image

    Image.init()
    return tuple(name for name in Image.ID if name in _FORMATS)


def _integers(image: Image) -> NDArray[np.integer]:
    values: NDArray[np.integer] = np.array(image)
    if values.min() < 0 or values.max() > 0xFFFF:
        raise UnreadableError(f"pixels from {values.min()} to {values.max()}, where 0 to 65535 were expected")
    return values


def _flattened(image: Image, mode: str, background: str, white: int) -> Image:
    """8 bits, no palette, no transparency."""
    import PIL.Image as Pillow

    if image.mode.startswith("I"):
        values = _integers(image)
        if values.max() > white:
            raise UnreadableError(f"pixels up to {values.max()}, where {white} is white in the other images")
        bytes_of = np.rint(np.arange(white + 1) / (white / 255)).astype(np.uint8)  # a table, for it needs less memory
        image = Pillow.fromarray(bytes_of[values])
    if image.has_transparency_data and mode != "RGBA":
        colours = image.convert("RGBA")  # via RGBA, the only way to keep the transparency of palettes
        image = Pillow.alpha_composite(Pillow.new("RGBA", colours.size, background), colours)
    return image.convert(mode)
