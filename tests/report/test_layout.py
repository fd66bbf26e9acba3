"""Which cells are drawn together: lines, colours, panels and pictures."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from spoken import CHINESE

from inkwash.metrics import score
from inkwash.metrics.score import Scores
from inkwash.report.languages import ENGLISH
from inkwash.report.layout import LINES, PANELS, Layout, even, layout, lines, place, representatives
from inkwash.report.pictures import FEW, MANY, picture_grids
from inkwash.settings import Prediction, Scoring
from inkwash.study import theory
from inkwash.study.axes import Sweep
from inkwash.study.cells import cells
from inkwash.study.exact import Exact
from inkwash.study.references import ReferenceSpec
from inkwash.study.table import Row, Table

SCORES = Scores(dict.fromkeys(score.SCORES, 0.5))


@dataclass(frozen=True)
class Named(Exact):
    """A subject under another name."""

    called: str = ""

    @property
    def name(self) -> str:
        return self.called


def made(*sweeps: Sweep, subjects: tuple[Exact, ...] = (Exact(),), shape: tuple[int, ...] = (28, 28, 1)) -> Table:
    """A table of which nothing was drawn: all cells score alike."""
    rows = tuple(
        Row(
            cell,
            theory.Forecast(1.0, 0.1, 0.1),
            (SCORES,) * 3,
            cell.evaluations,
            1.0,
            np.full((10, *shape), 99, dtype=np.uint8),
        )
        for cell in cells(subjects, sweeps, 32, 0)
    )
    return Table(rows, (SCORES,) * 3, ReferenceSpec(subjects[0], Scoring(n=32)), Path(), "2026-11-21 14:03")


def drawn(plan: Layout) -> list[Row]:
    return [row for panel in plan.panels for line in panel.lines.values() for row in line.rows]


def named(name: str, prediction: Prediction = "v") -> Named:
    return Named(prediction, called=name)


STEPS = (5, 10, 20)
FREE = Sweep(steps=STEPS, eta=(0.0, 0.5, 1.0), limit=("none",))
ODE = Sweep(steps=STEPS, solver=("heun", "dpmpp2m"), limit=("none",))


def test_eta_gives_colours_and_the_sampler_panels() -> None:
    plan = layout(made(FREE, ODE), "steps")
    assert (plan.colour, plan.colours) == ("eta", (0.0, 0.5, 1.0))
    assert [panel.at for panel in plan.panels] == [{"solver": name} for name in ("ddim", "heun", "dpmpp2m")]
    assert [list(panel.lines) for panel in plan.panels] == [[0.0, 0.5, 1.0], [0.0], [0.0]]
    assert plan.values == STEPS
    assert plan.notes == ()


def test_what_compares_nothing_is_not_drawn() -> None:
    done = made(FREE, ODE)
    plan = layout(done, "eta")
    assert {row.value("solver") for row in drawn(plan)} == {"ddim"}
    assert (plan.colour, plan.panels[0].at) == ("steps", {})
    assert [note(ENGLISH) for note in plan.notes] == ["9 of 15 cells are drawn; the table has all of them."]
    assert {row.value("eta") for row in drawn(layout(done, "solver"))} == {0.0}


def test_each_line_is_in_order_and_differs_in_its_axis_alone() -> None:
    done = made(Sweep(steps=(20, 5, 10), eta=(1.0, 0.0), limit=("none", "clip")), subjects=(named("a"), named("b")))
    for axis in done.axes:
        for line in lines(done, axis):
            places = [done.axes[axis].index(row.value(axis)) for row in line.rows]
            assert places == sorted(set(places))
            for other in set(done.axes) - {axis}:
                assert len({row.value(other) for row in line.rows}) == 1


def test_each_panel_is_where_its_own_cells_are() -> None:
    """Heun has its spacing, and the others have theirs."""
    free = Sweep(steps=STEPS, eta=(0.0, 1.0), spacing=("trailing", "linspace"), limit=("none",))
    heun = Sweep(steps=STEPS, solver=("heun",), spacing=("karras",), limit=("none",))
    plan = layout(made(free, heun), "steps")
    assert [panel.at for panel in plan.panels] == [
        {"solver": "ddim", "spacing": "trailing"},
        {"solver": "heun", "spacing": "karras"},
    ]


def test_axes_that_would_leave_a_value_alone_are_let_go() -> None:
    """DDIM and Heun never ran with the same spacing: to compare them, spacing must differ too."""
    free = Sweep(steps=STEPS, spacing=("trailing", "linspace"), limit=("none",))
    plan = layout(made(free, Sweep(steps=STEPS, solver=("heun",), limit=("none",))), "solver")
    assert plan.values == ("ddim", "heun")
    assert plan.notes[0](ENGLISH) == "Cells on one line also differ in “spacing of the steps”."


def test_of_too_many_values_an_even_spread_is_drawn() -> None:
    etas = tuple(i / 10 for i in range(11))
    subjects = tuple(named(f"run {i}") for i in range(7))
    plan = layout(made(Sweep(steps=STEPS, eta=etas, limit=("none",)), subjects=subjects), "steps")
    assert plan.colours == (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    assert len(plan.colours) == LINES
    assert [panel.at["run"] for panel in plan.panels] == ["run 0", "run 2", "run 4", "run 6"]
    assert len(plan.panels) == PANELS
    said = " ".join(note(ENGLISH) for note in plan.notes)
    assert "4 of 7 values of “run”" in said
    assert "6 of 11 values of “η”" in said
    assert "72 of 231 cells are drawn" in said


def test_what_is_left_is_held_and_said() -> None:
    sweep = Sweep(steps=STEPS, eta=(0.0, 1.0), limit=("none", "clip"))
    plan = layout(made(sweep, subjects=(named("a"), named("b"))), "steps")
    assert (plan.colour, [panel.at for panel in plan.panels]) == ("eta", [{"run": "a"}, {"run": "b"}])
    assert {row.value("limit") for row in drawn(plan)} == {"none"}
    assert plan.notes[0](ENGLISH) == "All cells drawn have limit none."


def test_a_run_has_one_prediction() -> None:
    done = made(FREE, subjects=(named("a"), named("b"), named("c", "x0")))
    assert list(done.axes)[:2] == ["prediction", "run"]
    assert "prediction" not in lines(done, "steps")[0].fixed
    for axis in ("prediction", "run"):
        plan = layout(done, axis)
        assert plan.values == tuple(done.axes[axis])
        assert plan.colour == "eta"
    assert any("share a value" in note(ENGLISH) for note in layout(done, "prediction").notes)
    assert not any("share a value" in note(ENGLISH) for note in layout(done, "run").notes)


@pytest.mark.parametrize("count", range(1, 30))
def test_an_even_spread_has_both_ends(count: int) -> None:
    for most in (2, 4, 6):
        some = even(range(count), most)
        assert len(some) == len(set(some)) == min(count, most)
        assert (some[0], some[-1]) == (0, count - 1) if count > 1 else some == [0]
        gaps = np.diff(some)
        assert gaps.max(initial=1) - gaps.min(initial=count) <= 1


def test_pictures_stand_at_four_places_at_most() -> None:
    done = made(FREE, ODE)
    there = representatives(done, "steps")
    assert there[0].fixed == {"solver": "ddim", "eta": 0.0}
    assert len(there) == 4
    grids = picture_grids(done, "steps")
    assert [strip.label(ENGLISH) for strip in grids[0].strips] == ["5 steps", "10 steps", "20 steps"]
    assert all(strip.png.startswith("data:image/png;base64,") for grid in grids for strip in grid.strips)
    assert picture_grids(made(FREE), "eta")[0].place(CHINESE) == "5 步"


@pytest.mark.parametrize(
    ("shape", "columns", "squares"),
    [((8, 8, 1), MANY, False), ((28, 28, 1), MANY, True), ((64, 64, 3), FEW, False), ((96, 200, 3), FEW, False)],
)
def test_pictures_of_all_sizes(shape: tuple[int, ...], columns: int, squares: bool) -> None:
    grid = picture_grids(made(FREE, shape=shape), "steps")[0]
    assert (grid.columns, grid.squares) == (columns, squares)


def test_a_cell_without_eta_is_named_without() -> None:
    done = made(FREE, ODE)
    assert place(done, done.rows[0]) == {"solver": "ddim", "steps": 5, "eta": 0.0}
    heun = [row for row in done.rows if row.value("solver") == "heun"]
    assert place(done, heun[-1]) == {"solver": "heun", "steps": 20}
