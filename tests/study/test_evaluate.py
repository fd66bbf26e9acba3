"""`inkwash evaluate`: what it prints, what it writes, and that both are true."""

import json
import re
import shutil
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cli_runner import TINY, did, refused
from inkwash.data import load
from inkwash.metrics import classifier
from inkwash.metrics.score import SCORES, Comparison, Score
from inkwash.runs.draw import channels_first
from inkwash.settings import Scoring
from inkwash.study import evaluate, references
from inkwash.study import units as unit_files
from inkwash.study.axes import Sweep
from inkwash.study.evaluate import LEVELS, cost, evaluation
from inkwash.study.session import begin
from inkwash.study.subject import Trained
from inkwash.study.units import Unit, UnitImages
from inkwash.training.checkpoint import LAST, digest, facts

PRINTED = {score.title: name for name, score in SCORES.items()}


def strict(path: Path) -> dict[str, Any]:
    """JSON as others read it: without NaN."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    return found


def numbers(out: str) -> dict[str, list[str]]:
    """The table that is printed: score -> mean, ±, floor, ± of the floor."""
    titles = "|".join(map(re.escape, PRINTED))
    rows = re.findall(rf"^({titles}) +(\S+) +(\S+) +(\S+) +(\S+)$", out, re.MULTILINE)
    return {PRINTED[title]: values for title, *values in rows}


@pytest.fixture(scope="module")
def run(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(trained, tmp_path_factory.mktemp("evaluated") / "tiny"))


@pytest.fixture(scope="module")
def told(run: Path) -> str:
    """What is printed of the run, with likelihoods."""
    return did("evaluate", run, "--steps", 2, "-n", 50, "--likelihood", 4, "--jobs", 1).out


@pytest.fixture(scope="module")
def written(run: Path, told: str) -> dict[str, Any]:
    return strict(run / "evaluation" / "scores.json")


def test_it_says_what_the_numbers_are_of(run: Path, told: str, written: dict[str, Any]) -> None:
    """n, the split, the features by their digest, and the checkpoint."""
    head = told.splitlines()[:2]
    assert head[0] == f"tiny, checkpoint {digest(run / LAST)[:12]}, ddim with 2 steps"
    assert head[1].startswith("3 draws of n = 50 images against 1,350 of digits's train split, in classifier features ")
    assert written["features_digest"][:12] in head[1]
    assert f"(reads {written['reader']['accuracy']:.1%} of the test images)" in head[1]
    assert (written["n"], written["split"], written["compared"], written["draws"]) == (50, "train", 1350, 3)
    assert written["checkpoints"] == {"tiny": digest(run / LAST)}
    assert written["trained"]["tiny"]["step"] == facts(run / LAST)["step"] == 12
    assert written["fingerprint"] == load("digits", "train").fingerprint
    assert written["evaluations"] == 2
    assert (written["sampling"]["steps"], written["sampling"]["n"], written["sampling"]["seed"]) == (2, 50, 0)
    assert {"processor", "python", "torch"} <= written["machine"].keys()


def test_what_is_printed_is_what_is_written(told: str, written: dict[str, Any]) -> None:
    """Each score with its deviation over draws, beside what as many real images score."""
    table = numbers(told)
    assert set(table) == {*SCORES} - {"accuracy"}
    for name, (mean, sd, floor, floor_sd) in table.items():
        assert float(mean) == pytest.approx(written["scores"][name]["mean"], rel=1e-3, abs=1e-9)
        assert float(sd) == pytest.approx(written["scores"][name]["sd"], rel=0.05, abs=1e-9)
        assert float(floor) == pytest.approx(written["floor"][name]["mean"], rel=1e-3, abs=1e-9)
        assert float(floor_sd) == pytest.approx(written["floor"][name]["sd"], rel=0.05, abs=1e-9)


def test_the_deviation_is_that_of_three_draws(written: dict[str, Any]) -> None:
    for summed, drawn in (("scores", "draws_scores"), ("floor", "floor_draws")):
        assert len(written[drawn]) == 3
        for name, found in written[summed].items():
            values = [scores[name] for scores in written[drawn]]
            assert found["mean"] == pytest.approx(statistics.mean(values), abs=1e-12)
            assert found["sd"] == pytest.approx(statistics.stdev(values), abs=1e-12)
        assert len({scores["frechet"] for scores in written[drawn]}) == 3


def test_the_histogram_is_of_all_draws(told: str, written: dict[str, Any]) -> None:
    rows = re.findall(r"^  (\d) +(\S+)% +(\S+)%", told, re.MULTILINE)
    assert [name for name, _, _ in rows] == list("0123456789") == written["classes"]
    for column, drawn in ((1, "draws_scores"), (2, "floor_draws")):
        shares = np.mean([scores["histogram"] for scores in written[drawn]], axis=0)
        assert [float(row[column]) for row in rows] == pytest.approx(list(100 * shares), abs=0.051)


def test_it_tells_of_copies_memory_and_likelihood(told: str, written: dict[str, Any]) -> None:
    assert f"copies of training images: {written['copies']:.2%} (of held-out images: 0.00%), " in told
    assert "searched in all 1,500 training images\n" in told
    assert written["copies_searched"] == {"images": 1500, "of": 1500, "mirrored": False}
    assert written["copies_held_out"] < 0.01
    assert "memory of the training set, by noise level: at most " in told
    assert "underfit at t = " in told  # after 12 steps
    assert len(written["losses"]) == LEVELS
    bits = written["bits_per_dimension"]
    assert bits["images"] == 4
    assert (
        f"bits per dimension of 4 held-out images: at most {bits['bound'][0]:.3f} ± {bits['bound'][1]:.3f} "
        f"(variational bound), {bits['flow'][0]:.3f} ± {bits['flow'][1]:.3f} (probability flow)" in told
    )
    assert 1 < bits["bound"][0] < 12


def test_its_files_are_there_and_named(run: Path, told: str) -> None:
    named = [Path(line) for line in told.splitlines()[-3:]]
    assert named == [run / "evaluation" / name for name in ("scores.json", "neighbours.png", "losses.png")]
    assert {path.name for path in (run / "evaluation").iterdir()} == {"cells", *(path.name for path in named)}
    for path in named[1:]:
        with Image.open(path) as picture:
            assert min(picture.size) > 50
    assert {path.name for path in run.iterdir()} == {
        "best.safetensors", "last.safetensors", "metrics.jsonl", "evaluation",
    }  # fmt: skip


def untouched(*_: object) -> None:
    raise AssertionError("it draws what was drawn")


def test_asked_again_it_draws_nothing(
    run: Path, told: str, written: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And finds the same, to the last digit."""
    monkeypatch.setattr(unit_files, "_draw", untouched)
    again = did("evaluate", run, "--steps", 2, "-n", 50, "--jobs", 1).out
    assert numbers(again) == numbers(told)
    assert "bits per dimension" not in again
    found = strict(run / "evaluation" / "scores.json")
    assert found["bits_per_dimension"] is None
    assert {**found, "bits_per_dimension": 0} == {**written, "bits_per_dimension": 0}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses of few images, where a test is of something else."""
    monkeypatch.setattr(evaluate, "IMAGES", 8)


def drawing(images: Callable[[int], Any]) -> Callable[..., UnitImages]:
    def draw(unit: Unit, tick: Callable[[int], object]) -> UnitImages:
        tick(unit.cost)
        return UnitImages(images(unit.draw), unit.cell.evaluations, 0.5)

    return draw


@pytest.mark.usefixtures("quick")
def test_a_run_that_draws_held_out_images_scores_as_real_ones(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_out = load("digits", "test").pixels.permute(0, 2, 3, 1).numpy()
    monkeypatch.setattr(unit_files, "_draw", drawing(lambda draw: held_out[draw * 99 : (draw + 1) * 99]))
    did("evaluate", run, "--steps", 1, "-n", 99, "--jobs", 1, "--out", tmp_path)
    found = strict(tmp_path / "scores.json")
    assert set(found["floor"]) - set(found["scores"]) == {"accuracy"}  # nothing was asked of them
    for name in found["scores"]:
        floor = found["floor"][name]
        assert abs(found["scores"][name]["mean"] - floor["mean"]) < 6 * floor["sd"], name
    assert found["copies"] == found["copies_held_out"] < 0.01


@pytest.mark.usefixtures("quick")
def test_a_run_that_draws_training_images_has_copied(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the second of three draws."""
    train, test = (load("digits", split).pixels.permute(0, 2, 3, 1).numpy() for split in ("train", "test"))
    monkeypatch.setattr(
        unit_files, "_draw", drawing(lambda draw: (train if draw == 1 else test)[draw * 40 : draw * 40 + 40])
    )
    out = did("evaluate", run, "--steps", 1, "-n", 40, "--jobs", 1, "--out", tmp_path).out
    assert "copies of training images: 33.33% (" in out
    assert strict(tmp_path / "scores.json")["copies"] == pytest.approx(1 / 3)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("split", "most"), [("train", 375), ("test", 74)])
