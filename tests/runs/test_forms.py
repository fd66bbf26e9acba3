"""What sample writes, in every form, and what replay makes of it."""

import resource
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli_runner import TINY, Command, did, inkwash, refused
from inkwash.training.checkpoint import LAST, digest
from inkwash.view import read_provenance, write

FORMS = ["a.png", "a.gif", "a.webp", "a.mp4", "a.npz", "a", "a.v2/"]


def outs(folder: Path) -> list[str]:
    return [f"{folder}/{name}" for name in FORMS]


@pytest.fixture(scope="module")
def drawn(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of every form, drawn at once."""
    folder = tmp_path_factory.mktemp("drawn")
    flags = [flag for out in outs(folder) for flag in ("--out", out)]
    done = did("sample", trained, "-n", 5, "--steps", 4, "--solver", "ddpm", "--seed", 7, "--batch-size", 2, *flags)
    assert done.out.splitlines() == outs(folder)
    return folder


@pytest.mark.parametrize("name", FORMS)
def test_provenance(name: str, drawn: Path, trained: Path) -> None:
    about = read_provenance(drawn / name)
    assert about["command"] == "sample"
    assert about["checkpoint"] == digest(trained / LAST)
    assert about["run"] == trained.name
    assert str(trained.parent) not in str(about)
    assert about["recipe"] == "digits"
    sampling = about["sampling"]
    assert (sampling["n"], sampling["steps"], sampling["solver"], sampling["seed"]) == (5, 4, "ddpm", 7)
    assert sampling["spacing"] == "trailing"


@pytest.mark.parametrize("name", FORMS)
def test_replay(name: str, drawn: Path, trained: Path) -> None:
    done = did("replay", drawn / name, "--run", trained)
    assert f"the same pixels as {drawn / name}" in done.out
    again = Path(done.out.partition(": ")[0])
    assert again.exists()
    shutil.rmtree(again) if again.is_dir() else again.unlink()


def test_replay_with_the_run_moved(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    flags = [flag for out in outs(tmp_path) for flag in ("--out", out)]
    did("sample", run, "-n", 2, "--steps", 2, *flags)
    away = tmp_path.parent / f"{tmp_path.name}-away"
    run.rename(away)
    for out in outs(tmp_path):
        said = f"the run run that made {Path(out)} is not found from here; say where it is with --run."
        assert refused("replay", out) == said
        did("replay", out, "--run", away)


def test_a_run_is_found_around_its_pictures_and_the_working_folder(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "home" / "runs" / "cats"))
    monkeypatch.chdir(tmp_path / "home")
    for place in ("runs/cats/a.png", "b.png", "sheets/of/today/c.png"):
        did("sample", "runs/cats", "-n", 1, "--steps", 1, "--out", place)
        assert read_provenance(tmp_path / "home" / place)["run"] == "runs/cats"
        did("replay", place, "--out", "again.png")
    shutil.copytree(tmp_path / "home", tmp_path / "moved")
    shutil.rmtree(run)
    monkeypatch.chdir(tmp_path)
    for place in ("runs/cats/a.png", "b.png", "sheets/of/today/c.png"):
        did("replay", tmp_path / "moved" / place, "--out", "again.png")


def test_private(trained: Path, tmp_path: Path) -> None:
    """Neither the name of the run nor that of its recipe; a replay finds the run by its digest, or is told."""
    run = Path(shutil.copytree(trained, tmp_path / "of ann"))
    did("sample", run, "-n", 1, "--steps", 1, "--private", "--out", run / "a.png", "--out", tmp_path / "far/off/a.png")
    did("gallery", run, "--steps", 1, "--private")
    for file in (run / "a.png", *(run / "gallery" / name for name in ("ten.png", "sheet.png", "denoising.gif"))):
        about = read_provenance(file)
        assert not {"run", "recipe"} & about.keys()
        assert "ann" not in str(about)
        did("replay", file, "--out", tmp_path / f"again{file.suffix}")
    assert not {"run", "recipe"} & read_provenance(tmp_path / "again.png").keys()
    shutil.move(run, tmp_path / "x" / "y")
    assert "that made" in refused("replay", tmp_path / "far/off/a.png")
    did("replay", tmp_path / "far/off/a.png", "--run", tmp_path / "x" / "y")


def test_replay_after_more_training(tmp_path: Path, trained: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "a.png"
    shutil.copytree(trained, run)
    did("sample", run, "-n", 2, "--steps", 2, "--out", out)
    did("train", "digits", *TINY, "--steps", 13, "--save-every", 4, "--resume", "--out", run)
    said = refused("replay", out)
    assert "the checkpoint has changed since" in said
    assert "Give --run a copy of the old one." in said
    assert not (tmp_path / "a-replay.png").exists()
    did("replay", out, "--run", trained)


def test_replay_of_the_best_checkpoint(tmp_path: Path, trained: Path) -> None:
    did("sample", trained, "-n", 2, "--steps", 2, "--checkpoint", "best", "--out", tmp_path / "a.npz")
    did("replay", tmp_path / "a.npz", "--run", trained)


@pytest.mark.parametrize("target", ["digits", "run"])
def test_replay_of_the_forward_process(target: str, tmp_path: Path, trained: Path) -> None:
    out = tmp_path / "forward.png"
    did("forward", trained if target == "run" else target, "--images", 2, "--seed", 3, "--out", out)
    assert read_provenance(out)["forward"]["seed"] == 3
    did("replay", out)


def test_replay_tells_when_pixels_differ(drawn: Path, trained: Path, tmp_path: Path) -> None:
    with np.load(drawn / "a.npz", allow_pickle=False) as archive:
        images = archive["images"].copy()
    images[3, 4, 5] ^= 1
    write(tmp_path / "b.npz", images, read_provenance(drawn / "a.npz"))
    done = inkwash("replay", tmp_path / "b.npz", "--run", trained)
    assert done.code == 1
    assert "was drawn again, but differs from" in done.sentence


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("a.png", "--out", "a.png"), "is the file to compare with"),
        (("a.png", "--out", "b.gif"), "is drawn again as .png, to compare pixels"),
        (("a.npz", "--out", "b"), "is drawn again as .npz, to compare pixels"),
        (("a", "--out", "b.png"), "is drawn again as a folder, to compare pixels"),
        (("a/00002.png",), "is one image of a folder that is drawn as a whole: replay"),
        (("a.png", "--out", "b.jpg"), "ends in .jpg, which cannot be written"),
        (("a.png", "--run", "nowhere"), "there is no folder nowhere"),
        (("nowhere.png",), "There is no nowhere.png."),
    ],
)
def test_replay_refuses(
    args: tuple[str, ...], words: str, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(drawn, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    before = (drawn / "a.png").read_bytes()
    assert words in refused("replay", *args)
    assert Path("a.png").read_bytes() == before
    assert not Path("b").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"sampling": {"quality": "best"}},
        {"sampling": None},
        {"precision": "float99"},
        {"batch_size": "many"},
        {"command": "info"},
        {"command": "forward"},
    ],
)
def test_replay_of_foreign_notes(changes: dict[str, Any], drawn: Path, tmp_path: Path) -> None:
    write(tmp_path / "b.npz", np.zeros((1, 8, 8, 1), np.uint8), {**read_provenance(drawn / "a.npz"), **changes})
    assert refused("replay", tmp_path / "b.npz")


def test_nothing_is_computed_for_a_form_that_cannot_be_written(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inkwash.runs.artifacts.draw", None)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    for name in ("a.jpg", "a.tar.gz", ".png", "full", "full/mine.txt/a.png"):
        assert refused("sample", trained, "--out", tmp_path / "good.png", "--out", tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_a_full_disk(trained: Path, tmp_path: Path) -> None:
    """Nothing half-written is left, and what was there before is as it was."""
    (tmp_path / "drawn").mkdir()
    for name in ("a.png", "a.gif", "a.mp4", "a.npz", "a"):
        file = tmp_path / "drawn" / name
        if name != "a":
            file.write_bytes(b"before")
        command = ("sample", trained, "-n", 100, "--steps", 2, "--out", file)
        done = Command(command, tmp_path, limits={resource.RLIMIT_FSIZE: 300}).wait()
        assert done.code == 1
        assert f"{file} could not be written: " in done.sentence
        assert name == "a" or file.read_bytes() == b"before"
    assert len(list((tmp_path / "drawn").iterdir())) == 4


def test_without_out_into_the_run(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "run")
    assert did("sample", tmp_path / "run", "-n", 1, "--steps", 1).out == f"{tmp_path}/run/samples.png\n"
