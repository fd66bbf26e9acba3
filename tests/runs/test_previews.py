"""--preview-every: sheets of samples of a training that change nothing of it, and the GIF of learning to draw."""

import itertools
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cli_runner import TINY, Command, Fuse, did, refused
from inkwash import every, recipes
from inkwash.errors import UsageError
from inkwash.runs import previews
from inkwash.training import Previewed, Step, load
from inkwash.training.checkpoint import LAST
from inkwash.view import read_provenance

SHORT = ("--schedule", "linear", "--timesteps", 10)  # so the sampler takes 10 steps
HOW = ("train", "digits", *TINY, "--condition", "class", "--save-every", 4, "--best", "train", *SHORT)
SHEETS = ("--preview-every", 3, "--preview-images", 8)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 12 steps with a sheet every 3."""
    folder = tmp_path_factory.mktemp("seen") / "run"
    done = did(*HOW, *SHEETS, "--steps", 12, "--out", folder)
    assert "previews: 8 images by ddim in 10 steps, about " in done.err
    assert "4 sheets take " in done.err
    return folder


def pixels(path: Path) -> Any:
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_the_training_is_the_same_to_the_bit(seen: Path, tmp_path: Path) -> None:
    did(*HOW, "--steps", 12, "--out", tmp_path / "plain")
    ours, theirs = load(seen / LAST), load(tmp_path / "plain" / LAST)
    for part, named in theirs.parts.items():
        assert all(torch.equal(tensor, ours.parts[part][name]) for name, tensor in named.items())
    for fact in ("history", "held_out", "best", "step"):
        assert ours.facts[fact] == theirs.facts[fact]
    assert not (tmp_path / "plain" / previews.FOLDER).exists()


def test_a_sheet_is_what_sample_draws_at_that_step(seen: Path, tmp_path: Path) -> None:
    sheets = previews.found(seen)
    assert list(sheets) == [3, 6, 9, 12]
    about = read_provenance(sheets[6])
    assert (about["command"], about["step"], about["sampling"]["n"]) == ("preview", 6, 8)
    did("sample", seen, "-n", 8, "--label", "all", "--out", tmp_path / "a.png")
    assert np.array_equal(pixels(sheets[12]), pixels(tmp_path / "a.png"))
    assert not np.array_equal(pixels(sheets[12]), pixels(sheets[9]))


def test_an_interrupted_training_makes_the_same_files(seen: Path, tmp_path: Path) -> None:
    """It is killed in its third sheet, which an earlier training of the same steps may have drawn as well."""
    run = tmp_path / "run"
    fuse = Fuse("inkwash.runs.previews:write_sheet", 3)
    assert Command((*HOW, *SHEETS, "--steps", 12, "--out", run), tmp_path / "first", fuse).wait().code == -9
    stale = previews.file_of(run, 90)
    stale.write_bytes(previews.file_of(run, 3).read_bytes())
    did("train", run, "--resume")
    assert not stale.exists()
    for step, path in previews.found(seen).items():
        assert previews.file_of(run, step).read_bytes() == path.read_bytes()


def test_a_stopped_sheet_is_drawn_when_the_training_goes_on(seen: Path, tmp_path: Path) -> None:
    from inkwash.runs.fit import fit
    from inkwash.runs.record import stored

    run, calls = stored(seen), itertools.count()
    assert run is not None
    job = fit(run, tmp_path / "run", None, False, lambda: next(calls) > 6)  # within the first sheet
    assert not any(isinstance(event, Previewed) for event in job.progress)
    assert load(tmp_path / "run" / LAST).facts["step"] < 12
    did("train", tmp_path / "run", "--resume")
    assert previews.file_of(tmp_path / "run", 3).read_bytes() == previews.file_of(seen, 3).read_bytes()


def test_its_time_is_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from inkwash.api.train import train_steps

    monkeypatch.setattr(previews, "draw", _slow)
    told = list(
        train_steps("digits", out=tmp_path / "run", channels=8, batch_size=16, device="cpu", steps=4, preview_every=1)
    )
    drawn = [event for event in told if isinstance(event, Previewed)]
    last = [event for event in told if isinstance(event, Step)][-1]
    assert len(drawn) == 4
    assert all(event.seconds >= 0.3 and event.problem == "no sheet today." for event in drawn)
    assert last.seconds < sum(event.seconds for event in drawn)


def _slow(*_: Any, **__: Any) -> Any:
    time.sleep(0.3)
    raise UsageError("no sheet today.")


def test_replay_and_what_it_lacks(seen: Path, tmp_path: Path) -> None:
    sheet = previews.found(seen)
    assert "the same pixels" in did("replay", sheet[12], "--out", tmp_path / "a.png").out
    said = refused("replay", sheet[9], "--out", tmp_path / "b.png")
    assert "no checkpoint found from here has the weights of that step" in said


def test_the_gif_of_learning_to_draw(seen: Path, tmp_path: Path) -> None:
    shutil.copytree(seen, tmp_path / "run")
    out = tmp_path / "run" / "gallery" / "learning.gif"
    assert previews.write_learning(tmp_path / "run", out)
    with Image.open(out) as gif:
        assert gif.n_frames == 4
        gif.seek(3)
        last = np.asarray(gif.convert("L"))
    sheet = pixels(previews.found(seen)[12])
    assert np.array_equal(last[-sheet.shape[0] :, : sheet.shape[1]], sheet)
    assert read_provenance(out)["steps"] == [3, 6, 9, 12]
    assert not previews.write_learning(tmp_path, tmp_path / "none.gif")


def test_captions_of_the_training_images(captioned: Path, tmp_path: Path) -> None:
    flags = ("--condition", "text", "--encoder", "joint", "--mults", 1, "--attention", 0, "--patch", 2, "--steps", 2)
    run = tmp_path / "run"
    did("train", captioned, *TINY, *flags, "--preview-every", 2, "--preview-images", 3, "--out", run)
    texts = read_provenance(previews.file_of(run, 2))["sampling"]["text"]
    assert len(set(texts)) == 3
    assert all(text.startswith("fox number ") for text in texts)


# ---- when


@pytest.mark.parametrize(("images", "batch"), [(60_000, 64), (50_000, 128), (1437, 128), (10, 16), (128, 128)])
def test_an_epoch_ends_with_its_last_image(images: int, batch: int) -> None:
    steps = 12 * images // batch + 3
    ends = [step for step in range(1, steps + 1) if every.is_due("epoch", step, images, batch)]
    for step in ends:
        complete = step * batch // images
        assert complete > (step - 1) * batch // images
        assert every.is_due(f"{complete},{complete + 1}", step, images, batch)
    for rule in ("epoch", "1,5,10", "7", "100 steps"):
        due = [step for step in range(1, steps + 1) if every.is_due(rule, step, images, batch)]
        assert every.times(rule, steps, images, batch) == len(due)
    assert every.times("none", steps, images, batch) == 0


@pytest.mark.parametrize("rule", ["0", "", "1,0", "5,", "epochs", "-3", "1.5", "steps", True, "1e3"])
def test_other_rules_are_refused(rule: Any) -> None:
    with pytest.raises(UsageError, match="`preview_every` is a number of steps, epoch, two or more epochs"):
        every.check(rule)


def test_what_the_documents_ask_for() -> None:
    asked = {name: recipe().training for name, recipe in recipes.names().items()}
    found = {name: training.preview_every for name, training in asked.items() if every.is_on(training.preview_every)}
    assert found == {"cs180-flow": "1,5,10", "abarankab-cifar10": 1000, "cs231n-emoji": 1000}
    assert (asked["abarankab-cifar10"].preview_images, asked["cs180-flow"].preview_images) == (10, 40)


def test_a_sampler_that_cannot_draw_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    flags = (*TINY, "--condition", "class", "--condition-dropout", 0, "--schedule", "continuous-cosine")
    said = refused("train", "digits", *flags, "--prediction", "eps", *SHEETS, "--steps", 4, "--out", tmp_path / "run")
    assert "says nothing of the image at pure noise" in said
    assert not (tmp_path / "run").exists()
