from __future__ import annotations

import threading
from itertools import islice

import pytest
import torch
from torch import Tensor

from inkwash.data import Batch, Batches, Images, to_float
from inkwash.errors import InkwashError, UsageError

PIXELS = torch.arange(11 * 3 * 4 * 4).view(11, 3, 4, 4).to(torch.uint8)
SOME = Images("some", "train", PIXELS, torch.arange(11) % 3, ("a", "b", "c"))


class Elsewhere:
    """The same images, as a source that is not in memory."""

    name, split, shape, classes, fingerprint = "some", "train", SOME.shape, SOME.classes, ""
    labels, kinds = SOME.labels, None

    def __init__(self, fail_at: int | None = None) -> None:
        self.taken = 0
        self.fail_at = fail_at

    def __len__(self) -> int:
        return len(SOME)

    def take(self, indices: Tensor) -> Tensor:
        if self.taken == self.fail_at:
            raise InkwashError("broken.png cannot be read")
        self.taken += 1
        return SOME.take(indices)


def same(one: Batch, other: Batch) -> bool:
    assert one.labels is not None
    assert other.labels is not None
    return (
        torch.equal(one.images, other.images)
        and torch.equal(one.labels, other.labels)
        and torch.equal(one.indices, other.indices)
    )


def decoders() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("inkwash-decode")]


def test_a_batch_is_what_its_indices_say() -> None:
    batch = Batches(SOME, 4, seed=0).at(2)
    assert batch.images.dtype == torch.float32
    assert torch.equal(batch.images, to_float(PIXELS[batch.indices]))
    assert torch.equal(batch.labels, batch.indices % 3)
    assert Batches(Images("some", "train", PIXELS), 4, seed=0).at(2).labels is None


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("world", [2, 4])
def test_the_number_of_processes_changes_nothing(flip: bool, world: int) -> None:
    whole = Batches(SOME, 8, seed=5, flip=flip)
    shares = [Batches(SOME, 8, seed=5, flip=flip, rank=rank, world=world) for rank in range(world)]
    for step in range(5):
        parts = [share.at(step) for share in shares]
        joined = Batch(*(torch.cat([getattr(p, name) for p in parts]) for name in ("images", "labels", "indices")))
        assert same(joined, whole.at(step))


def test_half_are_flipped_and_the_rest_left() -> None:
    plain, flipped = Batches(SOME, 100, seed=0).at(3), Batches(SOME, 100, seed=0, flip=True).at(3)
    mirrored = (flipped.images == plain.images.flip(-1)).flatten(1).all(1)
    straight = (flipped.images == plain.images).flatten(1).all(1)
    assert (mirrored ^ straight).all()
    assert 30 < mirrored.sum() < 70
    other = Batches(SOME, 100, seed=0, flip=True).at(4)
    assert not torch.equal((other.images == Batches(SOME, 100, seed=0).at(4).images).flatten(1).all(1), straight)


@pytest.mark.parametrize("source", [SOME, Elsewhere()], ids=["in memory", "decoded"])
def test_walking_is_asking_for_each_step(source: Images | Elsewhere) -> None:
    batches = Batches(source, 4, seed=1, flip=True)
    walk = batches.walk(7)
    for step, batch in enumerate(islice(walk, 6), start=7):
        assert same(batch, Batches(SOME, 4, seed=1, flip=True).at(step))
    walk.close()
    assert not decoders()


def test_decoding_runs_ahead_but_not_away() -> None:
    source = Elsewhere()
    walk = Batches(source, 4, seed=0).walk(0)
    next(walk)
    next(walk)
    walk.close()
    assert source.taken <= 4
    assert not decoders()


def test_an_error_in_the_background_arrives_at_its_step_and_ends_the_thread() -> None:
    walk = Batches(Elsewhere(fail_at=3), 4, seed=0).walk(0)
    assert len(list(islice(walk, 3))) == 3
    with pytest.raises(InkwashError, match=r"broken\.png"):
        next(walk)
    assert not decoders()


def test_an_error_of_the_consumer_ends_the_thread() -> None:
    def consume() -> None:
        for _ in Batches(Elsewhere(), 4, seed=0).walk(0):
            raise KeyError

    with pytest.raises(KeyError):
        consume()
    assert not decoders()


@pytest.mark.parametrize(
    ("batch_size", "rank", "world", "said"),
    [
        (0, 0, 1, "batch of 0"),
        (10, 0, 4, r"10 does not divide among 4 process.* multiple of 4"),
        (8, 2, 2, "rank 2 of world 2"),
        (8, -1, 2, "rank -1"),
    ],
)
def test_what_does_not_divide(batch_size: int, rank: int, world: int, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Batches(SOME, batch_size, seed=0, rank=rank, world=world)
