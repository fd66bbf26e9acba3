"""Conclusions follow the numbers: made-up tables whose answers are known."""

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from spoken import CHINESE, speak, spoken

from inkwash.metrics.score import Scores
from inkwash.report.languages import LANGUAGES
from inkwash.report.sections import answers, story
from inkwash.report.sections.method import method
from inkwash.settings import Scoring
from inkwash.study import theory
from inkwash.study.axes import Sweep
from inkwash.study.cells import cells
from inkwash.study.compare import (
    first_unbeaten,
    image_correlation,
    improvement,
    mean_improvement,
    series,
    significant_sign,
)
from inkwash.study.exact import Exact
from inkwash.study.references import ReferenceSpec
from inkwash.study.table import Row, Table

WOBBLE = (0.00, 0.03, -0.02)  # of three draws, the same in all cells: paired differences are exact
SWEEP = Sweep(steps=(5, 10, 50), eta=(0.0, 1.0), spacing=("leading",), limit=("none",))  # ε cannot begin at α = 0
Rule = Callable[[Row], float]


def scores(frechet: float, spread: float = 1.0) -> tuple[Scores, ...]:
    same = {"kernel": 0.0, "precision": 0.9, "recall": 0.8, "density": 1.0, "coverage": 0.9, "entropy": None}
    return tuple(Scores({**same, "accuracy": None, "frechet": frechet + w, "spread": spread + w / 10}) for w in WOBBLE)


def table(frechet: Rule, sweep: Sweep = SWEEP, spread: Rule = lambda row: 1.0, subjects: int = 2) -> Table:
    """A study of exact ε- and v-networks whose scores are made up."""
    of = [Exact("v", 600), Exact("eps", 600)][:subjects]
    pictures = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 1), dtype=np.uint8)
    foretold = theory.Forecast(1.0, 0.0, 1.0)
    rows = [
        Row(cell, foretold, (), cell.evaluations, 1.0, pictures)
        for cell in cells(of, [sweep], 8, 0)
        if isinstance(cell.subject, Exact)
    ]
    filled = [replace(row, draws=scores(frechet(row), spread(row))) for row in rows]
    measure = ReferenceSpec(of[0], Scoring(n=80, features="pixels"))
    return Table(tuple(filled), scores(0.5), measure, Path(), "today")


def test_sure_is_the_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    done = table(lambda row: 1.0)
    a, b = done.rows[:2]
    seen = set()
    for _ in range(200):
        x, y = rng.normal(1.0, 0.3, 3), rng.normal(0, 0.3, 3)
        one = replace(a, draws=tuple(Scores({**s.values, "frechet": v}) for s, v in zip(a.draws, x, strict=True)))
        two = replace(b, draws=tuple(Scores({**s.values, "frechet": v}) for s, v in zip(b.draws, y, strict=True)))
        found = improvement(one, two)
        assert found.mean == pytest.approx(y.mean() - x.mean())
        assert found.significant == (stats.ttest_rel(x, y).pvalue < 0.05)
        assert (
            significant_sign(one, two)
            == (math.copysign(1, found.mean) if found.significant else 0)
            == -significant_sign(two, one)
        )
        seen.add(found.significant)
    assert seen == {True, False}


def test_the_mean_over_pairs_is_the_mean() -> None:
    done = table(lambda row: row.value("steps") / 10)
    a, b, c = done.rows[:3]
    pooled = mean_improvement([(a, b), (a, c)])
    assert pooled.mean == pytest.approx((improvement(a, b).mean + improvement(a, c).mean) / 2)


def test_more_is_better_where_it_is() -> None:
    done = table(lambda row: 1.0)
    worse = replace(
        done.rows[0], draws=tuple(Scores({**s.values, "recall": 0.1, "spread": 0.5}) for s in done.rows[0].draws)
    )
    assert significant_sign(worse, done.rows[0], "recall") == -1
    assert improvement(done.rows[0], worse, "spread").mean == pytest.approx(0.5, abs=1e-3)


