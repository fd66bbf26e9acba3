"""Which installed font has a character."""

import os
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib

_BITMAP_SIZES = (109, 160, 136, 128, 96, 64)  # of emoji fonts that have one size: Noto's, Apple's, others'
_JOINERS = "\u200d\ufe0f"  # they show nothing themselves
_FIRST = ("cjk", "notosans", "wqy", "yahei", "msyh", "pingfang", "hiragino", "gothic", "malgun", "emoji")
_MOST = 2000  # font files looked at


@dataclass(frozen=True)
class Face:
    """A font: its file, which of the fonts in it, and for fonts of bitmaps alone their size."""

    file: str
    index: int = 0
    bitmap_size: int | None = None


# Pillow's own font has no Greek, and labels are often "η = 0.5"; matplotlib brings one that has.
DEJAVU = Face(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"))


@cache
def face_of(character: str) -> Face | None:
    """The first font that has a character: DejaVu Sans, else an installed one; None where there is none."""
    if character in _JOINERS or ord(character) in _characters(DEJAVU.file):
        return DEJAVU
    for file in _installed():
        if ord(character) in _characters(file):
            face = _opened(file)
            if face is not None:
                return face
    return None


@cache
def _characters(file: str) -> frozenset[int]:
    """The characters that a font has a glyph for; none where it cannot be read."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(file).get_charmap())
    except Exception:  # noqa: BLE001 damaged fonts fail in every way there is
        return frozenset()


@cache
def _opened(file: str) -> Face | None:
    """The font as Pillow opens it; None where it does not."""
    from PIL import ImageFont

    for size in (None, *_BITMAP_SIZES):
        try:
            ImageFont.truetype(file, size or 12)
            return Face(file, 0, size)
        except OSError:
            continue
    return None


@cache
def _installed() -> tuple[str, ...]:
    """Files of installed fonts, those that have many characters first."""
    found = [
        str(path)
        for folder in _folders()
        if folder.is_dir()
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in (".ttf", ".otf", ".ttc")
    ]
    plain = [Path(file).name.lower().replace("-", "") for file in found]
    return tuple(
        file
        for _, _, file in sorted(
            (next((i for i, word in enumerate(_FIRST) if word in name), len(_FIRST)), name, file)
            for name, file in zip(plain, found, strict=True)
        )
    )[:_MOST]


def _folders() -> list[Path]:
    if sys.platform == "win32":
        return [Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts"]
    shared = [Path("/usr/share/fonts"), Path("/usr/local/share/fonts")]
    if sys.platform == "darwin":
        shared = [Path("/System/Library/Fonts"), Path("/Library/Fonts")]
    try:
        home = Path.home()
    except RuntimeError:  # there is none
        return shared
    return [*shared, home / ".local/share/fonts", home / ".fonts", home / "Library/Fonts"]
