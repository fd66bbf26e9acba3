"""`inkwash evaluate IMAGES --against REAL`: scores of images that no run drew."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cli_runner import TINY, did, inkwash, refused
from inkwash.data import load
from inkwash.metrics.distance import frechet
from inkwash.metrics.features import Pixels
from inkwash.metrics.inception import Network
from inkwash.settings import Scoring
from inkwash.study.foreign_images import judge


def npz(path: Path, images: Any, **arrays: Any) -> Path:
    np.savez(path, images=images, **arrays)
    return path


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Images of one Gaussian, 4×4: `real`, `alike` of the same, `dark` of another mean, and `other` of another size."""
    folder, rng = tmp_path_factory.mktemp("sets"), np.random.default_rng(0)

    def made(name: str, n: int, mean: float, side: int = 4, **arrays: Any) -> Path:
        images = np.clip(rng.normal(mean, 20, (n, side, side, 1)), 0, 255).round().astype(np.uint8)
        return npz(folder / f"{name}.npz", images, **arrays)

    return {
        "real": made("real", 300, 120), "alike": made("alike", 200, 120), "dark": made("dark", 200, 90),
        "other": made("other", 20, 120, 6),
        "labelled": made("labelled", 40, 120, labels=np.arange(40) % 2, classes=np.array(["cat", "dog"])),
    }  # fmt: skip


def test_the_distance_is_that_of_all_images(sets: dict[str, Path]) -> None:
    found = judge(sets["dark"], sets["real"], Scoring(features="pixels"))
    x, y = (load(sets[name], "train", held_out="none").pixels for name in ("dark", "real"))
    assert found.n == len(x) == 200
    assert len(found.against.source) == len(y) == 300  # no tenth or quarter of them
    assert found.found["frechet"] == pytest.approx(frechet(Pixels()(x), Pixels()(y)))
    assert found.found["frechet"] == pytest.approx(16 * (30 / 127.5) ** 2, rel=0.1)  # |μ − μ'|² of 16 pixels
    alike = judge(sets["alike"], sets["real"], Scoring(features="pixels")).found
    assert alike["frechet"] < 0.1
    assert alike["recall"] > 0.7
    assert alike["spread"] == pytest.approx(1, abs=0.05)


def test_one_set_against_itself_has_distance_0(sets: dict[str, Path]) -> None:
    found = judge(sets["real"], sets["real"], Scoring(features="pixels"))
    assert found.found["frechet"] == pytest.approx(0, abs=1e-9)
    assert found.found["precision"] == found.found["recall"] == 1


def test_known_sets_have_a_floor_of_the_other_split(tmp_path: Path) -> None:
    digits = load("digits", "train")
    drawn = digits.take(torch.arange(100)).permute(0, 2, 3, 1).numpy()
    file = npz(tmp_path / "drawn.npz", drawn, labels=digits.labels[:100].numpy(), classes=np.array(digits.classes))
    done = did("evaluate", file, "--against", "digits", "--out", tmp_path / "scores")
    assert "100 images of drawn against 1,500 of digits's train split, in classifier features" in done.out
    found = json.loads((tmp_path / "scores" / "scores.json").read_text(encoding="utf-8"))
    assert found["against"]["n"] == 1500
    assert found["scores"]["accuracy"] > 0.95  # they are what their labels say
    assert found["floor"]["accuracy"] > 0.8
    assert found["floor"]["frechet"] > 0
    wrong = npz(tmp_path / "wrong.npz", drawn, labels=(digits.labels[:100].numpy() + 1) % 10)
    assert judge(wrong, "digits", Scoring()).found["accuracy"] < 0.05


