"""The guidance scale: conclusions follow the numbers, and the trade is drawn where it was measured."""

import csv
import io
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from spoken import CHINESE, speak, spoken

from inkwash.metrics.score import Scores
from inkwash.report.chart import Writer
from inkwash.report.figures import measured_figure, overview_figure, theory_figure, trade_figure
from inkwash.report.languages import LANGUAGES
from inkwash.report.page import render
from inkwash.report.sections import story
from inkwash.report.sections.method import method
from inkwash.report.write import write_report
from inkwash.settings import Scoring
from inkwash.study import theory
from inkwash.study.axes import Sweep
from inkwash.study.cells import cells
from inkwash.study.exact import Exact
from inkwash.study.references import ReferenceSpec
from inkwash.study.table import Row, Table, as_csv

WOBBLE = (0.00, 0.03, -0.02)  # of three draws, the same in all cells: paired differences are exact
SCALES = (0.0, 1.0, 2.0, 4.0, 8.0)
LEVEL = {
    "frechet": 2.0, "precision": 0.8, "recall": 0.8, "density": 1.0, "coverage": 0.8, "spread": 1.0, "entropy": 3.2,
    "accuracy": 0.7,
}  # fmt: skip
Rule = Callable[[float], float]
NAMES = {"Fréchet", "Salimans", "CS231n", "Kynkäänniemi", "Karras"}  # that stay as they are in Chinese


def scores(**means: float | None) -> tuple[Scores, ...]:
    at: dict[str, Any] = {name: [None if mean is None else mean + w for w in WOBBLE] for name, mean in means.items()}
    return tuple(Scores({"kernel": 0.0, **{name: each[i] for name, each in at.items()}}) for i in range(3))


def table(
    scales: tuple[float | None, ...] = SCALES, steps: tuple[int, ...] = (10,), classes: bool = True, **rules: Rule
) -> Table:
    """A study of a network that takes classes, whose scores are made up: LEVEL, and more as the rules say."""
    subject = Exact("v", 600)
    pictures = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 1), dtype=np.uint8)
    rows = []
    for plain in cells([subject], [Sweep(steps=steps, limit=("none",))], 8, 0):
        for s in scales:
            cell = replace(plain, sampling=replace(plain.sampling, scale=s))
            known: dict[str, float | None] = {
                name: mean + (rules[name](s) if name in rules and s is not None else 0) for name, mean in LEVEL.items()
            }
            if s is None or not classes:
                known["accuracy"] = None
            foretold = theory.Forecast(0.9, 0.1, 1.0)
            rows.append(Row(cell, foretold, scores(**known), cell.evaluations, 1.0, pictures))
    measure = ReferenceSpec(subject, Scoring(n=80, features="pixels"))
    return Table(tuple(rows), scores(**LEVEL | {"frechet": 0.5}), measure, Path(), "today")


TRADE: dict[str, Rule] = {
    "accuracy": lambda s: s / 32, "precision": lambda s: s / 64, "recall": lambda s: -s / 16,
    "coverage": lambda s: -s / 32, "frechet": lambda s: (s - 2) ** 2,
}  # fmt: skip


def test_a_trade_is_told_with_its_numbers() -> None:
    done = table(steps=(10, 20), **TRADE)
    told, chinese = spoken(done, "scale"), spoken(done, "scale", CHINESE)
    assert (
        "**Guidance gives fidelity for diversity here**: from s = 1 to s = 8, on average over 2 settings, "
        in told.answer
    )
    assert "accuracy and precision rise significantly, while recall and coverage fall significantly." in told.answer
    assert "**引导在这里以多样性换取保真度**：从 s = 1 到 s = 8（2 种设置的平均），" in chinese.answer
    assert "准确率和精确率显著上升，而召回率和覆盖率显著下降。" in chinese.answer
    assert "lowest at **s = 2** (2), and significantly higher at both ends." in told.answer
    assert "在 **s = 2** 时最低（2）" in chinese.answer
    found = " ".join(told.findings)
    assert "**The condition, from s = 0 to s = 1, on average over 2 settings**: accuracy rises" in found
    assert "accuracy rises significantly, 0.703 → 0.735" in found
    assert "density does not change significantly, 1 → 1 (real images 1)" in found
    assert "recall falls significantly, 0.741 → 0.303" in found
    assert found.count("Fréchet distance") == 2  # one a number of steps


def test_what_is_equal_is_undecided() -> None:
    told, chinese = spoken(table(), "scale"), spoken(table(), "scale", CHINESE)
    assert "**No effect of guidance is significant here**" in told.answer
    assert "nowhere is it significantly higher." in told.answer
    assert "**这里引导没有显著的作用**" in chinese.answer
    assert "其余各处都不显著更高" in chinese.answer
    assert not any("rises" in text or "falls" in text for text in told.findings)