def test_families_differ_in_their_axis_alone() -> None:
    done = table(lambda row: 1.0)
    assert set(done.axes) == {"prediction", "steps", "eta"}
    assert len(series(done, "steps")) == 4
    assert len(series(done, "eta")) == len(series(done, "prediction")) == 6
    for axis in done.axes:
        for family in series(done, axis):
            assert [row.value(axis) for row in family.rows] == done.axes[axis]
            for other, place in family.fixed.items():
                assert {row.value(other) for row in family.rows} == {place}


def test_enough_steps_are_where_nothing_that_counts_is_gained() -> None:
    done = table(lambda row: {5: 4.0, 10: 1.0, 50: 0.99}[row.value("steps")])
    family = series(done, "steps")[0]
    assert first_unbeaten(family, 0.02) == 1
    assert first_unbeaten(family, 0.005) == 2  # the last gain is sure, if it is small
    assert first_unbeaten(family, 5.0) == 0


def test_likeness_is_1_for_the_same_pictures_and_0_for_any() -> None:
    rng = np.random.default_rng(0)
    row = table(lambda row: 1.0).rows[0]
    many = replace(row, pictures=rng.integers(0, 256, (200, 8, 8, 1), dtype=np.uint8))
    others = replace(row, pictures=rng.integers(0, 256, (200, 8, 8, 1), dtype=np.uint8))
    assert image_correlation(many, many) == pytest.approx(1)
    assert abs(image_correlation(many, others)) < 0.05


@pytest.mark.parametrize(
    ("sign", "en", "zh"),
    [(1, "is significantly worse than", "显著差于"), (-1, "is significantly better than", "显著好于")],
)
def test_eta_is_judged_by_the_numbers(sign: int, en: str, zh: str) -> None:
    done = table(lambda row: 3 + sign * row.value("eta"))
    told, chinese = spoken(done, "eta"), spoken(done, "eta", CHINESE)
    assert [f"**η = 1 {en} η = 0**" in text for text in told.findings] == [True]
    assert [f"**η = 1 {zh} η = 0**" in text for text in chinese.findings] == [True]
    assert f"Noise makes the images significantly {'worse' if sign > 0 else 'better'} here" in told.answer
    assert f"这里噪声使图像显著变{'差' if sign > 0 else '好'}" in chinese.answer


def test_eta_that_hurts_at_few_steps_only() -> None:
    done = table(
        lambda row: 3 + row.value("eta") * (row.value("steps") < 50), spread=lambda row: 1 - row.value("eta") / 4
    )
    answer = spoken(done, "eta").answer
    assert "Noise hurts up to 10 steps; with more, no difference is significant." in answer
    assert "−0.250 with 5 steps (theory +0.000)" in answer
    assert "不超过 10 步时噪声有害；步数更多时没有显著差异" in spoken(done, "eta", CHINESE).answer


@pytest.mark.parametrize(
    ("gains", "en"),
    [
        ((-1, 0, 0), "Noise hurts up to 5 steps; with more, no difference is significant."),
        ((-1, 1, 1), "Noise hurts up to 5 steps and helps with more."),
        ((-1, 1, 0), "Whether noise hurts depends on the other settings."),  # it does not help with more
        ((1, -1, 1), "Whether noise hurts depends on the other settings."),
        ((0, -1, 0), "Noise hurts here, or makes no significant difference."),
        ((0, 1, 0), "Noise helps here, or makes no significant difference."),
        ((0, 0, 0), "Noise makes no significant difference here."),
    ],
)
def test_where_noise_hurts(gains: tuple[int, ...], en: str) -> None:
    by_steps = dict(zip(SWEEP.steps, gains, strict=True))
    done = table(lambda row: 3 - row.value("eta") * by_steps[row.value("steps")], subjects=1)
    assert f"**{en}**" in spoken(done, "eta").answer
    tally = f"in {gains.count(-1) or 'none'} of 3 comparisons, and significantly better in {gains.count(1) or 'none'}."
    assert tally in spoken(done, "eta").answer


