"""Finds a font with colour emoji: a given one, an installed one, or Noto Color Emoji, downloaded once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from inkwash.data.fetch import find_or_fetch
from inkwash.errors import UsageError

if TYPE_CHECKING:  # Pillow is slow to import
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

_NOTO = "NotoColorEmoji.ttf"
# googlefonts/noto-emoji at tag v2.051, Unicode 17; not the file that Debian builds of the same source
_NOTO_SHA256 = "72a635cb3d2f3524c51620cdde406b217204e8a6a06c6a096ff8ed4b5fd6e27b"
_NOTO_MIRRORS = (
    "https://raw.githubusercontent.com/googlefonts/noto-emoji/v2.051/fonts/",
    "https://github.com/googlefonts/noto-emoji/raw/v2.051/fonts/",
)
_SIZES = (109, 160, 136, 128, 96, 64)  # bitmap sizes of Noto, Apple and others; outline fonts have any size
_ELSEWHERE = "Leave it out to use one that is installed, or else to download Noto Color Emoji."


def emoji_font(font: str | Path | None = None, data_dir: str | Path | None = None) -> tuple[Path, FreeTypeFont]:
    """(file, font) of a font that draws colour emoji: `font`, else an installed one, else Noto Color Emoji.

    Noto Color Emoji is found in or downloaded to the subfolder "fonts" of the data folder: see `find_or_fetch`.

    Raises UsageError if this Pillow cannot compose emoji, or if `font` is not a file, not a font, or has no colour
    emoji that Pillow can draw; InkwashError if no font can be obtained.
    """
    from PIL import features

    if not features.check("raqm"):
        raise UsageError(
            "Pillow here has no Raqm, without which flags and people fall into pieces: it needs Pillow's own wheels "
            "(pip install --force-reinstall pillow) and the FriBiDi library (apt install libfribidi0, brew install "
            "fribidi, or fribidi.dll on Windows' PATH)."
        )
    if font is not None:
        path = Path(font).expanduser()
        if not path.is_file():
            raise UsageError(f"The font {path} is not a file; a font with emoji in colour was expected. {_ELSEWHERE}")
        return path, opened(path)
    for path in installed():
        try:
            return path, opened(path)
        except UsageError:  # such as Noto as COLRv1, which Pillow does not draw
            continue
    path = find_or_fetch(_NOTO, "fonts", _NOTO_SHA256, _NOTO_MIRRORS, data_dir, at_most=2**25)
    return path, opened(path)


def installed() -> Iterator[Path]:
    """The emoji font files that exist in the usual places of operating systems."""
    home, shared = Path.home(), Path("/usr/share/fonts")
    noto = [
        home / ".local/share/fonts",
        home / ".fonts",
        home / "Library/Fonts",
        Path("/usr/local/share/fonts"),
        shared / "truetype/noto",  # Debian, Ubuntu
        shared / "noto",  # Arch, Alpine
        shared / "google-noto-color-emoji-fonts",  # Fedora
        shared / "google-noto-emoji",
        shared / "noto-emoji",  # Gentoo
    ]
    windows = Path(os.environ.get("WINDIR", "C:/Windows"))
    places = [folder / _NOTO for folder in noto]
    places += [Path("/System/Library/Fonts/Apple Color Emoji.ttc"), windows / "Fonts/seguiemj.ttf"]
    return (path for path in places if path.is_file())


def opened(path: Path) -> FreeTypeFont:
    """Opens a font at the first size of `_SIZES` that it supports.

    Raises UsageError if it is not a font, or has no colour emoji that Pillow can draw.
    """
    from PIL import ImageFont

    reason = ""
    for size in _SIZES:
        try:
            font = ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.RAQM)
        except OSError as error:  # not a font, or a bitmap font without this size
            reason = str(error)
            continue
        if _in_colour(glyphs(font, "😀")):
            return font
        raise UsageError(f"The font {path} has no emoji in colour that Pillow draws. Give another. {_ELSEWHERE}")
    raise UsageError(f"{path} is no font that Pillow reads ({reason}). Give another. {_ELSEWHERE}")


def glyphs(font: FreeTypeFont, text: str) -> Image:
    """A short text in colour on a transparent RGBA image with sides of 3·size, drawn from (size, size) on."""
    from PIL import Image, ImageDraw

    em = int(font.size)
    canvas = Image.new("RGBA", (3 * em, 3 * em), (255, 255, 255, 0))
    ImageDraw.Draw(canvas).text((em, em), text, font=font, fill="black", embedded_color=True)
    return canvas


def _in_colour(image: Image) -> bool:
    box = image.getbbox()
    if box is None:
        return False
    colours = image.crop(box).getcolors(1 << 20) or []
    return any(isinstance(c, tuple) and c[3] > 0 and len(set(c[:3])) > 1 for _, c in colours)