@pytest.mark.parametrize(
    ("rules", "en", "zh"),
    [
        (
            ("precision",),
            "more faithful here, at no significant cost in diversity",
            "提高保真度，而多样性没有显著的损失",
        ),
        (("precision", "recall"), "improves both fidelity and diversity", "同时提高保真度和多样性"),
        (
            ("-recall",),
            "costs diversity here, for no significant gain in fidelity",
            "损失多样性，而保真度没有显著的提高",
        ),
        (("-precision", "-coverage"), "costs both", "同时损失"),
        (("accuracy", "-precision"), "does not make its usual trade", "没有带来通常的取舍"),
        (("recall",), "does not make its usual trade", "没有带来通常的取舍"),
        (("spread", "entropy"), "No effect of guidance is significant", "引导没有显著的作用"),  # noise has both
        (("precision", "-spread"), "gives fidelity for diversity", "以多样性换取保真度"),
    ],
)
def test_what_is_won_and_lost(rules: tuple[str, ...], en: str, zh: str) -> None:
    def rule(sign: int) -> Rule:
        return lambda s: sign * s / 64

    done = table(**{name.strip("-"): rule(-1 if name[0] == "-" else 1) for name in rules})
    assert en in spoken(done, "scale").answer
    assert zh in spoken(done, "scale", CHINESE).answer


@pytest.mark.parametrize(
    ("frechet", "en"),
    [
        (lambda s: s, "lowest at **s = 0** (2), the least that was tried."),
        (lambda s: -s / 8, "lowest at **s = 8** (1), the most that was tried."),
        (lambda s: 0.01 * (s != 4), "lowest at **s = 4** (2); nowhere is it"),  # real images differ by more
        (
            lambda s: 0.01 * (s == 2) + (s > 2) + (s < 1),
            "lowest at **s = 1** (2), and significantly higher at both ends; at s = 2 it is not significantly higher.",
        ),
        (lambda s: float(s < 4) + 0.01 * (s > 4), "lowest at **s = 4** (2); at s = 8 it is not significantly higher."),
    ],
)
def test_where_the_distance_is_least(frechet: Rule, en: str) -> None:
    assert en in spoken(table(frechet=frechet), "scale").answer


def test_what_cancels_to_rounding_is_not_sure() -> None:
    done = table((1.0, 2.0), steps=(10, 20, 50))
    moved = {(10, 2.0): 0.1, (20, 2.0): 0.2, (50, 2.0): -0.3}

    def shifted(row: Row) -> Row:
        by = moved.get((row.value("steps"), row.value("scale")), 0.0)
        return replace(row, draws=tuple(Scores({**each.values, "recall": 0.7 + by}) for each in row.draws))

    told = spoken(replace(done, rows=tuple(map(shifted, done.rows))), "scale")
    assert "No effect of guidance is significant here" in told.answer


def test_of_two_scales_both_are_spoken_of() -> None:
    told = spoken(table((0.0, 1.0), **TRADE), "scale")
    assert "from s = 0 to s = 1" in told.answer
    assert not any("The condition" in text for text in told.findings)


