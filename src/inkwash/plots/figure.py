"""The style of all figures. Uses neither pyplot nor other global state."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 150
INK, GREY, FAINT = "#1f2933", "#616e7c", "#e4e7eb"
COLOURS = ("#2b6cb0", "#d1495b", "#2f855a", "#b7791f", "#6b46c1")
SMALL, PLAIN, LARGE = 9, 10, 14  # pt


def new_figure(width: int, height: int) -> "Figure":
    """Make an empty white figure of `width` by `height` px."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")


def new_axes(figure: "Figure", left: float, bottom: float, width: float, height: float) -> "Axes":
    """Put axes with a faint grid at a place given in px from the figure's lower left corner."""
    across, up = figure.get_size_inches() * DPI
    axes = figure.add_axes((left / across, bottom / up, width / across, height / up))
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.grid(color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", colors=GREY, labelsize=SMALL, length=3)
    return axes


def add_text(figure: "Figure", text: str, x: int, y: int, width: int, size: float, weight: str = "normal") -> None:
    """Write `text` centred on x and standing on y, in px from the lower left corner.

    It is written smaller than `size` pt if it were wider than `width` px.
    """
    across, up = figure.get_size_inches() * DPI
    written = figure.text(
        x / across,
        y / up,
        text,
        size=size,
        weight=weight,
        color=INK,
        ha="center",
        va="bottom",
        parse_math=False,
    )
    written.set_fontsize(size * min(1.0, width / max(1.0, written.get_window_extent().width)))


def add_legend(axes: "Axes", columns: int) -> None:
    """Draw the legend in one row above the axes, where it covers no data."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=columns,
        frameon=False,
        fontsize=PLAIN,
        labelcolor=INK,
        borderaxespad=0.3,
        handlelength=1.4,
        borderpad=0.2,
    )


def drawn(figure: "Figure") -> npt.NDArray[np.uint8]:
    """Draw the figure. Returns uint8 [H,W,3]."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[:, :, :3]