def test_n_is_as_large_as_the_set_allows(
    split: str, most: int, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    black = np.zeros((most, 8, 8, 1), np.uint8)
    monkeypatch.setattr(unit_files, "_draw", drawing(lambda draw: black))
    out = did(
        "evaluate", run, "--split", split, "--features", "pixels", "--class-scores", "--jobs", 1, "--out", tmp_path
    ).out
    left = {"train": 1500, "test": 297}[split] - 3 * most
    assert f"3 draws of n = {most} images against {left} of digits's {split} split, in pixels features" in out
    found = strict(tmp_path / "scores.json")
    assert (found["n"], found["split"], found["compared"], found["features"]) == (most, split, left, "pixels")
    assert found["scores"]["entropy"]["mean"] == found["scores"]["spread"]["mean"] == 0


@pytest.mark.usefixtures("quick")
def test_images_without_labels_are_evaluated_by_their_pixels(tmp_path: Path) -> None:
    photos, run = tmp_path / "photos", tmp_path / "run"
    photos.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (60, 8, 9, 3), dtype=np.uint8)
    for i, picture in enumerate(pixels):
        Image.fromarray(picture).save(photos / f"{i}.png")
    did("train", photos, *TINY, "--mults", 1, "--attention", "--patch", 1, "--steps", 2, "--out", run)
    out = did("evaluate", run, "--steps", 2, "--jobs", 1).out
    assert "3 draws of n = 14 images against 15 of photos's train split, in pixels features" in out
    assert set(numbers(out)) == {*SCORES} - {"entropy", "accuracy"}
    assert "histogram" not in out
    found = strict(run / "evaluation" / "scores.json")
    assert found["reader"] is None
    assert found["classes"] == []
    assert found["draws_scores"][0]["histogram"] is None


