"""Pictures of a study along an axis: one strip for each value, with the same noise in each column."""

import base64
import io
from dataclasses import dataclass

import numpy as np

from inkwash.report.chart import short_name
from inkwash.report.languages import Text, text
from inkwash.report.layout import even, representatives
from inkwash.study.table import Table
from inkwash.view import grid
from inkwash.view.pixels import Pixels

TINY, SMALL, LARGE = 16, 40, 64  # px a side: smoothed below, squares up to, made smaller above
STRIPS = 8  # in a grid, at most
MANY, FEW = 10, 6  # pictures in a strip: of small ones, and of larger ones


@dataclass(frozen=True)
class Strip:
    """Pictures of one cell in a row, as the data URL of a PNG."""

    label: Text
    png: str


@dataclass(frozen=True)
class PictureGrid:
    """Strips along an axis; `place` names their values on the other axes, if needed."""

    place: Text | None
    strips: tuple[Strip, ...]
    columns: int
    squares: bool  # whether pixels are enlarged to squares


def picture_grids(done: Table, axis: str) -> list[PictureGrid]:
    """The pictures along an axis, at up to four combinations of the other axes."""
    side = max(done.rows[0].pictures.shape[1:3])
    columns = min(len(done.rows[0].pictures), MANY if side <= SMALL else FEW)
    grids = []
    for line in representatives(done, axis):
        rows = [(text("value", axis, short_name(row.value(axis))), row) for row in even(line.rows, STRIPS)]
        strips = tuple(Strip(label, _png(row.pictures[:columns])) for label, row in rows)
        at = text("point", line.fixed) if line.fixed else None
        grids.append(PictureGrid(at, strips, columns, TINY <= side <= SMALL))
    return grids


def _png(pictures: Pixels) -> str:
    """The data URL of a strip of pictures uint8 [P,H,W,C]. The page enlarges them, except very small ones."""
    from PIL import Image

    side = max(pictures.shape[1:3])
    if side > LARGE:
        size = (pictures.shape[2] * LARGE // side or 1, pictures.shape[1] * LARGE // side or 1)
        pictures = np.stack([_resized(picture, size) for picture in pictures])
    scale = -(-LARGE // side) if side < TINY else 1
    sheet = grid(pictures, columns=len(pictures), gap=scale, scale=scale, smooth=side < TINY)
    held = io.BytesIO()
    Image.fromarray(sheet[:, :, 0] if sheet.shape[2] == 1 else sheet).save(held, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(held.getvalue()).decode("ascii")


def _resized(picture: Pixels, size: tuple[int, int]) -> Pixels:
    """Resizes a picture uint8 [H,W,C] to a size in px, width first."""
    from PIL import Image

    planes = [Image.fromarray(plane).resize(size, Image.Resampling.LANCZOS) for plane in np.moveaxis(picture, 2, 0)]
    return np.stack([np.asarray(plane) for plane in planes], axis=2)
