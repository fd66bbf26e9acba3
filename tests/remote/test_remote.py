"""Runs on a hub: fetched from a server on this machine, in whole and in halves, and what it answers wrongly."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hub_server import COMMIT, Hub, serving

import inkwash as front
from cli_runner import TINY, did, inkwash, refused
from inkwash import remote
from inkwash.models import files_of
from inkwash.training.checkpoint import LAST, load

pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed: pip install 'inkwash[hub]'")
HERE = "hf://me/digits"


@pytest.fixture
def hub(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with one run, me/digits, and an empty cache; waiting takes no time."""
    from huggingface_hub import constants

    with serving() as made:
        made.repos["me/digits"] = {LAST: (trained / LAST).read_bytes()}
        monkeypatch.setenv("HF_ENDPOINT", made.url)
        monkeypatch.setenv("HF_TOKEN", "hf_test")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr("time.sleep", lambda seconds: None)
        monkeypatch.chdir(tmp_path)
        forget()
        yield made
    forget()


def forget() -> None:
    for fetched in (remote.run_folder, remote.model_folder):
        fetched.cache_clear()


def said(*args: object) -> str:
    """What a command says that fails, with exit code 1 or 2."""
    forget()
    done = inkwash(*args)
    assert done.code in (1, 2)
    return done.sentence


def test_a_run_on_a_hub_is_a_run(hub: Hub, trained: Path, tmp_path: Path) -> None:
    drawn = []
    for run, name in ((HERE, "far.npz"), (trained, "near.npz")):
        did("sample", run, "-n", 2, "--steps", 2, "--out", tmp_path / name)
        drawn.append(np.load(tmp_path / name)["images"])
    assert np.array_equal(*drawn)
    assert "recipe" in did("info", f"{HERE}@{COMMIT}").out
    assert front.load(HERE).shape == (1, 8, 8)
    assert files_of(remote.run_folder(remote.Place("me/digits", None))) == Path("runs/me--digits")
    did("train", "digits", "--from", HERE, *TINY[2:], "--steps", 1, "--out", tmp_path / "new")
    assert "the weights of me--digits, step 12" in did("info", tmp_path / "new").out
    did("evaluate", HERE, "--features", "pixels", "-n", 4, "--steps", 1, "--jobs", 1)
    assert (tmp_path / "runs" / "me--digits" / "evaluation" / "scores.json").exists()
    downloads = [each for each in hub.asked if each.startswith("GET") and each.endswith(LAST)]
    assert len(downloads) == 1  # the cache has it


def test_what_was_fetched_is_there_without_the_hub(hub: Hub) -> None:
    did("info", HERE)
    forget()
    hub.status = 503
    assert "recipe" in did("info", HERE).out


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "does not show me/digits (401): it is not there, or private"),
        (403, "set HF_TOKEN"),
        (404, "has no me/digits; look at its name"),
        (429, "had too many requests (429); wait some minutes"),
        (500, "is out of order (500); try again later"),
        (503, "is out of order (503); try again later"),
    ],
)
def test_what_a_hub_answers(status: int, words: str, hub: Hub, tmp_path: Path) -> None:
    hub.status = status
    assert words in said("info", HERE)
    assert not list((tmp_path / "cache").rglob(LAST))


def test_a_run_that_is_not_there(hub: Hub) -> None:
    assert "has no me/other; look at its name" in said("info", "hf://me/other")
    assert "has no such revision; leave out what follows @" in said("info", f"{HERE}@v2")
    hub.repos["me/empty"] = {"README.md": b"x"}
    assert "me/empty holds no run: it has no file last.safetensors" in said("info", "hf://me/empty")
    for word in ("hf://me", "hf://me/digits/x", "hf://me/di gits", "hf://me/digits@", "hf://../x/y"):
        assert "is written hf://OWNER/NAME" in refused("info", word)


def test_a_download_that_stops_half_way(hub: Hub, tmp_path: Path) -> None:
    """The cache keeps nothing that is half there, and the next call has all of it."""
    hub.cut = 1000
    assert "or stopped half way" in said("info", HERE)
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.is_file() and file.stat().st_size >= 1000]
    hub.cut = None
    forget()
    assert "recipe" in did("info", HERE).out


def test_a_connection_that_breaks_is_gone_on_with(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 10_000)
    hub.cut = len(hub.repos["me/digits"][LAST]) // 3
    assert "recipe" in did("info", HERE).out
    assert len([each for each in hub.asked if "bytes=" in each and "bytes=0-" not in each]) >= 2


