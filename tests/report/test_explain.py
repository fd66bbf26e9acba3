"""Conclusions follow the numbers: made-up tables whose answers are known."""

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from inkwash.metrics.score import Scores
from inkwash.report.explain import story
from inkwash.report.words import Section, Story, Text
from inkwash.settings import Scoring
from inkwash.study import theory
from inkwash.study.axes import Sweep
from inkwash.study.cells import cells
from inkwash.study.compare import enough, families, gain, likeness, mean_gain, significant_sign
from inkwash.study.subject import Exact, ReferenceSpec
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
    measure = ReferenceSpec(of[0], Scoring(n=8, features="pixels"))
    return Table(tuple(filled), scores(0.5), measure, Path(), "today")


def section(told: Story, axis: str) -> Section:
    return next(each for each in told.sections if each.axis == axis)


def test_sure_is_the_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    done = table(lambda row: 1.0)
    a, b = done.rows[:2]
    seen = set()
    for _ in range(200):
        x, y = rng.normal(1.0, 0.3, 3), rng.normal(0, 0.3, 3)
        one = replace(a, draws=tuple(Scores({**s.values, "frechet": v}) for s, v in zip(a.draws, x, strict=True)))
        two = replace(b, draws=tuple(Scores({**s.values, "frechet": v}) for s, v in zip(b.draws, y, strict=True)))
        found = gain(one, two)
        assert found.mean == pytest.approx(y.mean() - x.mean())
        assert found.sure == (stats.ttest_rel(x, y).pvalue < 0.05)
        assert (
            significant_sign(one, two)
            == (math.copysign(1, found.mean) if found.sure else 0)
            == -significant_sign(two, one)
        )
        seen.add(found.sure)
    assert seen == {True, False}


def test_the_mean_over_pairs_is_the_mean() -> None:
    done = table(lambda row: row.value("steps") / 10)
    a, b, c = done.rows[:3]
    pooled = mean_gain([(a, b), (a, c)])
    assert pooled.mean == pytest.approx((gain(a, b).mean + gain(a, c).mean) / 2)


def test_more_is_better_where_it_is() -> None:
    done = table(lambda row: 1.0)
    worse = replace(
        done.rows[0], draws=tuple(Scores({**s.values, "recall": 0.1, "spread": 0.5}) for s in done.rows[0].draws)
    )
    assert significant_sign(worse, done.rows[0], "recall") == -1
    assert gain(done.rows[0], worse, "spread").mean == pytest.approx(0.5, abs=1e-3)


def test_families_differ_in_their_axis_alone() -> None:
    done = table(lambda row: 1.0)
    assert set(done.axes) == {"prediction", "steps", "eta"}
    assert len(families(done, "steps")) == 4
    assert len(families(done, "eta")) == len(families(done, "prediction")) == 6
    for axis in done.axes:
        for family in families(done, axis):
            assert [row.value(axis) for row in family.rows] == done.axes[axis]
            for other, place in family.fixed.items():
                assert {row.value(other) for row in family.rows} == {place}


def test_enough_steps_are_where_nothing_that_counts_is_gained() -> None:
    done = table(lambda row: {5: 4.0, 10: 1.0, 50: 0.99}[row.value("steps")])
    family = families(done, "steps")[0]
    assert enough(family, 0.02) == 1
    assert enough(family, 0.005) == 2  # the last gain is sure, if it is small
    assert enough(family, 5.0) == 0


def test_likeness_is_1_for_the_same_pictures_and_0_for_any() -> None:
    rng = np.random.default_rng(0)
    row = table(lambda row: 1.0).rows[0]
    many = replace(row, pictures=rng.integers(0, 256, (200, 8, 8, 1), dtype=np.uint8))
    others = replace(row, pictures=rng.integers(0, 256, (200, 8, 8, 1), dtype=np.uint8))
    assert likeness(many, many) == pytest.approx(1)
    assert abs(likeness(many, others)) < 0.05


@pytest.mark.parametrize(("sign", "en", "zh"), [(1, "surely worse", "明确差于"), (-1, "surely better", "明确好于")])
def test_eta_is_judged_by_the_numbers(sign: int, en: str, zh: str) -> None:
    told = section(story(table(lambda row: 3 + sign * row.value("eta"))), "eta")
    assert any(en in text.en and zh in text.zh for text in told.findings)
    assert not any(("surely better" if sign > 0 else "surely worse") in text.en for text in told.findings)
    assert ("Noise hurts" if sign > 0 else "Noise helps") in told.answer.en
    assert ("噪声有害" if sign > 0 else "噪声有益") in told.answer.zh


