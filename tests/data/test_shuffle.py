from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inkwash.core import mix
from inkwash.data import indices
from inkwash.data.shuffle import members, permutation
from inkwash.errors import UsageError


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(), batch=st.integers(1, 40), n=st.integers(1, 25), epochs=st.integers(1, 3))
def test_every_epoch_shows_each_image_once(seed: int, batch: int, n: int, epochs: int) -> None:
    steps = -(-epochs * n // batch)
    tape = torch.cat([indices(seed, step, batch, n) for step in range(steps)])[: epochs * n]
    assert torch.equal(tape.view(epochs, n).sort().values, torch.arange(n).expand(epochs, n))


def test_a_step_is_the_same_whoever_asks_and_when() -> None:
    first = [indices(3, step, 7, 20) for step in range(50)]
    for step in (49, 0, 17):
        got = indices(3, step, 7, 20)
        assert got.dtype == torch.int64
        assert torch.equal(got, first[step])
        got.zero_()  # the caller's own: what is cached stays whole
        assert torch.equal(indices(3, step, 7, 20), first[step])


def test_the_batch_size_only_cuts_the_tape() -> None:
    assert torch.equal(
        torch.cat([indices(1, s, 6, 10) for s in range(10)]),
        torch.cat([indices(1, s, 4, 10) for s in range(15)]),
    )


def test_epochs_and_seeds_differ() -> None:
    orders = {tuple(permutation(seed, epoch, 50).tolist()) for seed in range(10) for epoch in range(10)}
    assert len(orders) == 100


def test_all_of_the_seed_counts_although_torch_reads_its_low_half() -> None:
    low = {mix(seed << 40, epoch) & 0xFFFFFFFF for seed in range(100) for epoch in range(100)}
    assert len(low) > 9_990  # of 10,000 draws from 2³², 0.01 collide on average
    assert not torch.equal(permutation(1, 0, 50), permutation(1 + (1 << 32), 0, 50))
    assert len({mix(), mix(0), mix(0, 0), mix(0, 1), mix(1, 0), mix(-1)}) == 6
    assert all(0 <= mix(number) < 1 << 63 for number in range(-1000, 1000))


def test_numbers_that_runs_depend_on_never_change() -> None:
    assert mix(0) == 0xE220A8397B1DCDAF >> 1  # splitmix64's first output from state 0
    assert permutation(0, 0, 10).tolist() == [7, 8, 4, 0, 6, 3, 9, 1, 5, 2]


@pytest.mark.parametrize(("step", "batch", "n"), [(-1, 4, 10), (0, 0, 10), (0, 4, 0)])
def test_what_cannot_be_a_batch(step: int, batch: int, n: int) -> None:
    with pytest.raises(UsageError, match=f"n={n}, batch_size={batch}, step={step}"):
        indices(0, step, batch, n)


@settings(max_examples=50, deadline=None)
@given(
    kinds=st.lists(st.integers(-3, 5), min_size=1, max_size=30),
    seed=st.integers(0, 2**40),
    batch=st.integers(1, 40),
    epochs=st.integers(1, 5),
)
def test_every_epoch_shows_each_kind_once_and_its_images_in_turn(
    kinds: list[int], seed: int, batch: int, epochs: int
) -> None:
    of = torch.tensor(kinds)
    count = len(of.unique())
    steps = math.ceil(epochs * count / batch)
    tape = torch.cat([members(of, seed, step, batch) for step in range(steps)])
    for epoch in range(epochs):
        assert sorted(of[tape[epoch * count : (epoch + 1) * count]].tolist()) == sorted(set(kinds))
    seen = tape[: epochs * count].bincount(minlength=len(of))
    for kind in set(kinds):
        shown = seen[of == kind]
        assert shown.sum() == epochs
        assert shown.max() - shown.min() <= 1


def test_images_that_all_differ_in_kind_come_as_they_do_without_kinds() -> None:
    for step in range(5):
        assert torch.equal(members(torch.arange(13), 7, step, 8), indices(7, step, 8, 13))