def test_a_folder_that_sample_wrote_and_what_adm_reads(trained: Path, tmp_path: Path) -> None:
    folder, adm, plain = tmp_path / "drawn", tmp_path / "drawn.adm.npz", tmp_path / "drawn.npz"
    did("sample", trained, "-n", 8, "--steps", 2, "--out", f"{folder}/", "--out", adm, "--out", plain)
    with np.load(adm) as one, np.load(plain) as other:
        assert "images" not in one.files
        assert np.array_equal(one["arr_0"], other["images"])
    did("replay", adm, "--run", trained, "--out", tmp_path / "again.adm.npz")
    a, b = (judge(each, "digits", Scoring(features="pixels")).found for each in (folder, plain))
    assert a.values == b.values


def test_a_run_against_other_images(sets: dict[str, Path], tmp_path: Path) -> None:
    """As for an imported run, whose own images are not known: what is said of training images is left out."""
    run = tmp_path / "run"
    did("train", sets["real"], *TINY, "--steps", 1, "--out", run)
    done = did("evaluate", run, "--against", sets["dark"], "--steps", 2, "-n", 17, "--jobs", 1)
    assert f"losses and memory are not measured: {sets['dark']} is not what this run was trained on" in done.out
    assert "copies of training images" not in done.out
    assert "3 draws of n = 17 images against 149 of dark's train split" in done.out
    assert "draws images of 4×4×1" in refused("evaluate", run, "--against", sets["other"], "--steps", 2)
    said = refused("evaluate", run, "--against", sets["dark"], "--likelihood", 2, "--steps", 2)
    assert "a likelihood is of the run's own held-out images" in said


@pytest.mark.slow  # tests/metrics/test_inception.py is quicker
def test_inception_reads_the_weights_that_it_is_given(sets: dict[str, Path], tmp_path: Path) -> None:
    torch.manual_seed(0)
    weights = tmp_path / "weights.pth"
    torch.save(Network().state_dict(), weights)
    found = judge(sets["other"], sets["other"], Scoring(inception=weights, n=4))
    assert found.against.features.name == "inception"
    assert found.against.real.points.shape == (20, 2048)
    said = refused(
        "evaluate", sets["other"], "--against", sets["other"], "--features", "pixels", "--inception", weights
    )
    assert "--inception names a file of weights, which the features pixels do not read" in said
    done = inkwash("evaluate", sets["other"], "--against", sets["other"], "--inception", tmp_path / "none.pth")
    assert done.code == 1
    assert "none.pth cannot be read" in done.sentence


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("real",), "holds no run. To score images that it holds, say with --against"),
        (("real", "--against", "other"), "holds images of 4×4×1 (height×width×channels) and other images of 6×6×1"),
        (("real", "--against", "real", "--steps", "3"), "is not a run, and --steps is for the images of a run"),
        (("real", "--against", "real", "-n", "301"), "real has 300"),
        (("real", "--against", "real", "-n", "3"), "more than 3 images"),
        (("labelled", "--against", "real"), "has the classes cat, dog, which real does not have"),
        (("nothing", "--against", "real"), "is neither a folder or file nor one of the sets"),
    ],
)
def test_refusals(sets: dict[str, Path], args: tuple[str, ...], words: str) -> None:
    assert words in refused("evaluate", *(sets.get(each, each) for each in args))


def test_a_folder_of_pictures_against_another(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for i in range(6):
            Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)).save(tmp_path / name / f"{i}.png")
    found = judge(tmp_path / "one", tmp_path / "two", Scoring())
    assert found.n == 6
    assert found.floor is None


def test_real_images_that_are_all_alike_have_no_spread_in_the_file(sets: dict[str, Path], tmp_path: Path) -> None:
    """JSON has no nan: the score is null there, as in the evaluation of a run."""
    alike = npz(tmp_path / "one.npz", np.full((20, 4, 4, 1), 90, np.uint8))
    did("evaluate", sets["dark"], "--against", alike, "--out", tmp_path / "scores")
    text = (tmp_path / "scores" / "scores.json").read_text(encoding="utf-8")
    assert json.loads(text)["scores"]["spread"] is None
    assert "NaN" not in text