def test_eta_that_hurts_at_few_steps_only_is_told_so() -> None:
    done = table(
        lambda row: 3 + row.value("eta") * (row.value("steps") < 50), spread=lambda row: 1 - row.value("eta") / 4
    )
    answer = section(story(done), "eta").answer
    assert "Noise hurts up to 10 steps; with more the difference can no longer be told." in answer.en
    assert "不超过 10 步时噪声有害" in answer.zh
    assert "-0.250 at 5 steps (theory +0.000)" in answer.en


def test_eta_that_each_sampler_has_of_its_own_is_no_axis() -> None:
    done = table(lambda row: 1.0, Sweep(steps=(5, 10), solver=("ddim", "ddpm"), limit=("none",)), subjects=1)
    assert set(done.axes) == {"solver", "steps"}
    assert [each.axis for each in story(done).sections] == ["solver", "steps"]


def test_eta_that_changes_nothing_is_told_so() -> None:
    answer = section(story(table(lambda row: 3.0)), "eta").answer
    assert "Three draws cannot tell the difference here." in answer.en
    assert "in 0 of 6" in answer.en


@pytest.mark.parametrize(("better", "winner"), [("v", "v-prediction"), ("eps", "ε-prediction")])
def test_the_better_prediction_is_named(better: str, winner: str) -> None:
    told = section(story(table(lambda row: 2.0 - (row.value("prediction") == better))), "prediction")
    assert f"**{winner} is surely better in 6 of 6 comparisons**" in told.answer.en
    assert f"6 组比较中，预测 {winner[0]} 在 6 组明确更好" in told.answer.zh


@pytest.mark.parametrize(
    ("frechet", "en", "zh"),
    [
        (lambda row: 4 / row.value("steps"), "More steps help up to 50", "直到所试的最大步数 50"),
        (lambda row: 1 + 9 * (row.value("steps") == 5), "10 steps are enough", "10 步已经足够"),
        (lambda row: 2.0, "5 steps are enough", "5 步已经足够"),
    ],
)
def test_how_many_steps_are_enough(frechet: Rule, en: str, zh: str) -> None:
    answer = section(story(table(frechet)), "steps").answer
    assert en in answer.en
    assert zh in answer.zh


def test_steps_that_make_it_worse_again_are_told() -> None:
    told = section(story(table(lambda row: {5: 4.0, 10: 1.0, 50: 2.0}[row.value("steps")])), "steps")
    assert all("even gets worse again (surely at 50)" in text.en for text in told.findings)


def test_the_solver_that_is_best_for_its_cost_is_named() -> None:
    sweep = Sweep(steps=(10, 20), solver=("ddim", "dpmpp2m", "heun"), limit=("none",))
    quality = {"ddim": 3.0, "dpmpp2m": 1.0, "heun": 2.0}
    told = section(story(table(lambda row: quality[row.value("solver")], sweep, subjects=1)), "solver")
    assert "ddim 0, dpmpp2m 2, heun 0" in told.answer.en
    assert all(text.en.startswith("**About") for text in told.findings)


@pytest.mark.parametrize(
    ("axis", "sweep"),
    [
        ("spacing", Sweep(steps=(5, 10), spacing=("trailing", "leading", "linspace"), limit=("none",))),
        ("limit", Sweep(steps=(5, 10), limit=("clip", "none"))),
        ("variance", Sweep(steps=(5, 10), solver=("ddpm",), variance=("small", "large"), limit=("none",))),
    ],
)
def test_any_other_axis_has_a_winner(axis: str, sweep: Sweep) -> None:
    first = {"spacing": "leading", "limit": "clip", "variance": "large"}[axis]
    told = section(story(table(lambda row: 2.0 - (row.value(axis) == first), sweep, subjects=1)), axis)
    assert "Of 2 comparisons" in told.answer.en
    assert f"{first}" in told.answer.en.split("surely best are")[1].split(" in 2")[0]
    assert told.theory[0].en
    assert told.theory[0].zh


def test_every_sentence_is_there_in_both_languages_with_the_same_numbers() -> None:
    def figures(text: str) -> list[str]:
        return sorted(re.findall(r"\d[\d.]* ± [\d.]*\d", text))

    told = story(table(lambda row: 4 / row.value("steps") + row.value("eta")))
    texts: list[Text] = [told.title, *told.summary, *told.method]
    for each in told.sections:
        texts += [each.question, each.answer, *each.theory, *each.findings]
    for text in texts:
        assert text.en.strip()
        assert text.zh.strip()
        assert any("\u4e00" <= sign <= "\u9fff" for sign in text.zh)
        assert not any("\u4e00" <= sign <= "\u9fff" for sign in text.en)
        assert text.en.count("**") % 2 == text.zh.count("**") % 2 == 0
        assert text.en.count("±") == text.zh.count("±")
        assert figures(text.en) == figures(text.zh)
    assert sum(len(figures(text.en)) for text in texts) > 20
    assert [section_.answer for section_ in told.sections] == list(told.summary)
