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

from inkwash.metrics.score import Scores
from inkwash.report import figures
from inkwash.report.explain import story
from inkwash.report.figures import measured_figure, theory_figure, trade_figure
from inkwash.report.page import page
from inkwash.report.words import Section
from inkwash.report.write import write_report
from inkwash.settings import Scoring
from inkwash.study import theory
from inkwash.study.axes import Sweep
from inkwash.study.cells import cells
from inkwash.study.subject import Exact, ReferenceSpec
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
    measure = ReferenceSpec(subject, Scoring(n=8, features="pixels"))
    return Table(tuple(rows), scores(**LEVEL | {"frechet": 0.5}), measure, Path(), "today")


def section(done: Table) -> Section:
    return next(each for each in story(done).sections if each.axis == "scale")


TRADE: dict[str, Rule] = {
    "accuracy": lambda s: s / 32, "precision": lambda s: s / 64, "recall": lambda s: -s / 16,
    "coverage": lambda s: -s / 32, "frechet": lambda s: (s - 2) ** 2,
}  # fmt: skip


def test_a_trade_is_told_with_its_numbers() -> None:
    told = section(table(steps=(10, 20), **TRADE))
    assert "**Guidance buys fidelity with diversity here**" in told.answer.en
    assert "from s = 1 to s = 8, on average over 2 settings, accuracy and precision surely rise," in told.answer.en
    assert "while recall and coverage surely fall" in told.answer.en
    assert (
        "**引导在这里以多样性换取保真度**：从 s = 1 到 s = 8（2 种设置的平均），准确率、精确率明确上升"
        in told.answer.zh
    )
    assert "least at **s = 2** (2), and surely more at both ends." in told.answer.en
    assert "在 **s = 2** 时最小（2）" in told.answer.zh
    found = " ".join(text.en for text in told.findings)
    assert "**Asking, from s = 0 to s = 1, on average over 2 settings**: accuracy surely rises, 0.703 → 0.735" in found
    assert "density is not surely moved, 1 → 1 (real images 1)" in found
    assert "recall surely falls, 0.741 → 0.303" in found
    assert found.count("Fréchet distance") == 2  # one a number of steps


def test_what_is_equal_is_undecided() -> None:
    told = section(table())
    assert "**Three draws cannot tell what guidance does here**" in told.answer.en
    assert "No scale's Fréchet distance can be told from the least." in told.answer.en
    assert "**三次抽样分辨不出引导的作用**" in told.answer.zh
    assert "Fréchet 距离分辨不出差别" in told.answer.zh
    assert not any("surely rises" in text.en or "surely falls" in text.en for text in told.findings)


@pytest.mark.parametrize(
    ("rules", "en", "zh"),
    [
        (("precision",), "more faithful here, at no cost in diversity", "提高保真度，分辨不出多样性的代价"),
        (("precision", "recall"), "improves both fidelity and diversity", "同时提高保真度和多样性"),
        (("-recall",), "costs diversity here and buys no fidelity", "损失多样性，分辨不出保真度的收益"),
        (("-precision", "-coverage"), "costs both", "同时损失"),
        (("accuracy", "-precision"), "does not make its usual trade", "没有带来通常的取舍"),
        (("recall",), "does not make its usual trade", "没有带来通常的取舍"),
        (("spread", "entropy"), "Three draws cannot tell", "分辨不出引导的作用"),  # noise has both
        (("precision", "-spread"), "buys fidelity with diversity", "以多样性换取保真度"),
    ],
)
def test_what_is_won_and_lost(rules: tuple[str, ...], en: str, zh: str) -> None:
    def rule(sign: int) -> Rule:
        return lambda s: sign * s / 64

    answer = section(table(**{name.strip("-"): rule(-1 if name[0] == "-" else 1) for name in rules})).answer
    assert en in answer.en
    assert zh in answer.zh


@pytest.mark.parametrize(
    ("frechet", "en"),
    [
        (lambda s: s, "least at **s = 0** (2), the least tried."),
        (lambda s: -s / 8, "least at **s = 8** (1), the most tried."),
        (lambda s: 0.01 * (s != 4), "No scale's Fréchet distance"),  # real images differ by more
        (
            lambda s: 0.01 * (s == 2) + (s > 2) + (s < 1),
            "least at **s = 1** (2), and surely more at both ends; s = 2 c",
        ),
        (lambda s: float(s < 4) + 0.01 * (s > 4), "least at **s = 4** (2); s = 8 cannot be told from it."),
    ],
)
def test_where_the_distance_is_least(frechet: Rule, en: str) -> None:
    assert en in section(table(frechet=frechet)).answer.en


