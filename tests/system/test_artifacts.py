"""What sample writes: every form, the same pixels whatever the batch, and again from its own provenance."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from processes import TINY

from inkwash.cli import main
from inkwash.view import read_provenance


def inkwash(*args: object) -> int:
    """The exit code of `inkwash ARGS`, run in this process."""
    try:
        main([str(arg) for arg in args])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def pixels(path: Path) -> np.ndarray:
    with np.load(path, allow_pickle=False) as held:
        return held["images"]


@pytest.mark.parametrize(
    "solver", [("ddim",), ("ddim", "--eta", 0.5), ("ddpm", "--variance", "large"), ("heun",), ("dpmpp2m",)]
)
def test_an_image_does_not_know_its_batch(run: Path, tmp_path: Path, solver: tuple[object, ...]) -> None:
    drawn = {}
    for n, batch in ((64, 64), (64, 7), (64, 1), (5, 64)):
        out = tmp_path / f"{n}-{batch}.npz"
        call = ("sample", run, "-n", n, "--steps", 5, "--solver", *solver, "--batch-size", batch, "--out", out)
        assert inkwash(*call) == 0
        drawn[n, batch] = pixels(out)
    reference = drawn[64, 64]
    assert reference.shape == (64, 8, 8, 1)
    assert len(np.unique(reference)) > 50
    assert all(np.array_equal(images, reference[: len(images)]) for images in drawn.values())


def test_eta_one_is_ddpm_and_eta_zero_repeats(run: Path, tmp_path: Path) -> None:
    def drawn(name: str, *how: object) -> np.ndarray:
        assert inkwash("sample", run, "-n", 4, "--steps", 20, *how, "--out", tmp_path / f"{name}.npz") == 0
        return pixels(tmp_path / f"{name}.npz")

    assert np.array_equal(drawn("a", "--eta", 1), drawn("b", "--solver", "ddpm"))
    assert np.array_equal(drawn("c", "--eta", 0), drawn("d"))
    assert not np.array_equal(drawn("e", "--eta", 0), drawn("f", "--eta", 0, "--seed", 1))


def test_every_form_can_be_drawn_again(run: Path, tmp_path: Path) -> None:
    outs = [tmp_path / name for name in ("a.png", "a.gif", "a.webp", "a.mp4", "a.npz", "folder")]
    flags = [part for out in outs for part in ("--out", out)]
    assert inkwash("sample", run, "-n", 3, "--steps", 6, "--seed", 2, *flags) == 0
    for out in outs:
        about = read_provenance(out)
        assert about["sampling"]["seed"] == 2
        assert about["sampling"]["spacing"] == "trailing"
        assert len(about["checkpoint"]) == 64
        assert inkwash("replay", out) == 0


def test_a_moved_or_changed_run_is_noticed(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy, picture = tmp_path / "copy", tmp_path / "a.png"
    shutil.copytree(run, copy)
    assert inkwash("sample", copy, "-n", 2, "--steps", 3, "--out", picture) == 0
    copy.rename(tmp_path / "moved")
    assert inkwash("replay", picture) == 2
    assert "--run" in capsys.readouterr().err
    assert inkwash("replay", picture, "--run", tmp_path / "moved", "--out", tmp_path / "b.png") == 0
    assert inkwash("train", "digits", *TINY, "--steps", 31, "--resume", "--out", tmp_path / "moved") == 0
    assert inkwash("replay", picture, "--run", tmp_path / "moved", "--out", tmp_path / "c.png") == 2
    assert not (tmp_path / "c.png").exists()


def test_the_forward_process_is_drawn_again(tmp_path: Path) -> None:
    out = tmp_path / "forward.png"
    assert inkwash("forward", "digits", "--out", out) == 0
    assert inkwash("replay", out) == 0
    assert (tmp_path / "forward-replay.png").read_bytes() == out.read_bytes()


def test_info_tells_and_draws(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inkwash("info", run, "--out", tmp_path / "loss.png") == 0
    told = capsys.readouterr().out
    assert "30 of 30 steps, 480 images seen" in told
    assert "digits, 1,500 images of 8×8" in told
    assert (tmp_path / "loss.png").exists()
