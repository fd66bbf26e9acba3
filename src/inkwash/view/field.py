"""Figures of a diffusion of points in the plane: densities, arrows and paths."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inkwash.errors import UsageError
from inkwash.plots.figure import COLOURS, GREY, INK, LARGE, PLAIN, add_text, drawn, new_axes, new_figure
from inkwash.view.pixels import Pixels

Points = npt.NDArray[np.float64]  # [N,2]
SIDE, GAP, LEFT, HEAD = 250, 14, 130, 150  # px
TAIL = 8  # moments that a point's tail is long


@dataclass(frozen=True)
class Moment:
    """What is shown of one level."""

    caption: str
    density: npt.NDArray[np.float64]  # [G,G], rows from below; over the box
    where: Points  # of the arrows
    arrows: Points
    paths: npt.NDArray[np.float64]  # [moments so far, N, 2]


def field_figure(moments: Sequence[Moment], box: float, title: str) -> Pixels:
    """Draw a column for each level: the data's density, the score's arrows, and the paths so far.

    Args:
        moments: at least one, from noise to data.
        box: the axes show [−box, box]².
        title: one line.

    Returns:
        uint8 [H,W,3], 150 dpi. Arrows point along the score; their length is the fourth root of its norm.
    """
    if not moments:
        raise UsageError("a figure of a field takes one level or more; none were given.")
    width = LEFT + len(moments) * (SIDE + GAP) + 30
    height = HEAD + 3 * (SIDE + GAP) + 20
    figure = new_figure(width, height)
    add_text(figure, title, width // 2, height - 56, width - 40, size=LARGE, weight="bold")
    for row, name in enumerate(("density\nof the data", "score", "paths\nof the flow")):
        add_text(figure, name, LEFT // 2, _bottom(height, row) + SIDE // 2 - 20, LEFT - 10, size=PLAIN)
    for column, moment in enumerate(moments):
        left = LEFT + column * (SIDE + GAP)
        add_text(figure, moment.caption, left + SIDE // 2, height - HEAD + 10, SIDE, size=PLAIN)
        density, arrows, paths = (_axes(figure, left, _bottom(height, row), box) for row in range(3))
        density.imshow(np.sqrt(moment.density), origin="lower", extent=(-box, box, -box, box), cmap="Blues")
        arrows.imshow(np.sqrt(moment.density), origin="lower", extent=(-box, box, -box, box), cmap="Greys", alpha=0.35)
        length = np.linalg.norm(moment.arrows, axis=1, keepdims=True)
        shown = moment.arrows / (length**0.75 * float(length.max()) ** 0.25 + 1e-12)
        arrows.quiver(*moment.where.T, *shown.T, color=COLOURS[0], width=0.008, scale=14)
        paths.plot(*_joined(moment.paths), color=GREY, linewidth=0.5, alpha=0.7)
        paths.plot(*moment.paths[-1].T, ".", color=COLOURS[1], markersize=3)
    return drawn(figure)


def flow_frames(paths: npt.NDArray[np.float64], captions: Sequence[str], box: float) -> list[Pixels]:
    """Draw points on their way from noise to data, each with a short tail: paths [moments,N,2] -> a frame a moment."""
    frames = []
    for i, caption in enumerate(captions):
        figure = new_figure(2 * SIDE, 2 * SIDE + 50)
        add_text(figure, caption, SIDE, 2 * SIDE + 8, 2 * SIDE - 20, size=PLAIN)
        axes = _axes(figure, 10, 10, box, 2 * SIDE - 20)
        tail = paths[max(0, i - TAIL) : i + 1]
        axes.plot(*_joined(tail), color=COLOURS[0], linewidth=0.6, alpha=0.35)
        axes.plot(*paths[i].T, ".", color=INK, markersize=2)
        frames.append(drawn(figure))
    return frames


def _joined(paths: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Paths [moments,N,2] as one line [2,N·(moments + 1)] with gaps, which is drawn a hundred times as fast."""
    gap = np.full((1, *paths.shape[1:]), np.nan)
    return np.concatenate([paths, gap]).transpose(2, 1, 0).reshape(2, -1)


def _bottom(height: int, row: int) -> int:
    return height - HEAD - (row + 1) * SIDE - row * GAP


def _axes(figure: Any, left: int, bottom: int, box: float, side: int = SIDE) -> Any:
    axes = new_axes(figure, left, bottom, side, side)
    axes.set(xlim=(-box, box), ylim=(-box, box), xticks=(), yticks=(), aspect="equal")
    return axes
