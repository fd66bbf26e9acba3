"""The figures of a study: what theory says of an axis, what was measured along it, and all cells at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from typing import TYPE_CHECKING

from inkwash.report import sheet as on
from inkwash.report.labels import cell_name, place, plus_minus, titled
from inkwash.report.lines import NUMBERS, Layout, even, layout
from inkwash.report.svg import drawing, to_svg
from inkwash.report.trade import trade
from inkwash.report.words import AXES, Text
from inkwash.study.table import Row, Table
from inkwash.view.figure import GREY, INK, PLAIN, SMALL, drawn, new_axes, new_figure
from inkwash.view.pixels import Pixels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MEASURED = ("frechet", "kernel", "precision", "recall", "coverage", "entropy", "accuracy")
TELLING = ("solver", "run", "prediction", "scale", "eta", "spacing", "limit", "variance")  # what the overview colours
MOST, NAMED = 8, 6  # values that it colours at most, and cells of the front that its caption names
TALL, WIDE = 330, 480  # px, of the axes of the theory and of the overview
THEORY, POINTS = Text("theory, in closed form", "理论（闭式解）"), Text("measured", "测量值")
RIGHT = Text("1 = as the real images", "1 = 与真实图像相同")
SPREAD = Text("spread", "离散程度")
MEAN = Text("mean of three draws, with one standard deviation", "三次抽样的均值与一个标准差")
FLOOR = Text("floor: as many real images", "下限：同样多的真实图像")
COST = Text("network evaluations for one image", "每张图像的网络求值次数")
UNGUIDED = Text(
    "Theory knows no guidance, which the images measured have.", "理论不考虑引导，而测量的图像使用了引导。"
)  # fmt: skip
FRONT = Text("the front: no cheaper cell is as good", "前沿：没有更省而同样好的格子")


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure in both forms. `words` are those of its texts that have Chinese, `notes` what its caption must say."""

    name: str
    svg: str  # a file of its own, in English
    pixels: Pixels  # [H,W,3]
    words: dict[str, str]
    notes: tuple[Text, ...]


def theory_figure(done: Table, axis: str) -> Drawing:
    """The spread that theory foretells along an axis, and the one that was measured."""
    plan = layout(done, axis)
    line = on.key(GREY) if axis in NUMBERS else on.key(GREY, "D", "", hollow=True)
    style = [(THEORY, line), (POINTS, on.key(GREY, "o", "")), (RIGHT, on.key(GREY, line="--"))]
    values = [pair for row in _rows(plan) for pair in (_foretold(row), row.scores["spread"])] + [(1.0, 0.0)]
    with drawing():
        sheet, texts = _sheet(plan, 1, len(plan.panels), TALL, style)
        for column, panel in enumerate(plan.panels):
            axes = sheet.at(0, column)
            on.level(axes, plan, (1.0, 0.0))
            on.put(axes, plan, panel, _foretold, marked=False, joined=True)
            on.put(axes, plan, panel, _scored("spread"), marked=True, joined=False)
            on.scales(axes, sheet, plan, "spread", values)
            on.name(axes, plan, panel, SPREAD, True, True, column == 0)
        notes = (*plan.notes, UNGUIDED) if any(row.guided for row in _rows(plan)) else plan.notes
        return _finished(f"{axis}-theory", sheet.figure, [*texts, SPREAD], notes)


