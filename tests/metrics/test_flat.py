"""Images of one colour are counted, and said where an image is drawn or scored."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from cli_runner import did
from inkwash.metrics.flat import MANY, RANGE, flat_note, flat_share


def test_flat_images_are_counted() -> None:
    noise = torch.randint(0, 256, (6, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    colours = torch.tensor([10, 200, 90], dtype=torch.uint8).view(1, 3, 1, 1).expand(2, 3, 8, 8)
    assert flat_share(torch.cat([noise, colours])) == 2 / 8  # another value in each channel is one colour


@pytest.mark.parametrize(("difference", "flat"), [(0, True), (RANGE, True), (RANGE + 1, False), (255, False)])
def test_one_pixel_decides(difference: int, flat: bool) -> None:
    image = torch.zeros(1, 1, 4, 4, dtype=torch.uint8)
    image[0, 0, 2, 1] = difference
    assert flat_share(image) == flat


@pytest.mark.parametrize("shape", [(0, 1, 8, 8), (5, 2, 1, 1)])
def test_points_and_no_images_are_not_flat(shape: tuple[int, ...]) -> None:
    assert flat_share(torch.zeros(shape, dtype=torch.uint8)) == 0


def test_flat_images_are_no_news_where_real_ones_are_flat() -> None:
    assert flat_note(MANY) is None
    assert flat_note(0.9, 0.8) is None
    assert "90% of the images drawn are one colour everywhere, 10% of real ones" in (flat_note(0.9, 0.1) or "")


def test_sample_and_evaluate_say_it(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def clamped(x: Tensor, stretch: bool) -> Tensor:
        return torch.full(x.shape, 255, dtype=torch.uint8)

    quiet = did("sample", trained, "-n", 4, "--steps", 1, "--out", tmp_path / "a.png")
    assert "one colour" not in quiet.err
    monkeypatch.setattr("inkwash.runs.draw.pixels", clamped)
    said = did("sample", trained, "-n", 4, "--steps", 1, "--out", tmp_path / "b.png")
    assert "warning: 100% of the images drawn are one colour everywhere." in said.err
    scores = tmp_path / "scores"
    told = did("evaluate", trained, "-n", 16, "--steps", 1, "--jobs", 1, "--features", "pixels", "--out", scores)
    assert "100% of the images drawn are one colour everywhere, 0% of real ones" in told.out
    assert json.loads((scores / "scores.json").read_text())["flat"] == {"images": 1.0, "held_out": 0.0}