def test_a_damaged_file_is_not_believed(hub: Hub) -> None:
    content = bytearray(hub.repos["me/digits"][LAST])
    content[-5] ^= 255
    hub.repos["me/digits"][LAST] = bytes(content)
    assert "damaged" in said("sample", HERE, "-n", 1, "--steps", 1)


def test_a_pipeline_of_diffusers_on_a_hub(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)  # not needed, and slow to import
    few = ("--network", "diffusers-unet", "--block-out-channels", "8", "--norm-num-groups", 4, "--layers-per-block", 1)
    flags = (*few, "--schedule", "linear", "--batch-size", 16, "--precision", "float32", "--device", "cpu")
    did("train", "digits", *flags, "--steps", 1, "--out", tmp_path / "run")
    did("export", tmp_path / "run", "--diffusers", tmp_path / "out", "--steps", 2)
    folder = tmp_path / "out"
    hub.repos["me/pipe"] = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*.*")}
    hub.repos["me/pipe"]["run.py"] = b"raise SystemExit"
    did("import", "diffusers", "hf://me/pipe")
    assert "DiffusersUNet" in did("info", "runs/me--pipe").out
    assert not any(each.endswith("run.py") for each in hub.asked)


def test_without_the_library(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert "need the package huggingface_hub: pip install 'inkwash[hub]'" in refused("info", "hf://me/digits")


# ---- push


def test_pushed_and_drawn_from(hub: Hub, trained: Path, tmp_path: Path) -> None:
    done = did("push", trained, "me/mine", "--license", "mit", "--use", "To see | how <b>")
    assert "hf://me/mine" in done.out
    files = hub.repos["me/mine"]
    assert set(files) == {LAST, "README.md", "samples.png"}
    card = files["README.md"].decode()
    assert card.startswith("---\nlicense: mit\n")
    for words in ("# me/mine", "digits, 1,", "Not measured.", r"To see \| how &lt;b>", "inkwash sample hf://me/mine"):
        assert words in card
    assert str(tmp_path.parent).encode() not in b"".join(files.values())
    (tmp_path / LAST).write_bytes(files[LAST])
    there, here = load(tmp_path / LAST), load(trained / LAST)
    assert set(there.parts) == {"ema"}
    assert (there.facts["data_dir"], there.facts["run"]["network"]) == (None, here.facts["run"]["network"])
    drawn = []
    for run, name in (("hf://me/mine", "far.npz"), (trained, "near.npz")):
        did("sample", run, "-n", 2, "--steps", 2, "--out", tmp_path / name)
        drawn.append(np.load(tmp_path / name)["images"])
    assert np.array_equal(*drawn)


def test_scores_of_this_checkpoint_are_in_the_card(trained: Path, tmp_path: Path) -> None:
    from inkwash.runs.card import card
    from inkwash.runs.model import open_model

    run = tmp_path / "run"
    run.mkdir()
    (run / LAST).write_bytes((trained / LAST).read_bytes())
    model = open_model(run, device="cpu")
    scores = run / "evaluation" / "scores.json"
    scores.parent.mkdir()
    about = {"n": 100, "compared": 200, "data": "digits", "features": "pixels", "checkpoint": model.digest}
    about |= {"scores": {"frechet": {"mean": 3.25, "sd": 0.5}}, "floor": {"frechet": {"mean": 1.5, "sd": 0.25}}}
    scores.write_text(json.dumps(about))
    text = card(model, "me/x", None, None)
    assert "100 images against 200 of digits, in pixels features" in text
    assert "| 3.25 ± 0.5 | 1.5 ± 0.25 |" in text
    assert "The author named none" in text
    scores.write_text(json.dumps(about | {"checkpoint": "other"}))
    assert "are of another checkpoint" in card(model, "me/x", None, None)
    scores.write_text("{")
    assert "Not measured." in card(model, "me/x", None, None)


def test_what_is_not_pushed(hub: Hub, trained: Path, tmp_path: Path) -> None:
    for name in ("mine", "me/x@v1", "../x"):
        assert "OWNER/NAME" in refused("push", trained, name)
    assert "--license is an identifier" in refused("push", trained, "me/x", "--license", "mit\nx: y")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").touch()
    assert "is no empty folder" in refused("push", trained, "me/x", "--to", tmp_path / "full")
    did("push", trained, "me/x", "--to", tmp_path / "there")
    assert (tmp_path / "there" / "README.md").exists()
    assert not hub.created
    hub.status = 401
    done = inkwash("push", trained, "me/x")
    assert (done.code, "does not show me/x (401)" in done.sentence) == (2, True)
