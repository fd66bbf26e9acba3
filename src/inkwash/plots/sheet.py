"""Axes in rows and columns, with legends above them. All lengths are px."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inkwash.plots.figure import DPI, INK, SMALL, new_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Legend = Sequence[tuple[str, Any]]  # labels, each with its key
WIDTH, RIGHT = 1400, 36  # of a figure, and right of axes
TICKS, NEXT, LETTER = 108, 20, 14  # left of axes with numbers, of axes without; for a letter of a name
TITLE, BARE, FOOT = 54, 44, 78  # words above axes; ticks below them; ticks and words below them


@dataclass(frozen=True, eq=False)
class Sheet:
    """A figure with room for axes in rows and columns, counted from the upper left corner."""

    figure: "Figure"
    columns: int
    high: int  # of axes
    first: int  # left of the first column
    other: int  # left of the other columns
    pitch: int  # from one row to the next
    head: int  # above the first row

    @property
    def wide(self) -> float:
        """The width of axes."""
        return (WIDTH - RIGHT - self.first - (self.columns - 1) * (self.other + RIGHT)) / self.columns

    def at(self, row: int, column: int) -> "Axes":
        """New axes at a place."""
        left = self.first + column * (self.wide + self.other + RIGHT)
        bottom = round(self.figure.get_size_inches()[1] * DPI) - self.head - row * self.pitch - self.high
        return new_axes(self.figure, left, bottom, self.wide, self.high)


def new_sheet(
    rows: int, columns: int, high: int, legends: Sequence[Legend], first: int = TICKS, other: int = TICKS,
    between: int = FOOT + TITLE, last: int = FOOT,
) -> Sheet:  # fmt: skip
    """An empty sheet for axes `high` px high, with `between` px between two rows and `last` below the last."""
    there = [legend for legend in legends if legend]
    above = [10 + sum(map(_room, there[:i])) for i in range(len(there) + 1)]
    head = above[-1] + TITLE
    up = head + rows * high + (rows - 1) * between + last
    figure = new_figure(WIDTH, up)
    for top, legend in zip(above, there, strict=False):
        figure.legend(
            [each for _, each in legend], [label for label, _ in legend], ncols=_in_a_row(legend),
            loc="upper left", bbox_to_anchor=(0.01, 1 - top / up), frameon=False, fontsize=SMALL,
            labelcolor=INK, handlelength=1.8, borderpad=0, borderaxespad=0,
        )  # fmt: skip
    return Sheet(figure, columns, high, first, other, high + between, head)


def _in_a_row(legend: Legend) -> int:
    return max(1, min(len(legend), (WIDTH - 40) // (85 + 11 * max(len(label) for label, _ in legend))))


def _room(legend: Legend) -> int:
    return 36 * math.ceil(len(legend) / _in_a_row(legend))
