"""What a run tells of itself, and the pictures of the forward process and of the losses."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from cli_runner import TINY, did, inkwash, refused
from inkwash.runs import build
from inkwash.runs.forward import SHARES, Forward, curves, draw_forward, resolve_target
from inkwash.settings import Data, Process
from inkwash.training.checkpoint import BEST, LAST, Checkpoint, digest, load, save


def test_info(trained: Path) -> None:
    lines = dict(
        line.split(maxsplit=1) for line in did("info", trained).out.replace("held out", "held-out").splitlines()
    )
    assert lines["recipe"] == "digits"
    assert lines["data"] == "digits, 1,500 images of 8×8, 1 channel(s)"
    assert lines["network"] == "UNet, 45,041 parameters (0.2 MiB)"
    assert lines["process"] == "continuous-cosine schedule, predicts v"
    assert lines["trained"] == "12 of 12 steps, 192 images seen"
    assert "in float32" in lines["time"]
    assert "last (step 12), best by held-out loss (step 12)" in lines["checkpoints"]
    assert lines["sha256"] == digest(trained / LAST)
    assert "at its lowest" in lines["held-out"]


def test_info_without_the_best(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "run")
    (tmp_path / "run" / BEST).unlink()
    assert "checkpoints  last (step 12)\n" in did("info", tmp_path / "run").out


def test_info_draws_the_losses(trained: Path, tmp_path: Path) -> None:
    assert did("info", trained, "--out", tmp_path / "a.png").out.endswith(f"{tmp_path}/a.png\n")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size[0] > 1000
    for name in ("a.gif", "a.npz", "a", "a.jpg"):
        assert "a name ending in .png" in inkwash("info", trained, "--out", tmp_path / name).sentence
        assert not (tmp_path / name).exists()


def test_info_of_a_run_just_begun(tmp_path: Path) -> None:
    """Stopped by its rate at the first report: the checkpoint is that of step 0."""
    run = tmp_path / "run"
    inkwash("train", "digits", *TINY, "--steps", 20, "--lr", 1e30, "--clip", "None", "--out", run)
    told = did("info", run).out
    assert "0 of 20 steps, 0 images seen" in told
    assert "none yet" in told
    assert "takes at least one" in inkwash("info", run, "--out", tmp_path / "a.png").sentence


# ---- the forward process


@pytest.mark.parametrize(
    "process",
    [
        Process(schedule="linear"),
        Process(schedule="linear", timesteps=1),
        Process(schedule="linear", timesteps=2),
        Process(schedule="cosine", timesteps=7),
        Process(schedule="continuous-cosine"),
        Process(schedule="flow"),
        Process(schedule="ve"),
    ],
    ids=lambda process: f"{process.schedule}-{process.timesteps}",
)
def test_every_process_is_drawn(process: Process) -> None:
    figure, facts = draw_forward(Forward(Data(), process, images=1))
    assert figure.ndim == 3
    assert figure.std() > 1
    assert facts["process"]["schedule"] == process.schedule
    for x, y in curves(build.schedule(process)).values():
        assert len(x) == len(y)
        assert x == sorted(x)


def test_shares_of_the_process() -> None:
    assert SHARES == (0, 25, 50, 75, 100)


def test_what_is_meant(trained: Path, tmp_path: Path) -> None:
    assert resolve_target("mnist").process.schedule == "continuous-cosine"
    assert resolve_target(str(trained)).network.channels == 8
    meant = resolve_target(str(tmp_path))
    assert (meant.recipe, meant.data.source) == ("folder", str(tmp_path))
    assert meant.process == resolve_target("folder").process


def test_more_images_than_there_are(tmp_path: Path) -> None:
    for i in range(3):
        Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / f"{i}.png")
    did("forward", tmp_path, "--images", 50, "--out", tmp_path / "a.png")


def test_photos_of_several_sizes(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for i in range(3):
        Image.new("RGB", (8 + i, 8)).save(tmp_path / "photos" / f"{i}.png")
    assert "Give the size" in refused("forward", tmp_path / "photos", "--out", tmp_path / "a.png")
    did("forward", tmp_path / "photos", "--size", 8, "--out", tmp_path / "a.png")
    did("replay", tmp_path / "a.png", "--data-dir", tmp_path / "photos")


def test_a_tampered_name_cannot_control_the_terminal(trained: Path, tmp_path: Path) -> None:
    """A recipe called by escape sequences and marks that reverse text, in what is printed and in what is refused."""
    saved = load(trained / LAST)
    nasty = "\x1b]0;owned\x07\u202edigits\n"
    facts = {**saved.facts, "run": {**saved.facts["run"], "recipe": nasty}}
    facts = {name: value for name, value in facts.items() if name not in ("format", "version")}
    save(tmp_path / "run" / LAST, Checkpoint(saved.parts, facts))
    shown = did("info", tmp_path / "run").out
    assert "\\x1b]0;owned\\x07\\u202edigits\\n" in shown
    assert "\x1b" not in shown
    said = inkwash("train", "digits", "--out", tmp_path / "run", "--resume").err
    assert "\\x1b]0;owned" in said
    assert not any(mark in said for mark in ("\x1b", "\x07", "\u202e"))