def measured_figure(done: Table, axis: str) -> Drawing:
    """Every score along an axis, each with what real images score."""
    plan = layout(done, axis)
    scores = [name for name in MEASURED if name in done.floor_scores and all(name in row.scores for row in done.rows)]
    scores += ["spread"] if axis == "scale" else []  # other axes have it in the figure of the theory
    several = len(plan.panels) > 1
    columns = len(plan.panels) if several else 3
    rows = len(scores) if several else -(-len(scores) // columns)
    with drawing():
        style = [(MEAN, on.key(GREY, "o")), (FLOOR, on.key(GREY, line="--"))]
        sheet, texts = _sheet(plan, rows, columns, on.HIGH, style)
        for i, score in enumerate(scores):
            values = [row.scores[score] for row in _rows(plan)] + [done.floor_scores[score]]
            for j, panel in enumerate(plan.panels):
                row, column = (i, j) if several else divmod(i, columns)
                axes = sheet.at(row, column)
                on.level(axes, plan, done.floor_scores[score])
                on.put(axes, plan, panel, _scored(score), marked=True, joined=True)
                on.scales(axes, sheet, plan, score, values)
                bottom = i == len(scores) - 1 if several else i + columns >= len(scores)
                on.name(axes, plan, panel, titled(score), i == 0, bottom, column == 0 or sheet.other == on.TICKS)
        return _finished(f"{axis}-measured", sheet.figure, [*texts, *map(titled, scores)], plan.notes)


def trade_figure(done: Table) -> Drawing:
    """Precision over recall, a point for each guidance scale, and accuracy along the scale where it is known."""
    plan = layout(done, "scale")
    alone = [replace(plan, panels=(panel,)) for panel in plan.panels]
    second = "accuracy" if all("accuracy" in row.scores for row in done.rows) else "frechet"
    precision, recall = titled("precision"), titled("recall")
    cross = (FLOOR, on.key(GREY, "x", "--"))
    with drawing():
        sheet, texts = _sheet(alone[0], len(alone), 2, TALL, [(MEAN, on.key(GREY, "o")), cross])
        for i, (each, panel) in enumerate(zip(alone, plan.panels, strict=True)):
            left, right = sheet.at(i, 0), sheet.at(i, 1)
            trade(left, plan, panel, "recall", "precision", done.floor_scores)
            on.level(right, each, done.floor_scores[second])
            on.put(right, each, panel, _scored(second), marked=True, joined=True)
            values = [row.scores[second] for row in _rows(plan)] + [done.floor_scores[second]]
            on.scales(right, sheet, each, second, values)
            on.name(right, each, panel, titled(second), True, True, True)
            left.set_xlabel(recall.en, size=SMALL, color=GREY)
            above = on.title(panel) if panel.at else [precision]
            left.set_title("\n".join(text.en for text in above), loc="left", size=PLAIN, color=INK, pad=6)
            left.set_ylabel(precision.en if panel.at else "", size=SMALL, color=GREY)
            texts += on.title(panel) if panel.at else []
        return _finished("scale-trade", sheet.figure, [*texts, precision, recall, titled(second)], plan.notes)


def overview_figure(done: Table) -> Drawing:
    """The Fréchet distance of all cells over what they cost, and the front: those that no cheaper one is as good as."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    score = "frechet"
    axis = next((name for name in TELLING if name in done.axes and len(done.axes[name]) <= MOST), None)
    values = [None] if axis is None else done.axes[axis]
    marked = list(zip(values, on.colours(axis, values), cycle(on.MARKERS), strict=False))
    marks = [] if axis is None else [(place(axis, value), on.key(shade, marker, "")) for value, shade, marker in marked]
    style = [(FRONT, on.key(INK, "o", hollow=True)), (FLOOR, on.key(GREY, line="--"))]
    best = front(done)
    with drawing():
        figure = new_figure(on.WIDTH, on.room((marks, style)) + on.TITLE + WIDE + on.FOOT)
        on.legends(figure, (marks, style))
        axes = new_axes(figure, on.TICKS, on.FOOT, on.WIDTH - on.TICKS - on.RIGHT, WIDE)
        mean, sd = done.floor_scores[score]
        axes.axhspan(mean - sd, mean + sd, color=GREY, alpha=on.BAND, linewidth=0)
        axes.axhline(mean, color=GREY, linestyle="--", linewidth=1.2)
        cost, quality = [row.evaluations for row in best], [row.scores[score][0] for row in best]
        axes.step(cost, quality, where="post", color=INK, linewidth=1)
        axes.plot(cost, quality, "o", markersize=11, markerfacecolor="none", markeredgecolor=INK)
        for value, shade, marker in marked:
            rows = [row for row in done.rows if axis is None or row.value(axis) == value]
            x, y = [row.evaluations for row in rows], [row.scores[score][0] for row in rows]
            bars = [row.scores[score][1] for row in rows]
            axes.errorbar(x, y, bars, linestyle="none", marker=marker, markersize=5, color=shade, elinewidth=1.2)
        axes.set_xscale("log")
        on.scale_score(axes, "y", score, [row.scores[score] for row in done.rows] + [done.floor_scores[score]])
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_title(titled(score).en, loc="left", size=PLAIN, color=INK, pad=6)
        axes.set_xlabel(COST.en, size=SMALL, color=GREY)
        texts = [*(text for text, _ in (*marks, *style)), COST, titled(score)]
        return _finished("overview", figure, texts, (_told(best, done),))


def front(done: Table) -> list[Row]:
    """The cells that no other matches with as few network evaluations, from few evaluations to many."""
    best: list[Row] = []
    for row in sorted(done.rows, key=lambda row: (row.evaluations, row.scores["frechet"][0])):
        if not best or row.scores["frechet"][0] < best[-1].scores["frechet"][0]:
            best.append(row)
    return best


def _told(best: Sequence[Row], done: Table) -> Text:
    some = even(best, NAMED)
    each = [(cell_name(row, done), row.evaluations, plus_minus(*row.scores["frechet"])) for row in some]
    listed = Text(
        "; ".join(f"{name.en} ({cost} evaluations, {score})" for name, cost, score in each),
        "；".join(f"{name.zh}（求值 {cost} 次，{score}）" for name, cost, score in each),
    )
    few = len(some) < len(best)
    return Text(
        f"On the front, from cheap to dear{f', {len(some)} of {len(best)}' if few else ''}: {listed.en}.",
        f"前沿上由省到费{f'（{len(best)} 个中的 {len(some)} 个）' if few else ''}：{listed.zh}。",
    )


def _sheet(plan: Layout, rows: int, columns: int, high: int, style: on.Legend) -> tuple[on.Sheet, list[Text]]:
    """A sheet with its legends, and all texts that are on it so far or will name its places."""
    marks = []
    if plan.colour is not None:
        shades = on.colours(plan.colour, plan.colours)
        marked = zip(plan.colours, shades, on.MARKERS, strict=False)
        marks = [
            (place(plan.colour, value), on.key(shade, marker, "-" if plan.axis in NUMBERS else ""))
            for value, shade, marker in marked
        ]
    sheet = on.new_sheet(plan, rows, columns, high, (marks, style))
    texts = [text for text, _ in (*marks, *style)]
    texts += [AXES[plan.axis], *(place(plan.axis, value) for value in plan.values)]
    return sheet, texts + [text for panel in plan.panels if panel.at for text in on.title(panel)]


def _finished(name: str, figure: "Figure", texts: Sequence[Text], notes: tuple[Text, ...]) -> Drawing:
    words = {text.en: text.zh for text in texts if text.en != text.zh}
    return Drawing(name, to_svg(figure), drawn(figure), words, notes)


def _rows(plan: Layout) -> list[Row]:
    return [row for panel in plan.panels for line in panel.lines.values() for row in line.rows]


def _foretold(row: Row) -> on.Pair:
    return row.theory.spread, 0.0


def _scored(score: str) -> Callable[[Row], on.Pair]:
    return lambda row: row.scores[score]
