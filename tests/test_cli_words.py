"""Flags as people type them: lists, the field's names, flags given twice, epochs, and runs by their folder."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli_runner import TINY, did, refused
from inkwash import own
from inkwash.runs.record import stored
from inkwash.training.checkpoint import LAST, facts, load, save

SMALL = (*TINY, "--mults", 1, "--attention", "--heads", 1, "--blocks", 1)


def photos(folder: Path, n: int = 12) -> Path:
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for i in range(n):
        Image.fromarray(generator.integers(0, 256, (8, 8), dtype=np.uint8)).save(folder / f"{i}.png")
    return folder


@pytest.mark.parametrize(("flags", "mults", "attention"), [
    (("--mults", "1,2", "--attention", "0,1"), (1, 2), (0, 1)),
    (("--mults", "1", "2", "--attention", "0", "1"), (1, 2), (0, 1)),
    (("--mults", "1,", "2", "--attention"), (1, 2), ()),
])  # fmt: skip
def test_lists_are_separated_by_commas_or_spaces(
    tmp_path: Path, flags: tuple[str, ...], mults: tuple[int, ...], attention: tuple[int, ...]
) -> None:
    did("train", "digits", *TINY, *flags, "--heads", 1, "--steps", 1, "--out", tmp_path / "run")
    settings = stored(tmp_path / "run")
    assert settings is not None
    assert (settings.network.mults, settings.network.attention) == (mults, attention)  # type: ignore[attr-defined]


@pytest.mark.parametrize("steps", [("1,2",), ("1", "2"), ("1,", "2")])
def test_the_axes_of_a_study_too(trained: Path, tmp_path: Path, steps: tuple[str, ...]) -> None:
    did("study", trained, "--steps", *steps, "-n", 4, "--features", "pixels", "--jobs", 1, "--out", tmp_path / "s")
    assert len((tmp_path / "s" / "cells.csv").read_text().splitlines()) == 3


def test_the_fields_names_of_flags(trained: Path, tmp_path: Path) -> None:
    did("train", "digits", *SMALL, "--learning-rate", 0.002, "--max-train-steps", 1, "--output-dir", tmp_path / "run")
    about = facts(tmp_path / "run" / LAST)["run"]["training"]
    assert (about["lr"], about["steps"]) == (0.002, 1)
    did("sample", trained, "--num-inference-steps", 2, "--num-samples", 3, "--out", tmp_path / "a.npz")
    assert np.load(tmp_path / "a.npz")["images"].shape[0] == 3


@pytest.mark.parametrize(("name", "meant"), [("euler", "ddim"), ("DPMSolver++", "dpmpp2m"), ("euler_a", "ddpm")])
def test_the_fields_names_of_solvers_are_known(trained: Path, name: str, meant: str) -> None:
    assert f"Did you mean {meant}?" in refused("sample", trained, "--solver", name)


@pytest.mark.parametrize(("flags", "words"), [
    (("--seed", 1, "--seed", 2), "--seed is given twice"),
    (("--seed=1", "--seed=2"), "--seed is given twice"),
    (("--steps", 1, "--num-inference-steps", 2), "--steps and --num-inference-steps, which are one flag,"),
    (("--stretch", "--no-stretch"), "--stretch and --no-stretch, which are one flag,"),
])  # fmt: skip
def test_a_flag_given_twice_is_refused(trained: Path, flags: tuple[object, ...], words: str) -> None:
    assert words in refused("sample", trained, *flags)


def test_flags_that_repeat_may(trained: Path, tmp_path: Path) -> None:
    outs = (tmp_path / "a.png", tmp_path / "b.npz")
    did("sample", trained, "-n", 1, "--steps", 1, "--out", outs[0], "--out", outs[1])
    assert all(out.is_file() for out in outs)


def test_epochs(tmp_path: Path) -> None:
    """1,500 digits: half a pass is 8 steps of 100, and a resumed run may be lengthened in steps."""
    run = tmp_path / "run"
    did("train", "digits", *SMALL, "--batch-size", 100, "--epochs", 0.5, "--out", run)
    assert (facts(run / LAST)["step"], facts(run / LAST)["run"]["training"]["steps"]) == (8, 8)
    did("train", run, "--resume", "--steps", 9)
    assert facts(run / LAST)["step"] == 9
    did("train", run, "--resume", "--num-epochs", 0.7)
    assert facts(run / LAST)["step"] == 11


def test_a_folders_run_has_its_name_and_is_resumed_by_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    images, run = photos(tmp_path / "pets"), Path("runs/pets")
    did("train", "pets", *SMALL, "--steps", 1)
    assert (run / LAST).is_file()
    assert "already holds a run" in refused("train", run)
    did("train", run, "--resume", "--steps", 2)
    images.rename(tmp_path / "animals")
    said = refused("train", run, "--resume", "--steps", 3)
    assert said == f"the images of {run} are no longer at {images}; say where they are now with --source."
    did("train", run, "--resume", "--steps", 3, "--source", tmp_path / "animals")
    did("train", run, "--resume", "--steps", 4)  # it remembers
    shutil.move(run, tmp_path / "elsewhere")
    did("train", tmp_path / "elsewhere", "--resume", "--steps", 5)
    assert facts(tmp_path / "elsewhere" / LAST)["step"] == 5


def test_code_that_a_run_recorded_is_not_run_because_the_run_is_named(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Weight:\n    pass\n")
    saved = load(trained / LAST)
    saved.facts["run"]["training"]["weight"] = f"{tmp_path / 'evil.py'}:Weight"
    save(run / LAST, saved)
    refused("train", run, "--resume", "--steps", 20)
    assert not (tmp_path / "ran").exists()
    assert not own._allowed  # type: ignore[attr-defined]