def test_eta_that_each_sampler_has_of_its_own_is_no_axis() -> None:
    done = table(lambda row: 1.0, Sweep(steps=(5, 10), solver=("ddim", "ddpm"), limit=("none",)), subjects=1)
    assert set(done.axes) == {"solver", "steps"}
    assert [each.axis for each in story(done)] == ["solver", "steps"]


@pytest.mark.parametrize(
    ("solvers", "words"),
    [
        (("ddim",), ["η of ddim scales the standard deviation"]),
        (("ddim-lab",), ["η of ddim-lab scales the variance"]),
        (("ddim", "ddim-lab"), ["η of ddim scales the standard deviation", "η of ddim-lab scales the variance"]),
    ],
)
def test_which_eta_it_is(solvers: tuple[Any, ...], words: list[str]) -> None:
    def theory(*etas: float) -> str:
        sweep = Sweep(steps=(5,), eta=etas, solver=solvers, limit=("none",))
        return " ".join(spoken(table(lambda row: 1.0, sweep, subjects=1), "eta").theory)

    there = theory(0.0, 0.5, 1.0)
    assert [each in there for each in ("scales the standard deviation", "scales the variance")] == [
        any(each in word for word in words) for each in ("scales the standard deviation", "scales the variance")
    ]
    assert all(word in there for word in words)
    assert "scales" not in theory(0.0, 1.0)  # there they agree


@pytest.mark.parametrize(("better", "winner"), [("v", "v-prediction"), ("eps", "ε-prediction")])
def test_the_better_prediction_is_named(better: str, winner: str) -> None:
    done = table(lambda row: 2.0 - (row.value("prediction") == better))
    loser = "ε-prediction" if winner[0] == "v" else "v-prediction"
    told = spoken(done, "prediction").answer
    assert f"**{winner} is significantly better than {loser} in 6 of 6 comparisons**, and worse in none." in told
    answer = spoken(done, "prediction", CHINESE).answer
    assert f"**6 组比较中，预测 {winner[0]} 在 6 组显著好于预测 {loser[0]}**，在 0 组显著更差。" in answer


def test_errors_of_predictions_are_those_of_their_rows() -> None:
    """From ε̂ an error grows by σ/α, from v̂ by σ."""
    done = table(lambda row: 1.0)
    _, plan = done.rows[0].cell.solver_and_plan
    (theory, _) = spoken(done, "prediction").theory
    for level, where in ((plan[0], "at the noisiest level"), (plan[-2], "at the cleanest")):
        assert f"{level.sigma / level.alpha:.3g} {where}" in theory
        assert f"{level.sigma:.3g} {where}" in theory


@pytest.mark.parametrize(
    ("frechet", "en", "zh"),
    [
        (lambda row: 25 / row.value("steps"), "More steps help up to 50", "直到所试的最大步数 50"),
        (
            lambda row: 1 + 9 * (row.value("steps") == 5),
            "10 steps are enough here**, whatever",
            "10 步就够了**，与其他",
        ),
        (lambda row: 2.0, "5 steps are enough", "5 步就够了"),
        (
            lambda row: 2.0 - (row.value("steps") == 10) * row.value("eta"),
            "5 to 10 steps are enough here**, depending on the other settings",
            "5 到 10 步就够了**，视其他设置而定",
        ),
        (
            lambda row: 2.0 - (row.value("steps") == 50) * row.value("eta"),
            "In some settings 5 steps are enough here; in others more help up to 50",
            "有些设置下 5 步就够了；另一些设置下直到所试的最大步数 50",
        ),
    ],
)
def test_how_many_steps_are_first_unbeaten(frechet: Rule, en: str, zh: str) -> None:
    assert en in spoken(table(frechet), "steps").answer
    assert zh in spoken(table(frechet), "steps", CHINESE).answer


