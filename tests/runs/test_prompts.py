"""Several prompts in one request, prompts from a file, and strips from noise to image."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli_runner import did, refused
from inkwash.runs.draw import draw
from inkwash.runs.model import open_model
from inkwash.runs.sheets import laid_out
from inkwash.settings import Sampling, texts
from inkwash.view import read_provenance

STEPS = ("--steps", 3)


def images(path: Path) -> np.ndarray:
    with np.load(path, allow_pickle=False) as archive:
        return archive["images"]


def test_images_take_the_prompts_in_turn(by_text: Path, tmp_path: Path) -> None:
    """Image i is the image i of its own prompt alone: what else is asked for in a request changes nothing."""
    prompts, drawn = ("a dark square", "a bright square", "a dark square"), {}
    did("sample", by_text, *STEPS, "-n", 7, *(x for p in prompts for x in ("--text", p)), "--out", tmp_path / "all.npz")
    for prompt in set(prompts):
        did("sample", by_text, *STEPS, "-n", 7, "--prompt", prompt, "--out", tmp_path / "one.npz")
        drawn[prompt] = images(tmp_path / "one.npz")
    assert not np.array_equal(*drawn.values())
    found = images(tmp_path / "all.npz")
    for i in range(7):
        assert np.array_equal(found[i], drawn[prompts[i % 3]][i]), i


def test_a_sheet_has_a_labelled_row_for_each(by_text: Path, tmp_path: Path) -> None:
    model, sampling = open_model(by_text), Sampling(n=8, text=("one", "two", "three"), steps=2)
    drawn = np.arange(8, dtype=np.uint8)[:, None, None, None] * np.ones((1, *model.shape[1:], 1), np.uint8)
    sheet, columns, labels = laid_out(drawn, model, sampling, None)
    assert (columns, labels) == (3, ["one", "two", "three"])
    assert sheet[:, 0, 0, 0].reshape(3, 3)[:, :2].tolist() == [[0, 3], [1, 4], [2, 5]]
    did("sample", by_text, *STEPS, "-n", 4, "--text", "a", "--text", "b", "--out", tmp_path / "sheet.png")
    assert read_provenance(tmp_path / "sheet.png")["sampling"]["text"] == ["a", "b"]
    did("replay", tmp_path / "sheet.png", "--run", by_text, "--out", tmp_path / "again.png")


def test_prompts_of_a_file(by_text: Path, tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("\ufeffa dark square\n\n  a bright square \n", encoding="utf-8")
    did("sample", by_text, *STEPS, "-n", 4, "--prompts", file, "--out", tmp_path / "file.npz")
    did(
        "sample", by_text, *STEPS, "-n", 4, "--text", "a dark square", "--text", "a bright square",
        "--out", tmp_path / "flags.npz",
    )  # fmt: skip
    assert np.array_equal(images(tmp_path / "file.npz"), images(tmp_path / "flags.npz"))
    file.write_text(" \n", encoding="utf-8")
    assert "holds no prompt; write one on each line" in refused("sample", by_text, "--prompts", file)
    assert "cannot be read" in refused("sample", by_text, "--prompts", tmp_path / "none.txt")


def test_older_requests_hold_one_text_or_none() -> None:
    assert Sampling(text="a fox").text == Sampling(text=["a fox"]).text == ("a fox",)  # type: ignore[arg-type]
    assert Sampling(text=None).text == Sampling().text == texts(None) == ()  # type: ignore[arg-type]
    assert Sampling(text="").text == ("",)  # type: ignore[arg-type]  # the empty caption is one


def test_a_strip_begins_in_noise_and_ends_in_the_image(trained: Path, tmp_path: Path) -> None:
    sheet, drawn = tmp_path / "strip.png", tmp_path / "drawn.npz"
    did("sample", trained, *STEPS, "-n", 3, "--strip", 4, "--out", sheet)
    did("sample", trained, *STEPS, "-n", 3, "--out", drawn)
    model = open_model(trained)
    found = draw(model, Sampling(n=3, steps=3), frames=4, shown=3).moments
    assert len(found) == 4
    assert np.array_equal(found[-1], images(drawn))
    assert found[0].std() > 50
    with Image.open(sheet) as opened:
        width, height = opened.size
    assert width / height == pytest.approx(4 / 3, rel=0.1)
    did("replay", sheet, "--run", trained, "--out", tmp_path / "again.png")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--strip", 1), "--strip is a number of moments from 2 to 50"),
        (("--strip", 4, "--out", "a.gif"), "--strip draws a .png; leave it out for a.gif"),
        (("--strip", 4, "-n", 101), "at most 100 strips"),
        (("--text", "a", "--text", "b"), "was trained without a condition, so --text has no effect"),
    ],
)
def test_refusals(trained: Path, args: tuple[object, ...], words: str) -> None:
    assert words in refused("sample", trained, *args)
