"""A study draws no conclusion from too few images, images without variety, or a network that learned little."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from spoken import CHINESE
from test_sections import scores, table

from cli_runner import TINY, inkwash
from inkwash.core import Denoise
from inkwash.metrics.floor import exceeds
from inkwash.metrics.score import Scores
from inkwash.report.sections import answers, story
from inkwash.settings import Scoring
from inkwash.study.evidence import doubts, losses
from inkwash.study.exact import Exact
from inkwash.study.references import ReferenceSpec
from inkwash.study.table import Table


def with_n(done: Table, n: int) -> Table:
    return replace(done, reference_spec=ReferenceSpec(Exact("v", 600), Scoring(n=n, features="pixels")))


def with_scores(done: Table, **values: float) -> Table:
    """The same cells with these values in each draw."""
    draws = tuple(Scores({**each.values, **values}) for each in done.rows[0].draws)
    return replace(done, rows=tuple(replace(row, draws=draws) for row in done.rows))


def test_good_measurements_raise_no_doubt() -> None:
    assert doubts(table(lambda row: 1.0)) == ()


@pytest.mark.parametrize(("n", "few"), [(64, True), (65, False)])  # 8×8 pixels are 64 features
def test_a_distance_of_more_features_than_images_concludes_nothing(n: int, few: bool) -> None:
    done = with_n(table(lambda row: 30 / row.value("steps")), n)
    assert doubts(done) == ((("few_images", 64, 64, 150),) if few else ())
    said = answers(done)
    assert (said[0].startswith("Nothing can be concluded") and "-n 65 or more" in said[0]) == few
    assert len(said) == (1 if few else len(story(done)))
    assert any("enough" in each or "help" in each for each in said) != few


def test_a_data_set_too_small_for_its_features_says_so() -> None:
    subject = Exact("v", 240)
    done = replace(table(lambda row: 1.0), reference_spec=ReferenceSpec(subject, Scoring(n=60, features="pixels")))
    assert doubts(done) == (("few_images", 60, 64, 60),)
    assert "at most 60" in answers(done)[0]


@pytest.mark.parametrize(("frechet", "doubted"), [(0.3, True), (0.46, False), (0.5, False), (0.6, False)])
def test_better_than_real_images_is_doubted(frechet: float, doubted: bool) -> None:
    done = table(lambda row: frechet)  # the floor is 0.5; within a tenth of it, chance and reuse of features decide
    assert [each[0] for each in doubts(done)] == ["below_floor"] * doubted


def test_a_low_distance_with_a_large_error_is_not_doubted() -> None:
    done = table(lambda row: 0.3)
    noisy = tuple(
        Scores({**each.values, "frechet": value}) for each, value in zip(scores(0.3), (0.0, 0.3, 0.6), strict=True)
    )
    assert doubts(replace(done, rows=tuple(replace(row, draws=noisy) for row in done.rows))) == ()


@pytest.mark.parametrize(("recall", "doubted"), [(0.0, True), (0.07, True), (0.09, False)])
def test_images_without_variety_are_doubted(recall: float, doubted: bool) -> None:
    done = with_scores(table(lambda row: 1.0), recall=recall)  # real images have 0.8
    assert [each[0] for each in doubts(done)] == ["no_variety"] * doubted


def test_one_cell_with_variety_is_enough() -> None:
    done = table(lambda row: 1.0)
    rest = with_scores(done, recall=0.0).rows
    assert doubts(replace(done, rows=(done.rows[0], *rest[1:]))) == ()


def test_a_network_that_learned_little_is_told_from_one_that_learned() -> None:
    subject = Exact("v", 400)
    model = subject.model()
    training, held_out = (subject.images(split).take(torch.arange(400)) for split in ("train", "test"))

    def ratio(denoise: Denoise) -> tuple[float, bool]:
        loss, known = losses(denoise, model.denoiser.prediction, model.schedule, training, held_out)
        return loss.mean / known.mean, exceeds(loss, known)

    assert ratio(model.denoiser)[0] < 1.05
    assert not ratio(model.denoiser)[1]  # the exact network
    assert ratio(lambda x, level: torch.zeros_like(x))[1]
    assert ratio(lambda x, level: model.denoiser(x, level) + 0.2)[1]


def test_a_run_of_one_step_is_named(tmp_path: Path) -> None:
    run = tmp_path / "short"
    assert inkwash("train", "digits", *TINY, "--steps", 1, "--out", run).code == 0
    done = inkwash("study", run, "--steps", "2,3", "-n", 65, "--jobs", 1, "--out", tmp_path / "study")
    assert done.code == 0
    assert "The loss of short is " in done.err
    assert "enough" not in done.err.replace("not trained enough", "")
    assert "Nothing can be concluded" in (tmp_path / "study" / "summary.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_doubt_is_said_in_every_language(language: str) -> None:
    done = with_scores(with_n(table(lambda row: 0.3), 60), recall=0.0, frechet=0.1)
    kinds = [each[0] for each in doubts(done)]
    assert kinds == ["few_images", "below_floor", "no_variety"]
    (said,) = answers(done) if language == "en" else answers(done, CHINESE)
    expected = ("60", "64", "0.1", "0.5", "0.8")
    assert all(part in said for part in expected)
