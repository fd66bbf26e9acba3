"""The layout of figures: which cells of a table form a line, a colour or a panel, and which only the table shows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, cycle
from typing import Any, TypeVar

from inkwash.plots.marks import MARKERS, shades
from inkwash.report.languages import Text, text
from inkwash.study.axes import AXES
from inkwash.study.compare import Series
from inkwash.study.table import Row, Table

Value = TypeVar("Value")
LINES, PANELS, GRIDS = 6, 4, 4  # at most, so that a figure can be read


@dataclass(frozen=True, eq=False)
class Panel:
    """The lines on one pair of axes, by their value of the colour axis.

    `at` has the values that distinguish the panel from the others, beginning with that of the panel axis.
    """

    at: dict[str, Any]
    lines: dict[Any, Series]


@dataclass(frozen=True, eq=False)
class Layout:
    """The layout of the figure of an axis. Without a colour axis each panel has one line, of colour None."""

    axis: str
    values: tuple[Any, ...]  # the values of the axis that are drawn
    colour: str | None
    colours: tuple[Any, ...]
    panels: tuple[Panel, ...]
    notes: tuple[Text, ...]  # about values that are not drawn, and settings that are not held fixed

    @property
    def rows(self) -> list[Row]:
        """All that is drawn."""
        return [row for panel in self.panels for line in panel.lines.values() for row in line.rows]

    @property
    def numeric(self) -> bool:
        """Whether the axis is one of numbers; the others are of names."""
        return AXES[self.axis].numeric


def marked(axis: str | None, values: Sequence[Any]) -> list[tuple[Any, str, str]]:
    """Each of an axis's values with a colour and a marker."""
    ordered = axis is not None and AXES[axis].numeric
    return list(zip(values, shades(len(values), ordered), cycle(MARKERS), strict=False))


def place(done: Table, row: Row) -> dict[str, Any]:
    """The values of a row on the swept axes, without axes that its sampler does not have, such as η."""
    axes = list(done.axes) or ["solver", "steps"]
    return {axis: row.value(axis) for axis in axes if getattr(row.cell.sampling, axis, "") is not None}


def lines(done: Table, axis: str) -> list[Series]:
    """All lines along an axis with at least two points, in the order of the table.

    A line holds every other axis fixed. If some values of the axis would then be on no line (such as a solver that was
    only run with its own spacing), the smallest possible number of axes is released.
    """
    names = _others(done, axis)
    found: list[Series] = []
    covered = 0
    for size in range(len(names), -1, -1):
        for held in combinations(names, size):
            these = [line for line in _split(done, axis, held) if len(_along(line.rows, axis)) > 1]
            there = len(_along([row for line in these for row in line.rows], axis))
            if there > covered:
                found, covered = these, there
    return found


def layout(done: Table, axis: str) -> Layout:
    """The layout of the figure of an axis: colours for the most important other axis, panels for the next one.

    The remaining axes are fixed, in each panel, at the values that have the most cells.
    """
    compared = lines(done, axis)
    vary = _varying(compared)
    colour = min(vary, key=lambda name: AXES[name].colour, default=None)
    panel = min((name for name in vary if name != colour), key=lambda name: AXES[name].panel, default=None)
    rest = [name for name in vary if name not in (colour, panel)]
    beside = _values(compared, panel, done)
    chosen = [
        _fullest([line for line in compared if panel is None or line.fixed[panel] == value], rest)
        for value in even(beside, PANELS)
    ]
    there = _values([line for inside in chosen for line in inside], colour, done)
    colours = tuple(even(there, LINES))
    held = {name: {inside[0].fixed[name] for inside in chosen} for name in rest}
    apart = [name for name in (panel, *rest) if name is not None and (name == panel or len(held[name]) > 1)]
    drawn = [
        Panel(
            {name: inside[0].fixed[name] for name in apart},
            {value: line for value in colours for line in inside if colour is None or line.fixed[colour] == value},
        )
        for inside in chosen
    ]
    panels = tuple(each for each in drawn if each.lines)
    rows = [row for each in panels for line in each.lines.values() for row in line.rows]
    shown = ((panel, len(chosen), len(beside)), (colour, len(colours), len(there)))
    notes = [text("note_some", some, every, name) for name, some, every in shown if some < every]
    alike = {name: next(iter(values)) for name, values in held.items() if len(values) == 1}
    notes += [text("note_held", alike)] if alike else []
    notes += [text("note_differs", name) for name in _others(done, axis) if name not in compared[0].fixed]
    if any(len(_along(line.rows, axis)) < len(line.rows) for each in panels for line in each.lines.values()):
        notes.append(text("note_shared"))
    notes += [text("note_left_out", len(rows), len(done.rows))] if len(rows) < len(done.rows) else []
    values = tuple(value for value in done.axes[axis] if value in _along(rows, axis))
    return Layout(axis, values, colour, colours, panels, tuple(notes))


def representatives(done: Table, axis: str) -> list[Series]:
    """Up to four lines along an axis whose fixed values are far apart; `fixed` distinguishes them from the others."""
    compared = lines(done, axis)
    vary = _varying(compared)
    return [
        Series({name: at for name, at in line.fixed.items() if name in vary}, line.rows)
        for line in even(compared, GRIDS)
    ]


def even(values: Sequence[Value], most: int) -> list[Value]:
    """A subset of the values of limited size, evenly spaced, that includes the first and the last."""
    if len(values) <= most:
        return list(values)
    return [values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)]


def _others(done: Table, axis: str) -> list[str]:
    """The axes to hold fixed along another. Fixing the run fixes all its properties, such as its prediction."""
    tied = {name for name in done.axes if AXES[name].of_subject and (AXES[axis].of_subject or "run" in done.axes)}
    tied -= set() if AXES[axis].of_subject else {"run"}
    return [name for name in done.axes if name != axis and name not in tied]


def _varying(compared: Sequence[Series]) -> list[str]:
    """The axes on which lines differ, the most important first."""
    names = [name for name in compared[0].fixed if len({line.fixed[name] for line in compared}) > 1]
    return sorted(names, key=lambda name: AXES[name].colour)


def _fullest(inside: Sequence[Series], rest: Sequence[str]) -> list[Series]:
    """The lines at one combination of values on the axes `rest`: the one with the most cells; ties go to the middle or
    first value.

    For numbers it is the middle, since extreme values, such as the fewest steps, hide differences. For names it is the
    first.
    """
    left = list(inside)
    for name in rest:
        cells = Counter(value for line in left for value in [line.fixed[name]] * len(line.rows))
        full = [value for value, count in cells.items() if count == max(cells.values())]
        chosen = full[(len(full) - 1) // 2 if AXES[name].numeric else 0]
        left = [line for line in left if line.fixed[name] == chosen]
    return left


def _split(done: Table, axis: str, held: Sequence[str]) -> list[Series]:
    order = {name: values.index for name, values in done.axes.items()}
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in sorted(done.rows, key=lambda row: order[axis](row.value(axis))):
        found.setdefault(tuple(row.value(name) for name in held), []).append(row)
    places = sorted(found, key=lambda at: [order[name](value) for name, value in zip(held, at, strict=True)])
    return [Series(dict(zip(held, at, strict=True)), tuple(found[at])) for at in places]


def _along(rows: Sequence[Row], axis: str) -> set[Any]:
    return {row.value(axis) for row in rows}


def _values(compared: Sequence[Series], name: str | None, done: Table) -> list[Any]:
    """The values of an axis on the lines, in order; only None if there is no such axis."""
    there = {line.fixed[name] for line in compared} if name is not None else set()
    return [None] if name is None else [value for value in done.axes[name] if value in there]