def test_steps_that_make_it_worse_again() -> None:
    told = spoken(table(lambda row: {5: 4.0, 10: 1.0, 50: 2.0}[row.value("steps")]), "steps")
    assert all("Beyond 10 steps it becomes significantly worse again, with 50" in text for text in told.findings)


@pytest.mark.parametrize("spread", [0.5, 1.0, 1.5])
def test_too_few_steps_do_what_theory_says(spread: float) -> None:
    done = table(lambda row: 1.0, subjects=1)
    rows = tuple(replace(row, theory=theory.Forecast(spread, 0.0, 1.0)) for row in done.rows)
    said = " ".join(spoken(replace(done, rows=rows), "steps").theory)
    assert ("too similar" in said) == (spread < 1)
    assert ("overshoot" in said) == (spread > 1)


STEPS = Sweep(steps=(5, 10), limit=("none",))
SOLVERS = replace(STEPS, solver=("ddim", "dpmpp2m", "heun"))
QUALITY = {"ddim": 3.0, "dpmpp2m": 1.0, "heun": 2.0}


def test_the_solver_that_is_best_for_its_cost_is_named() -> None:
    told = spoken(
        table(lambda row: QUALITY[row.value("solver")], replace(SOLVERS, steps=(10, 20)), subjects=1), "solver"
    )
    assert "**Significantly best: dpmpp2m at 2 of 2 equal costs**." in told.answer
    assert told.findings[0].startswith(
        "**10 evaluations**: Fréchet distance 1 ± 0.025 with dpmpp2m, 3 ± 0.025 with ddim;"
    )
    assert told.findings[1].startswith("**About 20 evaluations**: ")  # Heun has 19
    assert "2 ± 0.025 with heun (39 evaluations)" in told.findings[-1]


def test_solvers_are_compared_in_their_best_settings() -> None:
    """Two settings of the best solver that do not differ are no tie between solvers."""
    sweep = Sweep(steps=(10, 20), solver=("ddim", "dpmpp2m"), spacing=("trailing", "linspace"), limit=("none",))
    told = spoken(table(lambda row: QUALITY[row.value("solver")], sweep, subjects=1), "solver")
    assert "dpmpp2m at 2 of 2 equal costs" in told.answer
    assert "with dpmpp2m (trailing spacing)" in told.findings[0]


@pytest.mark.parametrize(
    ("solvers", "there", "absent"),
    [
        (("ddim", "ddpm"), ["ddim makes 1 evaluation a step and is of order 1", "ddpm makes 1 evaluation a step and"],
         ["heun", "dpmpp2m", "order 2", "2^p", "follow the same path"]),
        (("ddim", "heun"), ["heun makes 2 evaluations a step and is of order 2", "2^p", "ddim and heun follow the"],
         ["dpmpp2m", "ddpm"]),
        (("dpmpp2m", "heun"), ["dpmpp2m makes 1 evaluation a step and is of order 2"], ["ddim", "ddpm", "2^p"]),
    ],
)  # fmt: skip
def test_theory_speaks_of_the_solvers_that_are_there(solvers: Any, there: list[str], absent: list[str]) -> None:
    done = table(lambda row: 1.0, replace(STEPS, solver=solvers), subjects=1)
    told = " ".join([*spoken(done, "solver").theory, *spoken(done, "steps").theory])
    assert all(words in told for words in there)
    assert not any(words in told for words in absent)