def test_the_bar_runs_to_its_end(run: Path, told: str, tmp_path: Path) -> None:
    """As many evaluations are told as were promised."""
    job = begin([Trained(run)], [Sweep(steps=(2,))], Scoring(50), run / "evaluation", 50)
    assert job.left == 0
    ticks: list[int] = []
    found = evaluation(job.finish(1), tmp_path, 3, ticks.append)
    assert sum(ticks) == cost(3)
    assert found.bits is not None
    assert found.bits.images == 3


# ---- without a classifier


@pytest.fixture
def untrainable(monkeypatch: pytest.MonkeyPatch) -> None:
    """No classifier is cached, and none can be trained."""
    monkeypatch.setattr(classifier, "_restored", lambda *_: None)
    monkeypatch.setattr(classifier, "_train", untouched)


LEFT_OUT = "entropy and accuracy are left out: pixels features train no classifier; "


@pytest.mark.usefixtures("quick", "untrainable")
def test_pixels_train_no_classifier(run: Path, tmp_path: Path) -> None:
    """What would need one is left out, and that is said."""
    done = did("evaluate", run, "--steps", 1, "-n", 20, "--features", "pixels", "--jobs", 1, "--out", tmp_path)
    assert set(numbers(done.out)) == {name for name, score in SCORES.items() if not score.reads_classes}
    assert done.out.count(LEFT_OUT) == 1
    assert "classifier" not in done.err
    found = strict(tmp_path / "scores.json")
    assert found["reader"] is None
    assert found["draws_scores"][0]["histogram"] is None
    line = ("study", run, "--steps", 1, "-n", 21, "--features", "pixels", "--jobs", 1, "--out", tmp_path / "study")
    assert did(*line).err.count(LEFT_OUT) == 1


def test_class_scores_need_classes(run: Path, tmp_path: Path) -> None:
    photos, unlabelled = tmp_path / "photos", tmp_path / "run"
    photos.mkdir()
    for i in range(20):
        Image.new("L", (8, 8), 12 * i).save(photos / f"{i}.png")
    small = ("--mults", 1, "--attention", "--heads", 1, "--patch", 1, "--steps", 1)
    did("train", photos, *TINY, *small, "--out", unlabelled)
    line = ("evaluate", unlabelled, "--features", "pixels", "-n", 4, "--class-scores")
    assert "photos has no labels, so no classifier can be trained on it" in refused(*line)


