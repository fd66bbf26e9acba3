"""Emoji and their names: thousands of small captioned images, which need no download except possibly a font."""

from __future__ import annotations

import contextlib
import hashlib
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from inkwash.atomic import replacing
from inkwash.data.fetch import cache_folder
from inkwash.data.font import emoji_font, glyphs
from inkwash.data.sealed import seal
from inkwash.data.source import Images, check_split
from inkwash.data.wordings import Wordings, base_of, in_test, sequences, toneless
from inkwash.data.wordings import wordings as wordings_in
from inkwash.errors import InkwashError, UsageError

if TYPE_CHECKING:  # Pillow is slow to import
    from PIL.ImageFont import FreeTypeFont

_VERSION = 1  # of the drawing: raise it when the pixels change
_FRAME = "😀🏠⬛🟥🔴💯🇫🇷"  # together they span the bounding box of a font's emoji
_UNKNOWN = ("\U0010fffe", "🇽🇽")  # no character and no flag: fonts draw their placeholder for unknown emoji

Box = tuple[int, int, int, int]  # left, top, right, bottom, as Pillow has it


def emoji(
    split: str,
    size: int = 32,
    font: str | Path | None = None,
    language: str = "en",
    data_dir: str | Path | None = None,
) -> Images:
    """Emoji on white, uint8 [N,3,size,size], N about 3,600 and 180; captions in English or, with "zh", Chinese.

    All variants of an emoji (skin tones, women, men) are in the same split; "test" has a twentieth of the emoji, and
    the split is fixed. Emoji that the font lacks are left out. Emoji that look the same at this size, such as the
    flags of Norway and of Bouvet Island, are one image with the captions of all. The skin tones of an emoji are one
    kind, since they make up half of the set. See `emoji_font` for `font` and `data_dir`, and `wordings` for captions.

    Raises UsageError for another split or language, a size below 8, or a font that `emoji_font` rejects;
    InkwashError if there is no font and none can be downloaded.
    """
    said, pixels, kinds = _chosen(split, size, font, language, data_dir)
    return Images("emoji", split, pixels, captions=tuple(wordings.known for wordings in said), kinds=kinds)


def held_out(
    split: str,
    size: int = 32,
    font: str | Path | None = None,
    language: str = "en",
    data_dir: str | Path | None = None,
) -> tuple[tuple[str, ...], ...]:
    """The held-out captions of each image of `emoji(...)` with the same arguments; () for most.

    None of them is a caption of any image in either split. Raises what `emoji` raises.
    """
    said, _, _ = _chosen(split, size, font, language, data_dir)
    return tuple(wordings.held_out for wordings in said)


def _chosen(
    split: str, size: int, font: str | Path | None, language: str, data_dir: str | Path | None
) -> tuple[list[Wordings], torch.Tensor, torch.Tensor]:
    """The captions of a split, the images uint8 [N,3,size,size], and their kinds [N]."""
    check_split(split)
    if size < 8:
        raise UsageError(f"size is the side of the emoji in pixels, 8 or more; got {size}.")
    called = wordings_in(language)
    groups, pixels = _cached(*emoji_font(font, data_dir), size)
    said = [_together([called[s] for s in group if s in called]) for group in groups]
    chosen = [i for i, g in enumerate(groups) if said[i].known and in_test(base_of(g[0])) == (split == "test")]
    names = [toneless(groups[i][0]) for i in chosen]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    kinds = torch.tensor([numbers[name] for name in names])
    return [said[i] for i in chosen], torch.from_numpy(pixels[chosen]), kinds


def _together(group: Sequence[Wordings]) -> Wordings:
    return Wordings(tuple(k for one in group for k in one.known), tuple(h for one in group for h in one.held_out))


def _cached(path: Path, font: FreeTypeFont, size: int) -> tuple[list[list[str]], NDArray[np.uint8]]:
    """`draw` of all emoji, from the cache if possible."""
    import emoji as package
    import PIL
    from PIL import features

    facts = (
        _VERSION,
        hashlib.sha256(path.read_bytes()).hexdigest(),
        package.__version__,
        PIL.__version__,
        features.version("freetype2"),
        features.version("raqm"),
        size,
    )
    file = cache_folder() / "emoji" / f"{hashlib.sha256(repr(facts).encode()).hexdigest()[:32]}.npz"
    damaged = (EOFError, ValueError, KeyError, BadZipFile, zlib.error)
    with contextlib.suppress(OSError, *damaged), file.open("rb") as opened, np.load(opened) as found:
        packed, pixels = found["groups"], found["pixels"]
        if seal(file.name, packed, pixels) == str(found["sha256"]):
            return [group.split() for group in packed.tolist()], pixels
    groups, pixels = draw(font, sequences(), size)
    packed = np.array([" ".join(group) for group in groups])
    with contextlib.suppress(InkwashError), replacing(file) as temporary:  # the cache need not be writable
        np.savez(temporary, groups=packed, pixels=pixels, sha256=seal(file.name, packed, pixels))
    return groups, pixels


def draw(font: FreeTypeFont, texts: Sequence[str], size: int) -> tuple[list[list[str]], NDArray[np.uint8]]:
    """Draws distinct images, uint8 [N,3,size,size], and lists for each the emoji of `texts` that look like it.

    Emoji that the font lacks are left out. Both results preserve the order of `texts`.
    """
    from tqdm import tqdm

    frame = _frame(font)
    widest = 1.5 * font.getlength("😀")  # a font draws an unknown sequence as several emoji in a row
    unknown = {bytes([255]) * (3 * size * size), *(_picture(font, text, frame, size).tobytes() for text in _UNKNOWN)}
    groups: dict[bytes, list[str]] = {}
    for text in tqdm(texts, desc="Drawing emoji", unit="image", delay=2):
        if font.getlength(text) <= widest and (content := _picture(font, text, frame, size).tobytes()) not in unknown:
            groups.setdefault(content, []).append(text)
    pixels = np.frombuffer(bytearray().join(groups), np.uint8).reshape(-1, 3, size, size)
    return list(groups.values()), pixels


def _frame(font: FreeTypeFont) -> Box:
    """The bounding square of the font's emoji."""
    boxes = [box for c in (*_FRAME[:-2], _FRAME[-2:]) if (box := glyphs(font, c).getbbox())]
    left, top = (min(box[i] for box in boxes) for i in (0, 1))
    right, bottom = (max(box[i] for box in boxes) for i in (2, 3))
    return _square((left, top, right, bottom), max(right - left, bottom - top))


def _square(box: Box, side: int) -> Box:
    """The square with this side and the centre of a box."""
    left, top = (box[0] + box[2] - side) // 2, (box[1] + box[3] - side) // 2
    return left, top, left + side, top + side


def _picture(font: FreeTypeFont, text: str, frame: Box, size: int) -> NDArray[np.uint8]:
    """uint8 [3,size,size] on white: the contents of the frame, or of a larger square if the emoji exceeds it."""
    from PIL import Image

    canvas = glyphs(font, text)
    ink = canvas.getbbox() or frame
    beyond = max(frame[0] - ink[0], frame[1] - ink[1], ink[2] - frame[2], ink[3] - frame[3], 0)
    region = canvas.crop(_square(frame, frame[2] - frame[0] + 2 * beyond))
    flat = Image.alpha_composite(Image.new("RGBA", region.size, "white"), region).convert("RGB")
    return np.array(flat.resize((size, size), Image.Resampling.LANCZOS)).transpose(2, 0, 1)