def test_what_cancels_to_rounding_is_not_sure() -> None:
    done = table((1.0, 2.0), steps=(10, 20, 50))
    moved = {(10, 2.0): 0.1, (20, 2.0): 0.2, (50, 2.0): -0.3}

    def shifted(row: Row) -> Row:
        by = moved.get((row.value("steps"), row.value("scale")), 0.0)
        return replace(row, draws=tuple(Scores({**each.values, "recall": 0.7 + by}) for each in row.draws))

    told = section(replace(done, rows=tuple(map(shifted, done.rows))))
    assert "Three draws cannot tell what guidance does here" in told.answer.en


def test_of_two_scales_both_are_spoken_of() -> None:
    told = section(table((0.0, 1.0), **TRADE))
    assert "from s = 0 to s = 1" in told.answer.en
    assert not any("Asking" in text.en for text in told.findings)


def test_chinese_keeps_names_and_letters_alone() -> None:
    told = story(table(steps=(10, 20), **TRADE))
    each = section(table(steps=(10, 20), **TRADE))
    texts = [told.title, each.question, each.answer, *each.theory, *each.findings]
    for text in texts:
        words = set(re.findall(r"[^\W\d_\u4e00-\u9fff][^\W_\u4e00-\u9fff]{2,}", text.zh.replace("gaussian", "")))
        assert words <= NAMES, text.zh
        assert not re.search("[\u4e00-\u9fff]", text.en)
        assert text.en.count("**") % 2 == text.zh.count("**") % 2 == 0
        assert sorted(re.findall(r"\d+\.\d+|s = \d", text.en)) == sorted(re.findall(r"\d+\.\d+|s = \d", text.zh))


class EvaluationCount:
    """The figures that are finished, before they are text."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.figures: list[Any] = []
        finished = figures._finished

        def see(name: str, figure: Any, *rest: Any) -> Any:
            self.figures.append(figure)
            return finished(name, figure, *rest)

        patch.setattr(figures, "_finished", see)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> EvaluationCount:
    return EvaluationCount(monkeypatch)


def test_the_points_are_the_tables(seen: EvaluationCount) -> None:
    done = table(**TRADE)
    trade_figure(done)
    left, right = seen.figures[0].axes
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


def test_every_point_is_named_and_no_name_hides_another(seen: EvaluationCount) -> None:
    trade_figure(table(**TRADE))
    left = seen.figures[0].axes[0]
    assert sorted(text.get_text() for text in left.texts) == ["s = 0", "s = 1", "s = 2", "s = 4", "s = 8"]
    boxes = [text.get_window_extent() for text in left.texts]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    assert all(seen.figures[0].bbox.containsx(box.x1) for box in boxes)


def test_without_classes_the_distance_stands_beside(seen: EvaluationCount) -> None:
    done = table(classes=False, **TRADE)
    drawing = trade_figure(done)
    assert "accuracy ↑" not in drawing.words
    assert drawing.words["Fréchet distance ↓"] == "Fréchet 距离 ↓"
    assert "accuracy" not in " ".join(text.en for text in section(done).findings)
    assert "precision surely rises" in section(done).answer.en


def test_the_page_has_the_trade_and_no_theory(tmp_path: Path) -> None:
    done = table(steps=(10, 20), **TRADE)
    paths = write_report(done, story(done), tmp_path, {})
    names = {path.stem for path in paths if path.suffix == ".svg"}
    assert names == {"overview", "scale-trade", "scale-measured", "steps-theory", "steps-measured"}
    html = paths[0].read_text(encoding="utf-8")
    assert 'id="scale-trade-caption"' in html
    assert 'id="scale-theory-caption"' not in html
    for en, zh in {"guidance scale s": "引导强度 s ", "precision ↑": "精确率 ↑", "accuracy ↑": "准确率 ↑"}.items():
        assert re.search(rf'class="en"[^>]*>{en}</text><text [^>]*class="zh"[^>]*>{zh}</text>', html)
    assert "Theory knows no guidance" in html  # beside the theory of steps
    assert "![scale: trade](figures/scale-trade.png)" in (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert "| accuracy |" in (tmp_path / "summary.md").read_text(encoding="utf-8")


def test_the_measured_figure_has_the_spread() -> None:
    assert "spread" in measured_figure(table(), "scale").words
    assert "spread" not in measured_figure(table(steps=(10, 20)), "steps").words


def test_theory_foretells_nothing_of_guided_images() -> None:
    done = table(**TRADE)
    foretold = {line["scale"]: line["theory_spread"] for line in csv.DictReader(io.StringIO(as_csv(done)))}
    assert foretold == {"0.0": "0.9", "1.0": "0.9", "2.0": "", "4.0": "", "8.0": ""}
    assert "stands for s = 0 and s = 1 alone" in " ".join(text.en for text in story(done).method)
    free = table((None,), steps=(10, 20))
    assert not theory_figure(free, "steps").notes
    assert "guidance" not in " ".join(text.en for text in story(free).method)


def test_a_cell_that_was_asked_for_nothing_has_no_accuracy() -> None:
    def cells_of(done: Table) -> list[int]:
        html = page(done, story(done), {"overview": figures.overview_figure(done)}, {})
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
