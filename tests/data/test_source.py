from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from inkwash.data import Images, hold_out, to_float, to_uint8
from inkwash.errors import UsageError


def images(n: int = 10, channels: int = 1, height: int = 4, width: int = 4) -> Images:
    pixels = torch.arange(n * channels * height * width).view(n, channels, height, width) % 256
    return Images("some", "train", pixels.to(torch.uint8), torch.arange(n) % 3, ("a", "b", "c"))


def test_all_256_values_survive_the_round_trip() -> None:
    values = torch.arange(256, dtype=torch.uint8)
    floats = to_float(values)
    assert floats.dtype == torch.float32
    assert (floats.min(), floats.max()) == (-1, 1)
    assert torch.equal(to_uint8(floats), values)
    assert torch.equal(to_uint8(floats.double()), values)


def test_values_outside_are_clamped() -> None:
    assert to_uint8(torch.tensor([-7.0, -1.001, 1.001, 9.0])).tolist() == [0, 0, 255, 255]


def test_take_and_part() -> None:
    some = images()
    chosen = torch.tensor([7, 0, 7])
    assert torch.equal(some.take(chosen), some.pixels[[7, 0, 7]])
    part = some.part(chosen, "test")
    assert (len(part), part.split, part.shape) == (3, "test", (1, 4, 4))
    assert torch.equal(part.pixels, some.take(chosen))
    assert part.labels is not None
    assert part.labels.tolist() == [1, 0, 1]
    assert some.part(chosen).split == "train"
    kinds = torch.arange(len(some)) // 2
    kept = replace(some, kinds=kinds).part(chosen).kinds
    assert kept is not None
    assert torch.equal(kept, kinds[chosen])
    with pytest.raises(UsageError, match=r"int64 tensor \[\d+\] of kinds, or None; got torch.int64 \[1\]"):
        replace(some, kinds=kinds[:1])


def test_padding_is_black_and_the_middle_stays() -> None:
    some = images(height=5, width=4)
    padded = some.pad(8)
    assert padded.shape == (1, 8, 8)
    assert torch.equal(padded.pixels[:, :, 1:6, 2:6], some.pixels)
    assert padded.pixels.sum() == some.pixels.sum()
    with pytest.raises(UsageError, match="cannot be padded to 4×4; give a size of 5 or more"):
        some.pad(4)


def test_the_fingerprint_is_of_the_contents() -> None:
    some = images()
    changed = some.pixels.clone()
    changed[3, 0, 1, 1] += 1
    others = [
        Images("some", "train", changed, some.labels, some.classes),
        Images("some", "train", some.pixels.view(10, 1, 2, 8), some.labels, some.classes),
        Images("some", "train", some.pixels),
        some.part(torch.arange(9)),
    ]
    assert len({source.fingerprint for source in [some, *others]}) == 5
    assert images().fingerprint == some.fingerprint
    assert some.part(torch.arange(10), "test").fingerprint == some.fingerprint
    assert some.pad(4).to("cpu").fingerprint == some.fingerprint


def test_holding_out_divides_without_loss() -> None:
    some = images(200)
    train, test = hold_out(some, fraction=0.1)
    assert (len(train), len(test), train.split, test.split) == (180, 20, "train", "test")
    both = torch.cat([train.pixels, test.pixels]).flatten(1)
    assert torch.equal(both.unique(dim=0), some.pixels.flatten(1).unique(dim=0))
    again = hold_out(some, fraction=0.1)[1]
    assert torch.equal(again.pixels, test.pixels)
    assert not torch.equal(hold_out(some, fraction=0.1, seed=1)[1].pixels, test.pixels)


@pytest.mark.parametrize(("n", "held"), [(4, 1), (30, 2), (200, 10), (400, 15)])
def test_how_many_are_held_out(n: int, held: int) -> None:
    assert len(hold_out(images(n), at_most=15)[1]) == held


def test_nothing_can_be_held_out_of_one() -> None:
    with pytest.raises(UsageError, match=r"1 of the 1 image\(s\) of some"):
        hold_out(images(1))


@pytest.mark.parametrize(
    ("pixels", "labels", "said"),
    [
        (torch.zeros(2, 1, 4, 4), None, r"uint8 tensor \[N,C,H,W\] .* got torch.float32"),
        (torch.zeros(2, 4, 4, dtype=torch.uint8), None, r"got torch.uint8 \[2, 4, 4\]"),
        (torch.zeros(0, 1, 4, 4, dtype=torch.uint8), None, "not empty"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64), r"2 images .* \[3\]"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.zeros(2), r"int64 .* got torch.float32"),
        (torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.tensor([0, 1]), r"0\.\.0; got 0\.\.1"),
    ],
)
def test_tensors_that_do_not_fit(pixels: torch.Tensor, labels: torch.Tensor | None, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Images("some", "train", pixels, labels, ("only",))


def test_only_two_splits() -> None:
    with pytest.raises(UsageError, match="'train' or 'test'; got 'val'"):
        Images("some", "val", torch.zeros(2, 1, 4, 4, dtype=torch.uint8))
