"""What figures are drawn with: numbers at ticks, scales, legends and names that hide nothing."""

import subprocess
import sys
from itertools import combinations, pairwise

import numpy as np
import pytest

from inkwash.plots.figure import new_axes, new_figure
from inkwash.plots.labels import name_point, pixels_between
from inkwash.plots.marks import curve, key, level, shades
from inkwash.plots.scales import scale_numbers, scale_score, short
from inkwash.plots.sheet import WIDTH, new_sheet


@pytest.fixture
def axes():
    return new_axes(new_figure(600, 400), 100, 80, 400, 300)


def test_numbers_at_ticks_are_short():
    assert [short(0.25), short(-2e-5), short(0), short(1.5e-4)] == ["0.25", "−2·10⁻⁵", "0", "1.5·10⁻⁴"]


@pytest.mark.parametrize(
    ("values", "share", "scale", "low", "high"),
    [
        ([(0.5, 0.1)], True, "linear", -0.04, 1.04),
        ([(1.0, 0.0), (20.0, 1.0)], False, "log", 1 / 1.4, 21 * 1.4),
        ([(1.0, 0.0), (2.0, 1.0)], False, "linear", 0.88, 3.12),
        ([(-1.0, 0.0), (20.0, 0.0)], False, "linear", -2.26, 21.26),
        ([(float("nan"), 0.0), (1.0, 0.0)], False, "linear", 0.9, 1.1),
    ],
)
def test_a_score_has_all_its_values_on_its_scale(axes, values, share, scale, low, high):
    scale_score(axes, "y", values, share)
    assert axes.get_yscale() == scale
    assert axes.get_ylim() == pytest.approx((low, high))


@pytest.mark.parametrize(
    ("values", "scale", "ticks"),
    [
        ([5, 10, 50], "log", [5, 10, 50]),
        ([0.5, 1.0], "linear", [0, 0.5, 1]),
        (list(range(1, 101)), "log", None),
        ([19], "log", [19]),
    ],
)
def test_numbers_have_ticks_where_there_is_room(axes, values, scale, ticks):
    scale_numbers(axes, values, 400, scale == "log")
    there = list(axes.xaxis.get_major_locator()())
    assert axes.get_xscale() == scale
    if ticks is not None:
        assert there == ticks
    assert there[-1] == values[-1]
    px = axes.transData.transform([(tick, 0) for tick in there])[:, 0]
    assert all(np.diff(px) > 40)


def test_a_curve_and_a_level_are_where_their_numbers_are(axes):
    curve(axes, [1, 2], [(3.0, 0.5), (4.0, 0.25)], "red")
    level(axes, (2.0, 0.1))
    line, dashed = axes.lines
    assert line.get_xydata().tolist() == [[1, 3], [2, 4]]
    assert set(dashed.get_ydata()) == {2.0}
    band = axes.collections[0].get_paths()[0].vertices
    assert {(1.0, 2.5), (1.0, 3.5), (2.0, 3.75), (2.0, 4.25)} <= {tuple(point) for point in band.tolist()}


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (2, 3), (3, 2)])
def test_axes_and_legends_of_a_sheet_do_not_meet(rows, columns):
    labels = [(f"a label that is long {i}", key("red")) for i in range(9)]
    sheet = new_sheet(rows, columns, 200, (labels, [], labels[:2]))
    axes = [sheet.at(i, j) for i in range(rows) for j in range(columns)]
    sheet.figure.canvas.draw()
    boxes = [each.get_window_extent() for each in (*axes, *sheet.figure.legends)]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    assert all(box.x0 >= 0 and box.y0 > 0 and box.x1 <= WIDTH for box in boxes)
    assert {round(each.get_window_extent().height) for each in axes} == {200}


def test_colours_can_be_told_apart():
    for count in (1, 3, 5, 9):
        for ordered in (False, True):
            assert len(set(shades(count, ordered))) == count


def test_names_of_points_hide_nothing(axes):
    axes.set_xlim(0, 10)
    axes.set_ylim(0, 10)
    points = [(2.0, 2.0), (2.4, 2.2), (2.8, 2.1), (9.9, 9.9), (0.1, 0.1)]
    full = [px for a, b in pairwise(points) for px in pixels_between(axes, a, b)]
    for point in points:
        name_point(axes, point, "s = 1", full)
    boxes = [text.get_window_extent() for text in axes.texts]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    assert all(axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1 for box in boxes)


def test_matplotlib_is_loaded_by_who_draws():
    names = ", ".join(f"inkwash.plots.{name}" for name in ("figure", "labels", "marks", "scales", "sheet", "svg"))
    subprocess.run([sys.executable, "-c", f"import sys, {names}; sys.exit('matplotlib' in sys.modules)"], check=True)
