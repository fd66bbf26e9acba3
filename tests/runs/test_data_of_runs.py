"""What a run says and remembers of its images: counts, classes without images, where they were and are."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli_runner import TINY, did, refused
from inkwash.runs.model import images, open_model
from inkwash.runs.record import whereabouts
from inkwash.training.checkpoint import LAST, facts

RNG = np.random.default_rng(0)
SMALL = (*TINY, "--mults", 1, "--attention", 0, "--patch", 2, "--warmup", 0, "--steps", 2)


def draw(folder: Path, n: int) -> None:
    folder.mkdir(parents=True)
    for i in range(n):
        Image.fromarray(RNG.integers(0, 256, (8, 8), dtype=np.uint8)).save(folder / f"{i}.png")


@pytest.fixture(scope="module")
def extra(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """train/ with classes a and b, test/ with a, b and c; and a run of them."""
    root = tmp_path_factory.mktemp("extra")
    for name in ("train/a", "train/b", "test/a", "test/b", "test/c"):
        draw(root / "some" / name, 5)
    (root / "some" / "train" / "b" / "notes.txt").write_text("no image")
    flags = ("--condition", "class", "--unreadable", "skip")
    did("train", root / "some", *SMALL, *flags, "--out", root / "run")
    return root / "some", root / "run"


SAID = (
    "10 images to train on, 15 held out; of 3 classes (a 5, b 5, c 0).",
    "Left out: 1 file(s) (train/b/notes.txt): not an image that Pillow reads.",
    "train/ is trained on, test/ is held out; --splits none would take folders as classes.",
    "warning: 1 of the 3 classes have no image to train on, and cannot be asked for: c.",
)


def test_what_is_said_at_the_start_and_by_info(extra: tuple[Path, Path], tmp_path: Path) -> None:
    folder, run = extra
    flags = ("--condition", "class", "--unreadable", "skip")
    begun = did("train", folder, *SMALL, *flags, "--out", tmp_path / "run").err.splitlines()
    told = did("info", run).out.splitlines()
    for line in SAID:
        assert line in begun
        assert f"images       {line}" in told


def test_a_class_without_images_cannot_be_asked_for(extra: tuple[Path, Path], tmp_path: Path) -> None:
    _, run = extra
    sheet = ("--steps", 2, "--scale", 1, "--out", tmp_path / "a.png")
    for label in ("c", "2", "class:c", "number:2"):
        words = "no image of class c was trained on, so it cannot be asked for; ask for one of a, b."
        assert words in refused("sample", run, "--label", label, *sheet)
    did("sample", run, "--label", "all", "-n", 4, *sheet)
    asked = open_model(run).condition
    assert asked is not None
    from inkwash.settings import Sampling

    assert asked.requested(Sampling(label="all"))(range(4)).tolist() == [0, 1, 0, 1]


def test_runs_of_before_have_no_counts(extra: tuple[Path, Path]) -> None:
    from inkwash.runs.conditions import condition

    run = open_model(extra[1]).run
    kind = condition(run, ["a", "b", "c"])
    assert kind is not None
    assert kind.learned == (0, 1, 2)


def test_images_and_runs_that_moved(tmp_path: Path) -> None:
    """A copy elsewhere, with other dates, is the same images; other images are not."""
    old, new, other = (tmp_path / name / "photos" for name in ("old", "new", "other"))
    for folder in (old, other):
        draw(folder, 12)
    did("train", old, *SMALL, "--out", tmp_path / "run")
    shutil.copytree(old, new, copy_function=shutil.copyfile)
    shutil.rmtree(old)
    run = (tmp_path / "run").rename(tmp_path / "moved")
    model = open_model(run)
    for split, count in (("train", 11), ("test", 1)):
        assert len(images(model, split, new)) == count
    assert "was trained on other images" in refused("train", other, *SMALL, "--resume", "--steps", 4, "--out", run)
    did("train", new, *SMALL, "--resume", "--steps", 4, "--out", run)
    assert facts(run / LAST)["step"] == 4
    assert facts(run / LAST)["run"]["data"]["source"] == str(new)
    with pytest.raises(Exception, match=r"other images than .*other/photos holds now; .*say with `data_dir` where"):
        images(model, "train", other)


def test_a_run_remembers_where_its_data_came_from(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INKWASH_DATA", str(data_dir))
    did("train", "digits", *TINY, "--steps", 1, "--out", tmp_path / "run")
    about = facts(tmp_path / "run" / LAST)
    assert whereabouts(about) is None  # the variable says it
    monkeypatch.delenv("INKWASH_DATA")
    assert whereabouts(about) == data_dir
    assert whereabouts({**about, "data_dir": str(tmp_path)}) == tmp_path
    assert whereabouts({**about, "data": {"place": str(tmp_path / "nowhere")}}) is None


def test_all_images_can_be_trained_on(tmp_path: Path) -> None:
    draw(tmp_path / "one", 1)
    assert "--held-out none" in refused("train", tmp_path / "one", *SMALL, "--out", tmp_path / "run")
    done = did("train", tmp_path / "one", *SMALL, "--held-out", "none", "--out", tmp_path / "run")
    assert "1 image to train on, none held out: held-out losses are of these." in done.err


@pytest.mark.parametrize("flag", [("--held-out", "5"), ("--splits", "none"), ("--background", "black")])
def test_flags_of_folders_with_known_sets(flag: tuple[str, str], tmp_path: Path) -> None:
    words = refused("train", "digits", *SMALL, *flag, "--out", tmp_path / "run")
    assert f"{flag[0]} is for folders of images, and digits is none" in words
