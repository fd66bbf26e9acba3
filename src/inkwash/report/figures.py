"""The figures of a study: theory along an axis, scores along an axis, and an overview of all cells."""

from collections.abc import Callable
from dataclasses import replace

from inkwash.metrics.score import SCORES
from inkwash.plots.figure import GREY, INK, PLAIN, SMALL
from inkwash.plots.marks import Pair, key, level, ring
from inkwash.plots.scales import scale_numbers, scale_score
from inkwash.plots.sheet import TICKS, new_sheet
from inkwash.plots.svg import drawing
from inkwash.report.chart import Chart, Drawing, Writer, new_chart
from inkwash.report.languages import text
from inkwash.report.layout import even, layout, marked, place
from inkwash.report.trade import trade
from inkwash.study.axes import AXES
from inkwash.study.table import Row, Table

LEFT_OUT = ("density", "spread")  # density is redundant with coverage; the theory figure shows the spread
MOST, NAMED = 8, 6  # values that the overview colours at most, and cells of the front that its caption names
HIGH, TALL, WIDE = 230, 330, 480  # px, the height of axes: of a score, of theory and trade, of the overview
AT_ONE: Pair = (1.0, 0.0)  # the right spread


def theory_figure(done: Table, axis: str) -> Drawing:
    """The spread that theory predicts along an axis, and the one that was measured."""
    plan, write = layout(done, axis), Writer()
    values = [pair for row in plan.rows for pair in (_foretold(row), row.scores["spread"])] + [AT_ONE]
    with drawing():
        style = [
            (write("key_theory"), key(GREY) if plan.numeric else key(GREY, "D", "", hollow=True)),
            (write("key_points"), key(GREY, "o", "")),
            (write("key_right"), key(GREY, line="--")),
        ]
        chart = new_chart(plan, write, 1, len(plan.panels), TALL, style)
        for column, panel in enumerate(plan.panels):
            axes = chart.sheet.at(0, column)
            chart.level(axes, AT_ONE)
            chart.put(axes, panel, _foretold, points=False)
            chart.put(axes, panel, _scored("spread"), joined=False)
            chart.scale(axes, "spread", values)
            chart.name(axes, panel, "spread", left=column == 0)
        guided = [text("note_guided")] if any(row.guided for row in plan.rows) else []
        return write.finished(f"{axis}-theory", chart.sheet.figure, [*plan.notes, *guided])


