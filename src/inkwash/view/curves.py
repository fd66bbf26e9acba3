"""Figures of the forward process and of training losses."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
import numpy.typing as npt

from inkwash.errors import UsageError
from inkwash.plots.figure import COLOURS, GREY, LARGE, PLAIN, add_legend, add_text, drawn, new_axes, new_figure
from inkwash.view.grid import enlarge, on_checkerboard
from inkwash.view.pixels import Pixels, check_images

Curve = tuple[Sequence[float], Sequence[float]]  # x and y, equally many
Numbers = npt.NDArray[np.float64]

MARGIN, SPAN = 110, 1280  # px: left and right of the axes, and their width; wider only where the pictures are
COLUMN, GAP, MAX_GAP, ROW_GAP = 236, 25, 90, 8  # px; a picture is enlarged by the whole number that fits
PLOT = 360  # px, the height of axes
OUTLINE = 228  # a faint grey, so that a white picture on white has edges


def forward_figure(
    images_by_level: Sequence[Pixels], captions: Sequence[str], curves: Mapping[str, Curve], title: str, x: str = "t"
) -> Pixels:
    """Draw pictures at each noise level above, and curves below, over t.

    Args:
        images_by_level: one uint8 [N,H,W,C] per level, all of one shape: the same N pictures at increasing noise.
            A level is a column of N pictures, drawn pixel for pixel.
        captions: one text per level, written above its column; it may have several lines.
        curves: by name, the t's and the values at them. One whose name starts with "log" is drawn on other
            axes than the rest, as its range is another. Values that are not finite are left out.
        title: one line.
        x: what the curves are over.

    Returns:
        uint8 [H',W',3], 150 dpi. `write("name.png", figure[None], provenance)` makes it a file.

    Raises:
        UsageError: for no levels or curves, levels of unlike shape, captions that are not one per level,
            or a curve that has not as many values as t's.
    """
    if not images_by_level or len(captions) != len(images_by_level) or not curves:
        raise UsageError(
            f"A figure of the forward process takes levels, one caption for each, and curves; given were "
            f"{len(images_by_level)} levels, {len(captions)} captions and {len(curves)} curves."
        )
    for images in images_by_level:
        check_images(images)
    shapes = {images.shape for images in images_by_level}
    if len(shapes) > 1:
        raise UsageError(f"The images of all levels have one shape; given were {sorted(shapes)}.")

    images_by_level = [on_checkerboard(each) if each.shape[3] == 4 else each for each in images_by_level]
    n, height, width, channels = images_by_level[0].shape
    levels = len(captions)
    scale = max(1, min(COLUMN, (SPAN + GAP) // levels - GAP) // width)
    height, width = height * scale, width * scale
    gap = min(MAX_GAP, max(GAP, (SPAN - levels * width) // max(1, levels - 1)))  # flush with the axes, if it can be
    across = levels * (width + gap) - gap
    span = max(SPAN, across)
    full_width = span + 2 * MARGIN
    head = 125 + 32 * max(caption.count("\n") + 1 for caption in captions)  # px for title and captions
    foot = PLOT + 190
    full_height = head + n * (height + ROW_GAP) + foot

    figure = new_figure(full_width, full_height)
    add_text(figure, title, full_width // 2, full_height - 60, span, size=LARGE, weight="bold")
    for column, (images, caption) in enumerate(zip(images_by_level, captions, strict=True)):
        left = (full_width - across) // 2 + column * (width + gap)
        add_text(figure, caption, left + width // 2, full_height - head + 12, width + gap // 2, size=PLAIN)
        for row, image in enumerate(enlarge(images, scale)):
            bottom = full_height - head - row * (height + ROW_GAP) - height
            outlined = np.pad(image, ((1, 1), (1, 1), (0, 0)), constant_values=OUTLINE)
            figure.figimage(outlined.repeat(3 // channels, axis=2), left - 1, bottom - 1, origin="upper")

    logs = [name for name in curves if name.lower().startswith("log")]
    groups = [names for names in ([name for name in curves if name not in logs], logs) if names]
    plot = (span - (len(groups) - 1) * MARGIN) // len(groups)  # px, the width of axes
    colours = cycle(COLOURS)
    for i, names in enumerate(groups):
        axes = new_axes(figure, MARGIN + i * (plot + MARGIN), 100, plot, PLOT)
        for name in names:
            axes.plot(*_finite(name, *curves[name]), color=next(colours), linewidth=2, label=name)
        axes.set_xlabel(x, size=PLAIN, color=GREY)
        axes.margins(x=0.01)
        add_legend(axes, len(names))
    return drawn(figure)


def panels_figure(panels: Mapping[str, Mapping[str, Curve]], x: str, title: str) -> Pixels:
    """Draw several sets of curves side by side: by the title of each panel its curves, over `x`, by name.

    A name has one colour in all panels. uint8 [H',W',3], 150 dpi. Raises UsageError for no panels, or a curve that
    has not as many values as x's.
    """
    if not panels:
        raise UsageError("A figure of panels takes one or more; none were given.")
    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    plot = (SPAN - (len(panels) - 1) * MARGIN) // len(panels)  # px, the width of axes
    figure = new_figure(SPAN + 2 * MARGIN, PLOT + 300)
    add_text(figure, title, SPAN // 2 + MARGIN, PLOT + 240, SPAN, size=LARGE, weight="bold")
    for i, (head, curves) in enumerate(panels.items()):
        axes = new_axes(figure, MARGIN + i * (plot + MARGIN), 100, plot, PLOT)
        for name in curves:
            colour = COLOURS[names.index(name) % len(COLOURS)]
            axes.plot(*_finite(name, *curves[name]), color=colour, linewidth=2, label=name)
        axes.set_xlabel(x, size=PLAIN, color=GREY)
        axes.margins(x=0.01)
        add_legend(axes, len(curves))
        add_text(figure, head, MARGIN + i * (plot + MARGIN) + plot // 2, PLOT + 165, plot, size=PLAIN)
    return drawn(figure)


def loss_figure(images_seen: Sequence[float], loss: Sequence[float], held_out: Curve | None = None) -> Pixels:
    """Draw the losses of a training: each loss faintly, their running mean, and the held-out loss as points.

    Args:
        images_seen: how many images had been trained on, at each loss; at least one.
        loss: as many; the axis is logarithmic where they are positive and span more than a factor of 10.
            Values that are not finite are left out.
        held_out: images seen and the loss on held-out images there, if it was measured.

    Returns:
        uint8 [H,W,3], 150 dpi.

    Raises:
        UsageError: for no losses, or not as many as images_seen.
    """
    from matplotlib.ticker import EngFormatter, FuncFormatter, LogLocator, NullLocator

    if len(loss) == 0:
        raise UsageError("A figure of the loss takes at least one; none was given.")
    x, y = _finite("loss", images_seen, loss)
    figure = new_figure(SPAN + 2 * MARGIN, 800)
    axes = new_axes(figure, MARGIN + 30, 110, SPAN, 610)
    axes.plot(x, y, color=COLOURS[0], alpha=0.25, linewidth=1)
    dot = "o" if len(x) == 1 else None  # a line of one point cannot be seen
    smooth = _running_mean(y, reach=len(y) // 60)
    axes.plot(x, smooth, marker=dot, color=COLOURS[0], linewidth=2, label="training (running mean)")
    all_y = y
    if held_out is not None:
        held_x, held_y = _finite("held-out loss", *held_out)
        axes.plot(held_x, held_y, "o-", color=COLOURS[1], markersize=4, linewidth=1.5, label="held out")
        all_y = np.concatenate([y, held_y])
    if len(all_y) and 0 < 10 * all_y.min() < all_y.max():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.margins(x=0.01)
    axes.set_xlabel("images seen", size=PLAIN, color=GREY)
    axes.set_ylabel("loss", size=PLAIN, color=GREY)
    add_legend(axes, 2)
    return drawn(figure)


def levels_figure(noise: Sequence[float], losses: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> Pixels:
    """Draw losses over noise levels, both axes logarithmic.

    Args:
        noise: σ/α of each level.
        losses: by name, the losses there and their standard errors, drawn as a band. Those whose name begins with
            "ideal" are dashed. Values that a logarithm does not have are left out.

    Returns:
        uint8 [H,W,3], 150 dpi.
    """
    figure = new_figure(SPAN + 2 * MARGIN, 800)
    axes = new_axes(figure, MARGIN + 30, 110, SPAN, 580)
    for i, (name, (mean, error)) in enumerate(losses.items()):
        x, y, e = (np.asarray(values, dtype=np.float64) for values in (noise, mean, error))
        keep = np.isfinite(y) & (y > 0)
        x, y, e = x[keep], y[keep], np.nan_to_num(e[keep])
        style = "--" if name.startswith("ideal") else "-"
        axes.plot(x, y, style, color=COLOURS[i % 2], linewidth=2, label=name, marker=".")
        axes.fill_between(x, np.maximum(y - e, y / 100), y + e, color=COLOURS[i % 2], alpha=0.15, linewidth=0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    solid = [value for name, (mean, _) in losses.items() if not name.startswith("ideal") for value in mean if value > 0]
    if solid:  # a floor may fall to nothing, and would take all the height
        axes.set_ylim(bottom=min(solid) / 10)
    axes.set_xlabel("noise level σ/α", size=PLAIN, color=GREY)
    axes.set_ylabel("training loss", size=PLAIN, color=GREY)
    add_legend(axes, 2)
    return drawn(figure)


def _finite(name: str, x: Sequence[float], y: Sequence[float]) -> tuple[Numbers, Numbers]:
    if len(x) != len(y):
        raise UsageError(f"The curve {name!r} has {len(x)} x and {len(y)} y; it takes as many of both.")
    points: Numbers = np.array([x, y], dtype=np.float64)
    points = points[:, np.isfinite(points).all(axis=0)]
    return points[0], points[1]


def _running_mean(y: Numbers, reach: int) -> Numbers:
    """Mean over up to `reach` values on either side; over fewer at the start, where a loss falls fast."""
    sums = np.concatenate([[0.0], np.cumsum(y)])
    i = np.arange(len(y))
    start, stop = np.maximum(i - reach, 0), np.minimum(i + np.minimum(i, reach) + 1, len(y))
    means: Numbers = (sums[stop] - sums[start]) / (stop - start)
    return means
