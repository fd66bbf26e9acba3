"""Holding out by class: the division of before wherever every class keeps an image, and never a class's last."""

from __future__ import annotations

import pytest
import torch

from inkwash.data import Images, hold_out, permutation
from inkwash.data.hold_out import divide, read_held_out
from inkwash.errors import UsageError


def images(labels: list[int] | None, n: int = 0) -> Images:
    n = n or len(labels or ())
    pixels = torch.arange(n)[:, None, None, None].expand(n, 1, 1, 1).to(torch.uint8)
    classes = tuple(f"class {i}" for i in range(max(labels) + 1)) if labels else ()
    return Images("some", "train", pixels, torch.tensor(labels) if labels else None, classes)


def held(source: Images, *arguments: float) -> list[int]:
    train, test = hold_out(source, *arguments)
    assert sorted([*train.pixels.flatten().tolist(), *test.pixels.flatten().tolist()]) == list(range(len(source)))
    return test.pixels.flatten().tolist()


@pytest.mark.parametrize("labels", [None, [i % 3 for i in range(200)]])
@pytest.mark.parametrize("fraction", [0.05, 0.3])
def test_the_division_of_large_classes_is_the_first_of_a_permutation(labels: list[int] | None, fraction: float) -> None:
    expected = permutation(0, 0, 200)[: round(200 * fraction)].sort().values.tolist()
    assert held(images(labels, 200), fraction) == expected


@pytest.mark.parametrize("fraction", [0.05, 0.5, 0.9])
def test_every_class_keeps_an_image(fraction: float) -> None:
    """Classes of 1, 2, 3, ... images: as many are held out as asked for, where there are as many to spare."""
    labels = [label for label in range(14) for _ in range(label + 1)]
    train, test = hold_out(images(labels), fraction, 1000)
    assert set(train.labels.tolist()) == set(range(14))
    assert len(test) == min(round(fraction * len(labels)), len(labels) - 14)
    assert 0 not in test.labels.tolist()


def test_only_the_last_of_a_class_makes_room_for_another() -> None:
    rare = images([0] * 99 + [1])
    order = permutation(0, 0, 100).tolist()
    place = order.index(99)
    assert place not in held(rare, (place + 1) / 100)
    assert held(rare, (place + 1) / 100, 100) == sorted([*order[:place], order[place + 1]])


def test_classes_of_one_image_each() -> None:
    with pytest.raises(UsageError, match=r"None of the 60 images of some .* only one of its class.*`held_out='none'`"):
        hold_out(images(list(range(60))))
    train, test = divide(images(list(range(60))), "none")
    assert (len(train), train.split, len(test), test.split) == (60, "train", 60, "test")


def test_one_image() -> None:
    with pytest.raises(UsageError, match=r"1 of the 1 image.* folders train/ and test/; or give `held_out='none'`"):
        divide(images(None, 1), "auto")


@pytest.mark.parametrize(
    ("words", "amount"),
    [("auto", 0.05), ("none", None), ("1", 1), ("100", 100), ("0.5", 0.5), ("5%", 0.05), ("1e-3", 0.001)],
)
def test_words_for_how_many(words: str, amount: float | None) -> None:
    assert read_held_out(words) == amount


@pytest.mark.parametrize("words", ["", "0", "-1", "1.5", "100%", "nan", "inf", "all", "None", "1" * 5000, "²"])
def test_words_that_say_nothing(words: str) -> None:
    with pytest.raises(UsageError, match=r"such as 100, a share of them such as 0.1, or none"):
        read_held_out(words)


def test_more_than_a_thousand_can_be_asked_for() -> None:
    everything = images(None, 5000)
    assert [len(divide(everything, words)[1]) for words in ("auto", "2000", "0.5")] == [250, 2000, 2500]