# ---- a score from outside


def brightness(compared: Comparison) -> float:
    return compared.pixels.double().mean().item()


@pytest.mark.usefixtures("quick")
def test_a_row_is_a_score(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In what is printed and written of a run, beside that of real images, and in the table of a study."""
    line = ("evaluate", run, "--steps", 2, "-n", 30, "--features", "pixels", "--jobs", 1, "--out", tmp_path)
    assert "brightness" not in did(*line).out
    before = strict(tmp_path / "scores.json")
    monkeypatch.setitem(SCORES, "brightness", Score("mean brightness", None, brightness))
    monkeypatch.setattr(references, "_references", {})
    draws = unit_files._draw
    monkeypatch.setattr(unit_files, "_draw", untouched)  # the images are those that are there
    assert re.search(r"^mean brightness +\d", did(*line).out, re.MULTILINE)
    found = strict(tmp_path / "scores.json")
    job = begin([Trained(run)], [Sweep(steps=(2,))], Scoring(30, "pixels"), tmp_path, 30)
    images = torch.cat([channels_first(unit.images().images) for unit in job.units])
    assert found["scores"]["brightness"]["mean"] == pytest.approx(images.double().mean().item())
    real = load("digits", "train").pixels.double().mean().item()
    assert found["floor"]["brightness"]["mean"] == pytest.approx(real, rel=0.1)
    assert all(len(scores) == len(SCORES) + 1 for scores in found["draws_scores"])
    for kind in ("scores", "floor"):
        del found[kind]["brightness"]
        assert found[kind] == before[kind]
    monkeypatch.setattr(unit_files, "_draw", draws)
    out = tmp_path / "study"
    did("study", run, "--steps", "1,2", "-n", 30, "--features", "pixels", "--jobs", 1, "--out", out)
    heads = (out / "cells.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    assert {"brightness", "brightness_sd", "brightness_floor"} <= set(heads)
    assert "mean brightness" in (out / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of 29 images: `alike`, of which all are the same, and `few`, which are not."""
    folder = tmp_path_factory.mktemp("pictures")
    noise = np.random.default_rng(0).integers(0, 256, (29, 16, 16), dtype=np.uint8)
    for name, images in (("alike", noise[:1].repeat(29, 0)), ("few", noise)):
        (folder / name).mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image).save(folder / name / f"{i:02}.png")
        did("train", folder / name, *TINY, "--steps", 1, "--out", folder / f"{name}-run")
    return folder


def test_of_29_images_the_rest_is_measured(pictures: Path) -> None:
    """One image is held out, of which no loss has a standard error (case 24)."""
    done = did("evaluate", pictures / "few-run", "--steps", 2, "-n", 4, "--jobs", 1)
    assert "losses and memory are not measured: they take 2 images of each part, and 1 is held out of 29" in done.out
    assert "too few for a Fréchet distance of 256 features" in done.out
    found = strict(pictures / "few-run" / "evaluation" / "scores.json")
    assert found["losses"] == []
    assert found["scores"]["spread"]["mean"] > 0


def test_images_without_variance_have_no_spread(pictures: Path) -> None:
    """Cases 13 and 21: the other scores are measured, and no NaN is written where JSON has none."""
    done = did("evaluate", pictures / "alike-run", "--steps", 2, "-n", 4, "--jobs", 1)
    assert "the real images are all alike, so spread is not measured." in done.out
    found = strict(pictures / "alike-run" / "evaluation" / "scores.json")
    assert found["scores"]["spread"] == {"mean": None, "sd": None}
    assert found["floor"]["frechet"]["mean"] == pytest.approx(0, abs=1e-9)
    assert found["scores"]["frechet"]["mean"] > 1


def test_images_without_variance_are_no_study(pictures: Path) -> None:
    said = refused("study", pictures / "alike-run", "--steps", "2,3", "-n", 4, "--out", pictures / "study")
    assert "are all alike, so no setting draws more or less varied ones" in said


def test_a_likelihood_of_more_images_than_there_are_is_refused_before_any_work(pictures: Path) -> None:
    out = pictures / "none"
    said = refused("evaluate", pictures / "few-run", "--likelihood", 3, "--steps", 2, "-n", 4, "--out", out)
    assert "has 1 held-out images, fewer than --likelihood 3" in said
    assert not list(out.glob("cells/*"))
