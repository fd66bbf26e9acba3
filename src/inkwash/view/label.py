"""The texts to the left of a grid's rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from inkwash.view.glyphs import DEJAVU, Face, face_of
from inkwash.view.pixels import Pixels

INK = 40
PADDING = 8  # px on both sides of the text
_LONGEST = 80  # characters of a label; a name may be as long as a file system lets it be


def margin(labels: Sequence[str], row_height: int, gap: int, background: int) -> Pixels:
    """Draw one text per row, each in the middle of its row and flush right, where the pictures begin.

    Characters missing from matplotlib's font, such as 猫 or 🐈, are drawn with installed fonts. Characters that no
    installed font has are drawn as boxes; `unshown` finds the labels that contain any.

    Args:
        labels: the texts, one per row. What does not print is drawn as �, and long ones are cut.
        row_height: px.
        gap: px between two rows.
        background: the grey to write on, 0..255.

    Returns:
        uint8 [rows*(row_height+gap)-gap, W], W as the longest text needs.
    """
    size = max(9, min(18, row_height // 2))
    lines = [_runs(_tidy(label), size) for label in labels]
    width = round(max(sum(run.width for run in line) for line in lines)) + 2 * PADDING
    paper = Image.new("L", (width, len(labels) * (row_height + gap) - gap), background)
    draw = ImageDraw.Draw(paper)
    for i, line in enumerate(lines):
        right, middle = float(width - PADDING), i * (row_height + gap) + row_height / 2
        for run in reversed(line):
            run.draw(paper, draw, right, middle)
            right -= run.width
    return np.asarray(paper)


def captioned(picture: Pixels, caption: str, background: int) -> Pixels:
    """A picture uint8 [H,W,C] with a line of text above it, on the grey `background`, 0..255."""
    line = margin([caption], 26, 0, background)
    width = max(picture.shape[1], line.shape[1])
    above = np.full((len(line), width, picture.shape[2]), background, np.uint8)
    above[:, : line.shape[1]] = line[:, :, None]
    wide = np.full((len(picture), width, picture.shape[2]), background, np.uint8)
    wide[:, : picture.shape[1]] = picture
    return np.concatenate([above, wide])


def unshown(labels: Sequence[str]) -> tuple[int, ...]:
    """The indices of the labels with a character that no installed font has."""
    return tuple(i for i, label in enumerate(labels) if any(face_of(c) is None for c in _tidy(label)))


def _tidy(label: str) -> str:
    """Converts a label to a single line of printable characters."""
    short = label if len(label) <= _LONGEST else label[: _LONGEST - 1] + "…"
    return "".join(c if c.isprintable() or c in "\u200d\ufe0f" else "\ufffd" for c in short)


@dataclass(frozen=True)
class _Run:
    """Neighbouring characters of one font."""

    text: str
    face: Face
    size: int

    @property
    def width(self) -> float:
        if self.face.bitmap_size is None:
            return float(self._font.getlength(self.text))
        return float(self._font.getlength(self.text)) * self.size / self.face.bitmap_size

    @property
    def _font(self) -> ImageFont.FreeTypeFont:
        return ImageFont.truetype(self.face.file, self.face.bitmap_size or self.size, self.face.index)

    def draw(self, paper: Image.Image, draw: ImageDraw.ImageDraw, right: float, middle: float) -> None:
        """Draws the run so that it ends at `right`."""
        if self.face.bitmap_size is None:
            draw.text((right, middle), self.text, fill=INK, font=self._font, anchor="rm")
            return
        font, big = self._font, self.face.bitmap_size  # emoji of one size, in colour
        canvas = Image.new("RGBA", (max(1, round(font.getlength(self.text))), 2 * big), (0, 0, 0, 0))
        ImageDraw.Draw(canvas).text((0, big), self.text, (INK, INK, INK, 255), font, "lm", embedded_color=True)
        small = canvas.resize((max(1, round(self.width)), 2 * self.size), Image.Resampling.LANCZOS)
        paper.paste(small.convert("L"), (round(right - self.width), round(middle) - self.size), small.getchannel("A"))


def _runs(label: str, size: int) -> list[_Run]:
    faces = [face_of(c) or DEJAVU for c in label]
    if set(faces) <= {DEJAVU}:
        return [_Run(label, DEJAVU, size)]
    runs: list[_Run] = []
    for c, face in zip(label, faces, strict=True):
        joins = runs and (face == runs[-1].face or c in "\u200d\ufe0f")
        if joins:
            runs[-1] = _Run(runs[-1].text + c, runs[-1].face, size)
        else:
            runs.append(_Run(c, face, size))
    return runs