def test_chinese_keeps_names_and_letters_alone() -> None:
    done = table(steps=(10, 20), **TRADE)
    for one, other in zip(spoken(done, "scale").texts, spoken(done, "scale", CHINESE).texts, strict=True):
        words = set(re.findall(r"[^\W\d_\u4e00-\u9fff][^\W_\u4e00-\u9fff]{2,}", other.replace("gaussian", "")))
        assert words <= NAMES, other
        assert not re.search("[\u4e00-\u9fff]", one)
        assert one.count("**") % 2 == other.count("**") % 2 == 0
        assert sorted(re.findall(r"\d+\.\d+|s = \d", one)) == sorted(re.findall(r"\d+\.\d+|s = \d", other))


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures that are finished, before they are text."""
    figures: list[Any] = []
    finished = Writer.finished

    def see(write: Writer, name: str, figure: Any, *rest: Any) -> Any:
        figures.append(figure)
        return finished(write, name, figure, *rest)

    monkeypatch.setattr(Writer, "finished", see)
    return figures


def test_the_points_are_the_tables(seen: list[Any]) -> None:
    done = table(**TRADE)
    trade_figure(done, "scale")
    left, right = seen[0].axes
    (line,) = [line for line in left.lines if line.get_linestyle() == "-" and len(line.get_xdata()) > 1]
    assert line.get_xydata() == pytest.approx(
        np.array([(row.scores["recall"][0], row.scores["precision"][0]) for row in done.rows])
    )
    (cross,) = [line for line in left.lines if line.get_marker() == "x"]
    floor = done.floor_scores
    assert cross.get_xydata() == pytest.approx(np.array([(floor["recall"][0], floor["precision"][0])]))
    (along,) = [line for line in right.lines if line.get_linestyle() == "-"]
    assert along.get_xydata() == pytest.approx(np.array([(s, 0.7 + 0.01 / 3 + s / 32) for s in SCALES]))
    assert right.get_xlim()[0] < 0 < SCALES[-1] < right.get_xlim()[1]


def test_every_point_is_named_and_no_name_hides_another(seen: list[Any]) -> None:
    trade_figure(table(**TRADE), "scale")
    left = seen[0].axes[0]
    assert sorted(text.get_text() for text in left.texts) == ["s = 0", "s = 1", "s = 2", "s = 4", "s = 8"]
    boxes = [text.get_window_extent() for text in left.texts]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    assert all(seen[0].bbox.containsx(box.x1) for box in boxes)


def test_without_classes_the_distance_stands_beside(seen: list[Any]) -> None:
    done = table(classes=False, **TRADE)
    texts = trade_figure(done, "scale").texts
    assert "accuracy ↑" not in texts
    assert texts["Fréchet distance ↓"](CHINESE) == "Fréchet 距离 ↓"
    assert "accuracy" not in " ".join(spoken(done, "scale").findings)
    assert "precision rises significantly" in spoken(done, "scale").answer


def test_the_page_has_the_trade_and_no_theory(tmp_path: Path) -> None:
    done = table(steps=(10, 20), **TRADE)
    paths = write_report(done, tmp_path, {})
    names = {path.stem for path in paths if path.suffix == ".svg"}
    assert names == {"overview", "scale-trade", "scale-measured", "steps-theory", "steps-measured"}
    html = paths[0].read_text(encoding="utf-8")
    assert 'id="scale-trade-caption"' in html
    assert 'id="scale-theory-caption"' not in html
    for en, zh in {"guidance scale s": "引导强度 s", "precision ↑": "精确率 ↑", "accuracy ↑": "准确率 ↑"}.items():
        assert re.search(rf'class="en"[^>]*>{en}</text><text [^>]*class="zh"[^>]*>{zh}</text>', html)
    assert "Theory does not cover guidance" in html  # beside the theory of steps
    assert "(figures/scale-trade.png)" in (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert "| accuracy ↑ |" in (tmp_path / "summary.md").read_text(encoding="utf-8")


def test_the_measured_figure_has_the_spread_where_no_other_has() -> None:
    assert "spread" in measured_figure(table(), "scale", spread=True).texts
    assert "spread" not in measured_figure(table(steps=(10, 20)), "steps").texts
    assert [section.trades for section in story(table(steps=(10, 20)))] == [False, True]


def test_theory_foretells_nothing_of_guided_images() -> None:
    done = table(**TRADE)
    foretold = {line["scale"]: line["theory_spread"] for line in csv.DictReader(io.StringIO(as_csv(done)))}
    assert foretold == {"0.0": "0.9", "1.0": "0.9", "2.0": "", "4.0": "", "8.0": ""}
    assert "it is given for s = 0 and s = 1 only" in " ".join(speak(method(done)).texts)
    free = table((None,), steps=(10, 20))
    assert not theory_figure(free, "steps").notes
    assert "guidance" not in " ".join(speak(method(free)).texts)
    guided = " ".join(spoken(table((3.0, 4.0), steps=(10, 20)), "steps").theory)
    assert "Gaussian" not in guided
    assert "(s = 0)" in " ".join(spoken(table((0.0, 4.0), steps=(10, 20)), "steps").theory)


def test_a_cell_that_was_asked_for_nothing_has_no_accuracy() -> None:
    def cells_of(done: Table) -> list[int]:
        html = render("page.html.j2", done, [], {"overview": overview_figure(done)}, {}, LANGUAGES)
        rows = re.findall(r"<tr.*?</tr>", html, re.DOTALL)
        assert ("accuracy" in rows[0]) == any("accuracy" in row.scores for row in done.rows)
        return [len(re.findall("<t[dh]", row)) for row in rows]

    mixed, free = table((None, 1.0)), table((None,))
    assert len(set(cells_of(mixed))) == len(set(cells_of(free))) == 1
    assert cells_of(mixed)[0] == cells_of(free)[0] + 1


def test_a_scale_that_each_run_has_of_its_own_is_no_axis() -> None:
    one, two = table((2.0,)), table((3.0,))
    other = replace(two.rows[0], cell=replace(two.rows[0].cell, subject=Exact("v", 500)))
    renamed = replace(other, cell=replace(other.cell, subject=Exact("eps", 600)))
    assert "scale" not in replace(one, rows=(one.rows[0], renamed)).axes
    assert "scale" in replace(one, rows=(one.rows[0], two.rows[0])).axes