@pytest.mark.parametrize(
    ("axis", "sweep"),
    [
        ("spacing", Sweep(steps=(5, 10), spacing=("trailing", "leading", "linspace"), limit=("none",))),
        ("limit", Sweep(steps=(5, 10), limit=("clip", "none"))),
        ("variance", Sweep(steps=(5, 10), solver=("ddpm",), variance=("small", "large"), limit=("none",))),
    ],
)
def test_any_other_axis_has_a_winner(axis: str, sweep: Sweep) -> None:
    first = {"spacing": "leading spacing", "limit": "limit clip", "variance": "large variance"}[axis]
    done = table(lambda row: 2.0 - (row.value(axis) in first), sweep, subjects=1)
    assert f"**Significantly best: {first} in 2 of 2 comparisons**." in spoken(done, axis).answer
    assert spoken(done, axis).theory
    assert spoken(done, axis, CHINESE).theory


ONE_AXIS = {
    "steps": Sweep(steps=(5, 10, 50), limit=("none",)),
    "eta": Sweep(steps=(10,), eta=(0.0, 0.5, 1.0), limit=("none",)),
    "solver": replace(SOLVERS, steps=(10,)),
    "spacing": Sweep(steps=(10,), spacing=("trailing", "linspace"), limit=("none",)),
    "limit": Sweep(steps=(10,), limit=("none", "clip")),
    "variance": Sweep(steps=(10,), solver=("ddpm",), variance=("small", "large"), limit=("none",)),
    "prediction": Sweep(steps=(10,), spacing=("leading",), limit=("none",)),
}


@pytest.mark.parametrize("axis", ONE_AXIS)
@pytest.mark.parametrize("best", [True, False])
def test_a_study_of_one_axis_speaks_of_nothing_else(axis: str, best: bool) -> None:
    """No other settings, no family without a name, and no count of one comparison."""
    order = {}
    done = table(
        lambda row: 2.0 - best * order.setdefault(row.value(axis), len(order)),
        ONE_AXIS[axis],
        subjects=1 + (axis == "prediction"),
    )
    assert list(done.axes) == [axis]
    for language in LANGUAGES:
        for text in spoken(done, axis, language).texts:
            assert text
            assert not re.search(
                "other settings|best setting|All cells|1 comparisons|of 1 |其他设置|最好的设置|1 组", text
            ), text
            assert "****" not in text


def test_a_study_of_one_cell_has_no_sections() -> None:
    done = table(lambda row: 1.0, Sweep(steps=(10,), limit=("none",)), subjects=1)
    assert story(done) == answers(done) == []


TABLES = {
    "three axes": lambda: table(lambda row: 4 / row.value("steps") + row.value("eta")),
    "solvers": lambda: table(lambda row: QUALITY[row.value("solver")] / row.value("steps"), SOLVERS, subjects=1),
    "spacings": lambda: table(
        lambda row: 1.0 * row.value("steps"),
        Sweep(steps=(5, 10), spacing=("trailing", "linspace"), limit=("none",)),
        subjects=1,
    ),
}


@pytest.mark.parametrize("of", TABLES)
def test_every_sentence_is_there_in_all_languages_with_the_same_numbers(of: str) -> None:
    def numbers(text: str) -> list[str]:
        return sorted(re.findall(r"\d[\d.]* ± [\d.]*\d|\d+\.\d+", text))

    done = TABLES[of]()
    sections = [*story(done), method(done)]
    for section in sections:
        english, *others = (speak(section, language).texts[1:] for language in LANGUAGES)
        for texts in others:
            assert len(texts) == len(english)
            for one, other in zip(english, texts, strict=True):
                assert one.count("**") % 2 == other.count("**") % 2 == 0
                assert numbers(one) == numbers(other)
    assert sum(len(numbers(text)) for section in sections for text in speak(section).texts[1:]) > 10
    assert all("**" not in answer for answer in answers(done))


@pytest.mark.parametrize("of", TABLES)
def test_chinese_is_chinese_and_english_is_not(of: str) -> None:
    for section in story(TABLES[of]()):
        assert not any(re.search("[\u4e00-\u9fff]", text) for text in speak(section).texts)
        assert all(re.search("[\u4e00-\u9fff]", text) for text in speak(section, CHINESE).texts)
