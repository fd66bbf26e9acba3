"""The figure of a network: which resolution and how many channels its layers have, in the order of calls."""

from collections.abc import Sequence
from itertools import groupby

from inkwash.plots.figure import COLOURS, GREY, INK, LARGE, SMALL, add_text, drawn, new_axes, new_figure
from inkwash.view.pixels import Pixels

WIDTH, ROW, MARGIN, TOP, BOTTOM = 1500, 110, 120, 70, 90  # px
LEAST = 0.06  # height of the thinnest bar, as a share of a row


def network_figure(shapes: Sequence[tuple[int, ...]], title: str) -> Pixels:
    """Draws layers as bars from left to right: the row is the resolution, the height the number of channels.

    `shapes` are (C, H, W) of the layers' outputs in the order of calls, at least one. Returns uint8 [H',W',3].
    """
    sides = sorted({shape[1:] for shape in shapes}, reverse=True)
    most = max(shape[0] for shape in shapes)
    height = TOP + BOTTOM + ROW * len(sides)
    figure = new_figure(WIDTH, height)
    axes = new_axes(figure, MARGIN, BOTTOM, WIDTH - MARGIN - 30, ROW * len(sides))
    axes.grid(visible=False)
    for (channels, *side), of in groupby(enumerate(shapes), key=lambda each: each[1]):
        places = [place for place, _ in of]
        row, tall = sides.index(tuple(side)), max(LEAST, 0.72 * channels / most)
        begin, wide = places[0], len(places)
        colour = COLOURS[row % len(COLOURS)]
        axes.bar(begin, tall, wide - 0.15, -row - tall / 2, align="edge", color=colour, alpha=0.85, linewidth=0)
        if wide > 1 or len(shapes) < 60:
            middle = begin + wide / 2
            axes.text(middle, -row + tall / 2 + 0.03, str(channels), size=SMALL, color=INK, ha="center", va="bottom")
    axes.set_xlim(-0.5, len(shapes) + 0.5)
    axes.set_ylim(-len(sides) + 0.4, 0.6)
    axes.set_yticks([-row for row in range(len(sides))], [f"{side[0]}×{side[1]}" for side in sides])
    axes.set_xlabel("layers in the order of calls; the height of a bar is its number of channels", color=GREY)
    add_text(figure, title, WIDTH // 2, height - TOP + 15, WIDTH - 100, LARGE)
    return drawn(figure)
