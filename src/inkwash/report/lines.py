"""Which cells of a table are drawn together: what is a line, a colour, a panel, and what is left to the table."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeVar

from inkwash.report.labels import places
from inkwash.report.words import AXES, Text
from inkwash.study.table import Row, Table

Value = TypeVar("Value")
LINES, PANELS, GRIDS = 6, 4, 4  # at most, so that they can be told apart
NUMBERS = ("steps", "scale", "eta")  # the axes of numbers; the others are of names
COLOUR = ("eta", "scale", "steps", "solver", "prediction", "run", "spacing", "limit", "variance")  # most telling first
PANEL = ("prediction", "run", "solver", "scale", "spacing", "limit", "variance", "steps")
SHARED = Text(
    "Where several cells share a value, each of them is drawn.", "若多个格子取值相同，则分别画出。"
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Line:
    """Cells that differ in their place on one axis, in its order; `at` says where they are on the others."""

    at: dict[str, Any]
    rows: tuple[Row, ...]


@dataclass(frozen=True, eq=False)
class Panel:
    """Lines that are drawn on one pair of axes, by their value of the colour axis.

    `at` is what tells the panel from the others, first of all its value of the panel axis.
    """

    at: dict[str, Any]
    lines: dict[Any, Line]


@dataclass(frozen=True, eq=False)
class Layout:
    """How an axis is drawn. Without a colour axis each panel has one line, of colour None."""

    axis: str
    values: tuple[Any, ...]  # of the axis that are drawn
    colour: str | None
    colours: tuple[Any, ...]
    panels: tuple[Panel, ...]
    notes: tuple[Text, ...]  # what is not drawn, and what was not held equal


def lines(done: Table, axis: str) -> list[Line]:
    """All lines along an axis that compare something, in the order of the table.

    A line holds every other axis. Where that would leave values of the axis without any line (a solver that was
    only run with a spacing of its own), as few axes as need be are let go.
    """
    names = sorted(_others(done, axis), key=list(done.axes).index)
    found: list[Line] = []
    covered = 0
    for size in range(len(names), -1, -1):
        for held in combinations(names, size):
            these = [line for line in _split(done, axis, held) if len(_along(line.rows, axis)) > 1]
            if len(_along([row for line in these for row in line.rows], axis)) > covered:
                found = these
                covered = len(_along([row for line in these for row in line.rows], axis))
    return found


def layout(done: Table, axis: str) -> Layout:
    """The figure of an axis: colours for the most telling of the others, a panel for each value of the next.

    What is left is held, in each panel, where most cells are.
    """
    compared = lines(done, axis)
    vary = _varying(compared)
    colour = next((name for name in COLOUR if name in vary), None)
    panel = next((name for name in PANEL if name in vary and name != colour), None)
    rest = [name for name in vary if name not in (colour, panel)]
    beside = _values(compared, panel, done)
    chosen = {
        value: _fullest([line for line in compared if panel is None or line.at[panel] == value], rest)
        for value in even(beside, PANELS)
    }
    there = _values([line for each in chosen.values() for line in each], colour, done)
    colours = tuple(even(there, LINES))
    held = {name: {inside[0].at[name] for inside in chosen.values()} for name in rest}
    drawn = [
        Panel(
            {name: inside[0].at[name] for name in (panel, *rest) if name is not None and len(held.get(name, "..")) > 1},
            {value: line for value in colours for line in inside if colour is None or line.at[colour] == value},
        )
        for inside in chosen.values()
    ]
    panels = tuple(each for each in drawn if each.lines)
    rows = [row for each in panels for line in each.lines.values() for row in line.rows]
    notes = [_some(len(chosen), len(beside), panel)] if panel is not None and len(chosen) < len(beside) else []
    notes += [_some(len(colours), len(there), colour)] if colour is not None and len(colours) < len(there) else []
    alike = {name: next(iter(values)) for name, values in held.items() if len(values) == 1}
    notes += [_held(alike)] if alike else []
    notes += [_let_go(name) for name in _others(done, axis) if name not in compared[0].at]
    if any(len(_along(line.rows, axis)) < len(line.rows) for each in panels for line in each.lines.values()):
        notes.append(SHARED)
    notes += [_left_out(len(rows), len(done.rows))] if len(rows) < len(done.rows) else []
    values = tuple(value for value in done.axes[axis] if value in _along(rows, axis))
    return Layout(axis, values, colour, colours, panels, tuple(notes))


def representatives(done: Table, axis: str) -> list[tuple[dict[str, Any], Line]]:
    """Up to four lines along an axis that lie far apart, each with what tells it from the others."""
    compared = lines(done, axis)
    vary = _varying(compared)
    return [({name: line.at[name] for name in vary}, line) for line in even(compared, GRIDS)]


def even(values: Sequence[Value], most: int) -> list[Value]:
    """At most so many of the values, evenly spread, with the first and the last."""
    if len(values) <= most:
        return list(values)
    return [values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)]


def _others(done: Table, axis: str) -> list[str]:
    """The axes to be held along another. A run has one prediction, so where both are axes it is the run."""
    both = "prediction" in done.axes and "run" in done.axes
    tied = {"prediction": {"run"}, "run": {"prediction"}}.get(axis, {"prediction"}) if both else set()
    return [name for name in COLOUR if name in done.axes and name != axis and name not in tied]


def _varying(compared: Sequence[Line]) -> list[str]:
    return [name for name in compared[0].at if len({line.at[name] for line in compared}) > 1]


def _fullest(inside: Sequence[Line], rest: Sequence[str]) -> list[Line]:
    """Those of the lines that are at one place on the axes `rest`: where most cells are, the middle or first of those.

    Numbers have a middle: few steps show what differs, and the fewest show nothing else. Of names it is the first.
    """
    left = list(inside)
    for name in rest:
        cells = Counter(value for line in left for value in [line.at[name]] * len(line.rows))
        full = [value for value, count in cells.items() if count == max(cells.values())]
        chosen = full[(len(full) - 1) // 2 if name in NUMBERS else 0]
        left = [line for line in left if line.at[name] == chosen]
    return left


def _split(done: Table, axis: str, held: Sequence[str]) -> list[Line]:
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in done.rows:
        found.setdefault(tuple(row.value(name) for name in held), []).append(row)
    order = done.axes
    split = [
        Line(dict(zip(held, at, strict=True)), tuple(sorted(rows, key=lambda row: order[axis].index(row.value(axis)))))
        for at, rows in found.items()
    ]
    return sorted(split, key=lambda line: [order[name].index(line.at[name]) for name in order if name in line.at])


def _along(rows: Sequence[Row], axis: str) -> set[Any]:
    return {row.value(axis) for row in rows}


def _values(compared: Sequence[Line], name: str | None, done: Table) -> list[Any]:
    """The values of an axis that lines have, in order; None alone where there is no such axis."""
    if name is None:
        return [None]
    return [value for value in done.axes[name] if any(line.at[name] == value for line in compared)]


def _some(drawn: int, all_: int, name: str) -> Text:
    return Text(
        f"{drawn} of {all_} values of {AXES[name].en} are drawn, evenly spread.",
        f"{AXES[name].zh}共有 {all_} 个取值，图中均匀地取了 {drawn} 个。",
    )


def _let_go(name: str) -> Text:
    return Text(f"Along a line, {AXES[name].en} differs too.", f"同一条线上，{AXES[name].zh}也不相同。")


def _held(at: dict[str, Any]) -> Text:
    here = places(at)
    return Text(f"All of it at {here.en}.", f"均取 {here.zh}。")


def _left_out(drawn: int, all_: int) -> Text:
    return Text(
        f"Drawn are {drawn} of {all_} cells; all are in the table.",
        f"图中画出 {all_} 个格子中的 {drawn} 个，其余见总表。",
    )
