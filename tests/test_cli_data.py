"""inkwash data: what a training would use, before it begins."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli_runner import TINY, did, refused
from inkwash import recipes
from inkwash.view import read_provenance


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for i in range(12):
        place = tmp_path / "pets" / ("cats" if i < 8 else "dogs")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8 + i, 9, 3), dtype=np.uint8)).save(place / f"{i}.png")
    (tmp_path / "pets" / "dogs" / "notes.png").write_text("no image")
    return tmp_path / "pets"


def test_what_training_says_is_what_data_says(pets: Path, tmp_path: Path) -> None:
    flags = ("--size", 8, "--unreadable", "skip", "--held-out", 2)
    told = did("data", pets, *flags).out.splitlines()
    assert told[0] == "pets: images of 8×8×3, 0.0023 MB of pixels, in memory."
    assert told[1] == "10 images to train on, 2 held out; of 2 classes (cats 8, dogs 2)."
    assert "Left out: 1 file(s) (dogs/notes.png): not an image that Pillow reads." in told
    assert "The files have 9×8 to 9×19 pixels, and are scaled and cut to 8×8." in told
    assert told[-3:] == [
        "number  class  train  held out",
        "     0  cats       8         0",
        "     1  dogs       2         2",
    ]
    trained = did("train", pets, *flags, *TINY, "--steps", 1, "--out", tmp_path / "run").err
    assert [line for line in told[1:-3] if line not in trained] == []
    assert did("data", tmp_path / "run").out.splitlines() == told


def test_it_refuses_as_training_does(pets: Path, tmp_path: Path) -> None:
    args = (pets, "--unreadable", "skip")
    assert refused("data", *args) == refused("train", *args, "--out", tmp_path / "run")
    assert "needs images" in refused("data")
    assert "Nor is there" in refused("data", tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "run"), [("v1.2.npz", "v1.2"), ("a.tar.gz", "a"), ("a.zip", "a"), ("my.pets", "my.pets")]
)
def test_the_name_of_a_run(tmp_path: Path, name: str, run: str) -> None:
    (tmp_path / name).write_bytes(b"") if name != "my.pets" else (tmp_path / name).mkdir()
    assert recipes.run_name(str(tmp_path / name)) == run


def test_a_sheet(tmp_path: Path, pets: Path) -> None:
    out = tmp_path / "sheet.png"
    did("data", "digits", "--sheet", out)
    about = read_provenance(out)
    assert (about["command"], about["data"]["source"]) == ("data", "digits")
    did("data", pets, "--size", 8, "--unreadable", "skip", "--sheet", out)
    assert read_provenance(out)["data"]["source"] == "pets"
    assert "does not say how it was made" in refused("replay", out, "--out", tmp_path / "again.png")
    assert "--sheet a name ending in .png" in refused("data", "digits", "--sheet", tmp_path / "sheet.gif")


def test_sets_recipes_and_points() -> None:
    assert did("data", "toy-2d").out == did("data", "two-moons").out
    assert did("data", "digits", "--size", 10).out.startswith("digits: images of 10×10×1, 0.2 MB of pixels, in memory.")
