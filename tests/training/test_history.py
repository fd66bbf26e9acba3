"""Mean losses of epochs, and the best checkpoint by them."""

import math
from pathlib import Path

import pytest

from cli_runner import TINY, did
from inkwash.training.checkpoint import BEST, LAST, facts, load
from inkwash.training.history import mean_loss

HISTORY = [(10, 1.0), (20, 3.0), (25, 5.0)]  # the mean of 10, 10 and 5 steps


@pytest.mark.parametrize(
    ("first", "last", "mean"),
    [
        (0, 10, 1.0),
        (0, 20, 2.0),
        (5, 15, 2.0),
        (0, 25, (10 + 30 + 25) / 25),
        (20, 25, 5.0),
        (12, 14, 3.0),
        (25, 30, math.inf),
    ],
)
def test_means_weigh_steps_alike(first: int, last: int, mean: float) -> None:
    assert mean_loss(HISTORY, first, last) == pytest.approx(mean)


def test_the_parts_of_an_interval_add_up() -> None:
    whole = 25 * mean_loss(HISTORY, 0, 25)
    assert sum((b - a) * mean_loss(HISTORY, a, b) for a, b in ((0, 7), (7, 18), (18, 25))) == pytest.approx(whole)


def train(out: Path, *flags: object) -> None:
    did("train", "digits", *TINY, "--save-every", 5, "--best", "train", *flags, "--out", out)


def test_the_best_is_the_save_with_the_lowest_training_loss(tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(out, "--steps", 15, "--lr", 0.05, "--warmup", 0)
    about = facts(out / LAST)
    means = {step: mean_loss(about["history"], step - 5, step) for step in (5, 10, 15)}
    best = min(means, key=lambda step: means[step])
    assert facts(out / BEST)["step"] == best
    assert about["best"] == pytest.approx(means[best])


def test_a_resumed_run_chooses_the_same(tmp_path: Path) -> None:
    train(tmp_path / "whole", "--steps", 15)
    train(tmp_path / "parts", "--steps", 10)
    did("train", tmp_path / "parts", "--steps", 15, "--resume")
    one, other = (load(tmp_path / name / LAST) for name in ("whole", "parts"))
    assert [step for step, _ in one.facts["history"]] == [step for step, _ in other.facts["history"]]
    assert one.facts["history"] == other.facts["history"]
    assert one.facts["best"] == other.facts["best"]
    assert facts(tmp_path / "whole" / BEST)["step"] == facts(tmp_path / "parts" / BEST)["step"]


def test_info_tells_the_losses_of_epochs(tmp_path: Path) -> None:
    """1,500 digits in batches of 500: three steps are an epoch."""
    out = tmp_path / "run"
    did("train", "digits", *TINY, "--batch-size", 500, "--steps", 7, "--out", out)
    said = did("info", out).out
    history = facts(out / LAST)["history"]
    assert f"2, mean loss 1: {mean_loss(history, 0, 3):.4f}, 2: {mean_loss(history, 3, 6):.4f}" in said