def measured_figure(done: Table, axis: str, spread: bool = False) -> Drawing:
    """Every score along an axis, with the score of real images; includes the spread if no other figure shows it."""
    plan, write = layout(done, axis), Writer()
    there = [name for name in done.floor_scores if all(name in row.scores for row in done.rows)]
    scores = [name for name in there if name not in LEFT_OUT] + ["spread"] * spread
    several = len(plan.panels) > 1
    columns = len(plan.panels) if several else 3
    with drawing():
        style = [(write("key_mean"), key(GREY, "o")), (write("key_floor"), key(GREY, line="--"))]
        chart = new_chart(plan, write, len(scores) if several else -(-len(scores) // columns), columns, HIGH, style)
        for i, score in enumerate(scores):
            values = [row.scores[score] for row in plan.rows] + [done.floor_scores[score]]
            for j, panel in enumerate(plan.panels):
                row, column = (i, j) if several else divmod(i, columns)
                axes = chart.sheet.at(row, column)
                chart.level(axes, done.floor_scores[score])
                chart.put(axes, panel, _scored(score))
                chart.scale(axes, score, values)
                bottom = i == len(scores) - 1 if several else i + columns >= len(scores)
                chart.name(axes, panel, score, i == 0, bottom, column == 0 or chart.sheet.other == TICKS)
        return write.finished(f"{axis}-measured", chart.sheet.figure, plan.notes)


def trade_figure(done: Table, axis: str) -> Drawing:
    """Precision over recall, a point for each value of an axis, and accuracy along the axis if it was measured."""
    plan, write = layout(done, axis), Writer()
    second = "accuracy" if all("accuracy" in row.scores for row in done.rows) else "frechet"
    values = [row.scores[second] for row in plan.rows] + [done.floor_scores[second]]
    alone = [replace(plan, panels=(panel,)) for panel in plan.panels]
    with drawing():
        style = [(write("key_mean"), key(GREY, "o")), (write("key_floor"), key(GREY, "x", "--"))]
        sheet = new_chart(alone[0], write, len(alone), 2, TALL, style).sheet
        for i, panel in enumerate(plan.panels):
            chart, left, right = Chart(alone[i], write, sheet), sheet.at(i, 0), sheet.at(i, 1)
            trade(left, plan, panel, "recall", "precision", done.floor_scores, write)
            chart.level(right, done.floor_scores[second])
            chart.put(right, panel, _scored(second))
            chart.scale(right, second, values)
            chart.name(right, panel, second)
            left.set_xlabel(write("score_head", "recall"), size=SMALL, color=GREY)
            precision = write("score_head", "precision")
            left.set_title(write.panel(panel) if panel.at else precision, loc="left", size=PLAIN, color=INK, pad=6)
            left.set_ylabel(precision if panel.at else "", size=SMALL, color=GREY)
        return write.finished(f"{axis}-trade", sheet.figure, plan.notes)


def overview_figure(done: Table) -> Drawing:
    """The Fréchet distance of all cells over their cost, with the Pareto front."""
    write, best, floor = Writer(), front(done), done.floor_scores["frechet"]
    few = [name for name in done.axes if len(done.axes[name]) <= MOST and not _is_cost(done, name)]
    axis = min(few, key=lambda name: AXES[name].panel, default=None)
    marks = marked(axis, [None] if axis is None else done.axes[axis])
    with drawing():
        legend = [(write.value(axis, value), key(shade, mark, "")) for value, shade, mark in marks if axis is not None]
        style = [(write("key_front"), key(INK, "o", hollow=True)), (write("key_floor"), key(GREY, line="--"))]
        sheet = new_sheet(1, 1, WIDE, (legend, style))
        axes = sheet.at(0, 0)
        level(axes, floor)
        cost, quality = [row.evaluations for row in best], [row.scores["frechet"][0] for row in best]
        axes.step(cost, quality, where="post", color=INK, linewidth=1)
        ring(axes, cost, quality, INK)
        for value, shade, mark in marks:
            rows = [row for row in done.rows if axis is None or row.value(axis) == value]
            mean, sd = zip(*(row.scores["frechet"] for row in rows), strict=True)
            x = [row.evaluations for row in rows]
            axes.errorbar(x, mean, sd, linestyle="none", marker=mark, markersize=5, color=shade, elinewidth=1.2)
        scale_numbers(axes, sorted({row.evaluations for row in done.rows}), sheet.wide, log=True)
        scale_score(axes, "y", [row.scores["frechet"] for row in done.rows] + [floor], SCORES["frechet"].share)
        axes.set_title(write("score_head", "frechet"), loc="left", size=PLAIN, color=INK, pad=6)
        axes.set_xlabel(write("key_cost"), size=SMALL, color=GREY)
        named = [(place(done, row), row) for row in even(best, NAMED)]
        return write.finished("overview", sheet.figure, [text("on_the_front", named, len(best))])


def _is_cost(done: Table, axis: str) -> bool:
    """Whether a numeric axis only determines the cost of the cells, such as the steps of a single solver."""
    costs = {(row.value(axis), row.evaluations) for row in done.rows}
    return AXES[axis].numeric and len(costs) == len(done.axes[axis]) == len({cost for _, cost in costs})


def front(done: Table) -> list[Row]:
    """The Pareto front: cells that no other cell with as few network evaluations matches, in order of evaluations."""
    best: list[Row] = []
    for row in sorted(done.rows, key=lambda row: (row.evaluations, row.scores["frechet"][0])):
        if not best or row.scores["frechet"][0] < best[-1].scores["frechet"][0]:
            best.append(row)
    return best


def _foretold(row: Row) -> Pair:
    return row.theory.spread, 0.0


def _scored(score: str) -> Callable[[Row], Pair]:
    return lambda row: row.scores[score]
