"""The gallery of a run: five files of one drawing, which replay follows."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cli_runner import TINY, did, inkwash, refused
from inkwash.runs import gallery
from inkwash.runs.draw import draw
from inkwash.runs.model import open_model
from inkwash.settings import Sampler
from inkwash.view import grid, read_provenance

FEW = ("--steps", 3)


@pytest.fixture(scope="module")
def shown(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gallery") / "new" / "folder"
    done = did("gallery", trained, *FEW, "--seed", 5, "--out", folder)
    assert done.out.splitlines() == [str(folder / name) for name in gallery.NAMES]
    return folder


def pixels(path: Path) -> Any:
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_exactly_the_five_files(shown: Path) -> None:
    assert {path.name for path in shown.iterdir()} == set(gallery.NAMES)
    for path in shown.iterdir():
        assert pixels(path).size > 10_000


def test_they_are_of_one_drawing(shown: Path, trained: Path, tmp_path: Path) -> None:
    images = draw(open_model(trained), gallery.request(Sampler(steps=3), 5)).images
    assert len(images) == 100
    assert np.array_equal(pixels(shown / "sheet.png"), grid(images, 10, smooth=True)[:, :, 0])
    assert np.array_equal(pixels(shown / "ten.png"), grid(images[:10], 10, smooth=True)[:, :, 0])
    did("sample", trained, *FEW, "--seed", 5, "-n", 36, "--out", tmp_path / "a.gif")
    assert (shown / "denoising.gif").read_bytes() == (tmp_path / "a.gif").read_bytes()


def test_the_figures_are_those_of_the_commands(shown: Path, trained: Path, tmp_path: Path) -> None:
    did("info", trained, "--out", tmp_path / "loss.png")
    did("forward", trained, "--seed", 5, "--out", tmp_path / "forward.png")
    for name in ("loss.png", "forward.png"):
        assert (shown / name).read_bytes() == (tmp_path / name).read_bytes()


@pytest.mark.parametrize("name", ["ten.png", "sheet.png", "denoising.gif", "forward.png"])
def test_replay(name: str, shown: Path, trained: Path, tmp_path: Path) -> None:
    assert "the same pixels" in did("replay", shown / name, "--run", trained, "--out", tmp_path / name).out


def test_replay_knows_nothing_of_losses(shown: Path, tmp_path: Path) -> None:
    said = refused("replay", shown / "loss.png", "--out", tmp_path / "a.png")
    assert "it was not written by sample, " in said


def test_into_the_run_again_and_drawn_once(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(gallery, "draw", lambda *args, **more: calls.append(args[1].n) or draw(*args, **more))
    shutil.copytree(trained, tmp_path / "run")
    for solver in ("ddpm", "dpmpp2m"):
        did("gallery", tmp_path / "run", *FEW, "--solver", solver, "--checkpoint", "best")
        about = read_provenance(tmp_path / "run" / "gallery" / "ten.png")
        assert (about["sampling"]["solver"], about["sampling"]["n"], about["columns"]) == (solver, 10, 10)
        assert about["which"] == "best"
    assert calls == [100, 100]


# ---- what is refused, before anything is drawn or written


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("nowhere",), "there is no checkpoint at nowhere/last.safetensors"),
        (("run", "--out", "file"), "file is not a folder"),
        (("run", "--out", "taken"), "loss.png is a folder, and its ending asks for a file"),
        (("run", "--solver", "heun", "--eta", 1), "heun has no η"),
        (("run", "--steps", 0), "--steps should be greater than or equal to 1 (got 0)."),
        (("run", "--data-dir", "run", "--seed", -1), "--seed should be greater than or equal to 0 (got -1)."),
    ],
)
def test_refusals(
    args: tuple[object, ...], words: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained, "run")
    Path("file").write_text("mine")
    Path("taken/loss.png").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    assert words in refused("gallery", *args)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_without_losses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its training ended at the first report: the checkpoint is that of step 0."""
    monkeypatch.setattr(gallery, "draw", None)
    run = tmp_path / "run"
    inkwash("train", "digits", *TINY, "--steps", 20, "--lr", 1e30, "--clip", "None", "--out", run)
    said = refused("gallery", run)
    assert (
        f"{run} has no losses to show yet, as it was trained for 0 steps; train it further first: `inkwash tr" in said
    )
    assert not (run / "gallery").exists()


def test_images_that_have_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "draw", None)
    folder, run = tmp_path / "mine", tmp_path / "run"
    folder.mkdir()
    noise = np.random.default_rng(0)
    for i in range(6):
        Image.fromarray(noise.integers(0, 256, (8, 8), np.uint8)).save(folder / f"{i}.png")
    did("train", folder, "--mults", 1, "--attention", "--patch", 1, *TINY, "--steps", 1, "--out", run)
    (folder / "0.png").unlink()
    assert f"{run} was trained on other images than {folder} holds now" in refused("gallery", run)
    assert not (run / "gallery").exists()
