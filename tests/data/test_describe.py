"""What is said of a set of images before it is trained on."""

from __future__ import annotations

import torch

from inkwash.data import Images, describe, digits


def noise(n: int, low: int, high: int, labels: list[int] | None = None, classes: tuple[str, ...] = ()) -> Images:
    pixels = torch.randint(low, high, (n, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Images("some", "train", pixels, None if labels is None else torch.tensor(labels), classes)


def warnings(source: Images) -> list[str]:
    return [line for line in describe(source, source, "none") if line.startswith("warning")]


def test_counts() -> None:
    lines = describe(digits("train"), digits("test"))
    counts = torch.bincount(digits("train").labels).tolist()
    each = ", ".join(f"{i} {count}" for i, count in enumerate(counts))
    assert lines == (f"1,500 images to train on, 297 held out; of 10 classes ({each}).",)
    assert describe(noise(3, 0, 256), noise(1, 0, 256))[0] == "3 images to train on, 1 held out."
    assert "none held out" in describe(noise(3, 0, 256), noise(3, 0, 256), "none")[0]
    many = noise(26, 0, 256, [i // 2 for i in range(26)], tuple(map(str, range(13))))
    assert describe(many, many)[0] == "26 images to train on, 26 held out; of 13 classes with 2 to 2 each."


def test_classes_without_images_are_told() -> None:
    source = noise(4, 0, 256, [0, 2, 2, 0], ("a", "b\x1b[31m", "c", "d"))
    (said,) = warnings(source)
    assert said.endswith("2 of the 4 classes have no image to train on, and cannot be asked for: b\\x1b[31m, d.")


def test_images_of_nearly_one_value() -> None:
    assert warnings(noise(20, 0, 256)) == []
    assert warnings(noise(20, 100, 140)) == []
    (dark,) = warnings(noise(20, 0, 16))
    assert "nearly one value (mean 7." in dark
    assert ", 0 to 15)" in dark
    white = Images("some", "train", torch.full((5, 3, 4, 4), 255, dtype=torch.uint8))
    assert "mean 255.0 of 255, standard deviation 0.0, 255 to 255" in warnings(white)[0]


def test_images_that_are_all_alike() -> None:
    one = noise(1, 0, 256).pixels
    (said,) = warnings(Images("some", "train", one.expand(30, 1, 8, 8).clone()))
    assert "the images are all alike: a pixel differs by 0.00 of 255" in said
    assert warnings(Images("some", "train", one)) == []


def test_many_blank_images() -> None:
    pixels = noise(20, 0, 256).pixels.clone()
    pixels[:4] = torch.arange(250, 254)[:, None, None, None]
    assert warnings(Images("some", "train", pixels)) == []
    pixels[4] = 0
    (said,) = warnings(Images("some", "train", pixels))
    assert "5 of 20 images looked at are one value everywhere" in said
