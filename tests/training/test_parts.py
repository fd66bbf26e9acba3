"""Parts of a batch by threads: the sums of a single thread, whatever the number of threads."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from cli_runner import TINY, did
from inkwash import networks, recipes
from inkwash.runs import machine
from inkwash.training.parts import PARTS, Parts, divided, one_thread


def gradient_of(threads: int, images: int = 10) -> list[torch.Tensor]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.SiLU(), nn.Conv2d(8, 1, 3, padding=1))
    x = torch.randn(images, 1, 16, 16)
    with Parts(threads) as parts:
        total = parts.backward(net, lambda which: (net(x[which]) - x[which]).square().sum() / images, slice(0, images))
    return [total, *(parameter.grad.clone() for parameter in net.parameters() if parameter.grad is not None)]


def test_threads_change_no_bit_and_parts_add_up_to_the_batch() -> None:
    one, two, four = (gradient_of(threads) for threads in (1, 2, 4))
    assert all(torch.equal(a, b) and torch.equal(a, c) for a, b, c in zip(one, two, four, strict=True))
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.SiLU(), nn.Conv2d(8, 1, 3, padding=1))
    x = torch.randn(10, 1, 16, 16)
    whole = (net(x) - x).square().sum() / 10
    whole.backward()
    for found, expected in zip(one, [whole, *(parameter.grad for parameter in net.parameters())], strict=True):
        assert expected is not None
        torch.testing.assert_close(found, expected.detach(), rtol=1e-4, atol=1e-5)


def test_a_batch_is_divided_once_and_wholly() -> None:
    assert divided(slice(3, 13), PARTS) == [slice(3, 6), slice(6, 9), slice(9, 12), slice(12, 13)]
    assert divided(slice(0, 2), PARTS) == [slice(0, 1), slice(1, 2)]


def test_the_number_of_threads_is_as_it_was() -> None:
    before = torch.get_num_threads()
    with Parts(3) as parts:
        assert torch.get_num_threads() == before
        assert parts.map(lambda _: torch.get_num_threads(), range(6)) == [1] * 6
        with pytest.raises(ZeroDivisionError):
            parts.map(lambda n: 1 // n, [1, 0])
        with one_thread():
            assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("options", [(), ("--accumulate", 3, "--optimizer", "muon")])
def test_a_training_has_the_same_bits_with_any_number_of_threads(
    tmp_path: Path, options: tuple[object, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "WORTH", 0)
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            did("train", "digits", *TINY, *options, "--batch-size", 30, "--steps", 3, "--out", tmp_path / str(threads))
    finally:
        torch.set_num_threads(before)
    one, two, three = (load_file(tmp_path / str(threads) / "last.safetensors") for threads in (1, 2, 3))
    assert all(torch.equal(one[name], two[name]) and torch.equal(one[name], three[name]) for name in one)


def test_what_cannot_be_divided_is_not() -> None:
    cpu, run = torch.device("cpu"), recipes.find("mnist")
    net = run.network.build(networks.Inputs(1, 28, 28))
    assert machine.divisible(run, net, 28, 28, cpu)
    assert not machine.divisible(run, net, 8, 8, cpu)
    assert not machine.divisible(run, net, 28, 28, torch.device("cuda"))
    assert not machine.divisible(run, nn.Sequential(net, nn.Dropout(0.1)), 28, 28, cpu)
    for changed in ({"recompute": True}, {"compile": "yes"}, {"weight": "mine.py:Weight"}):
        assert not machine.divisible(replace(run, training=replace(run.training, **changed)), net, 28, 28, cpu)
    assert not recipes.find("cs180-flow").network.per_image  # it has batch norms
