"""Copies among images, images that are held out and trained on, and mirrored pairs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from inkwash.data import Images, describe, folder


def images(n: int, seed: int = 0, side: int = 8) -> Images:
    made = torch.Generator().manual_seed(seed)
    return Images("some", "train", torch.randint(0, 256, (n, 1, side, side), dtype=torch.uint8, generator=made))


def with_copies(source: Images, *of: int, mirrored: bool = False) -> Images:
    again = source.pixels[list(of)]
    return Images("some", "train", torch.cat([source.pixels, again.flip(-1) if mirrored else again]))


def said(train: Images, test: Images | None = None, held_out: str = "auto") -> list[str]:
    return list(describe(train, images(5, 1) if test is None else test, held_out))[1:]


def test_images_that_differ() -> None:
    assert said(images(50)) == []


def test_copies() -> None:
    assert said(with_copies(images(50), 3)) == ["warning: 1 image is an exact copy of another: image 50 of image 3."]
    (many,) = said(with_copies(images(50), 3, 4, 4))
    assert many == "warning: 3 images are each an exact copy of another: image 50 of image 3."
    (few,) = said(with_copies(images(200), 3))  # under one in a hundred
    assert few.startswith("1 image is an exact copy")


def test_mirrored_pairs() -> None:
    (pair,) = said(with_copies(images(50), 3, mirrored=True))
    assert pair.startswith("warning: 1 image is the mirror image of another: image 50 of image 3; `flip=True`")
    both = torch.cat([images(50).pixels, images(50).pixels.flip(-1)], -1)  # each its own mirror image
    assert said(Images("some", "train", both)) == []


def test_images_that_are_held_out_and_trained_on() -> None:
    train = images(50)
    (shared,) = said(train, train.part(torch.tensor([7])))
    assert shared == "warning: 1 image is both held out and trained on, such as image 0."
    assert said(train, train, "none") == []


def test_points_are_not_compared() -> None:
    pixels = torch.tensor([[0, 255], [255, 0]], dtype=torch.uint8).repeat(30, 1)[:, None, None]
    assert said(Images("points", "train", pixels)) == []


@pytest.mark.parametrize("in_memory_bytes", [0, 1 << 20])
def test_files_are_named(tmp_path: Path, in_memory_bytes: int) -> None:
    for i, image in enumerate(with_copies(images(6), 2).pixels):
        (tmp_path / "cats").mkdir(exist_ok=True)
        Image.fromarray(image[0].numpy()).save(tmp_path / "cats" / f"{i}.png")
    found = folder(tmp_path, in_memory_bytes=in_memory_bytes)
    (line,) = (each for each in describe(found, images(5, 1)) if "copy" in each)
    assert line == "warning: 1 image is an exact copy of another: cats/6.png of cats/2.png."
