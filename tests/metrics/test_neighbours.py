"""The nearest training images by brute force, and which images count as copies."""

import math

import pytest
import torch
from torch import Tensor

from inkwash.data import load
from inkwash.metrics import neighbours as module
from inkwash.metrics.neighbours import SAME, copied, neighbours


def pictures(n: int, seed: int, shape: tuple[int, int, int] = (3, 5, 4)) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, *shape), generator=generator, dtype=torch.uint8)


TRAINING = pictures(40, 1)


@pytest.mark.parametrize("block", [1, 2, 7, 39, 40, 4096])
def test_they_are_the_nearest_of_all(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In root mean square over numbers from −1 to 1, whatever the blocks they are looked for in."""
    monkeypatch.setattr(module, "BLOCK", block)
    images = torch.cat([pictures(10, 2), TRAINING[[3, 38]]])
    found = neighbours(images, TRAINING)
    for i, image in enumerate(images.double()):
        far = [((image - other) / 127.5).square().mean().sqrt().item() for other in TRAINING.double()]
        first, second = sorted(far)[:2]
        assert far[found.which[i]] == first
        assert found.distance[i].item() == pytest.approx(first, abs=1e-7)
        assert found.second[i].item() == pytest.approx(second, abs=1e-7)
    assert found.which[-2:].tolist() == [3, 38]
    assert found.distance.dtype == found.second.dtype == torch.float64
    assert found.which.dtype == torch.int64


def test_black_and_white_are_2_apart() -> None:
    black = torch.zeros(1, 1, 9, 9, dtype=torch.uint8)
    found = neighbours(black, 255 - black)
    assert found.distance.item() == pytest.approx(2)
    assert found.second.item() == math.inf


def test_one_grey_level_of_one_pixel_is_told_from_none() -> None:
    """Even of an image of 512×512 pixels, which is 768 k numbers; and no difference is told from rounding."""
    for shape in ((1, 8, 8), (3, 512, 512)):
        training = pictures(2, 1, shape)
        other = training[:1].clone()
        other[0, 0, 3, 3] = other[0, 0, 3, 3] ^ 1
        assert neighbours(other, training).distance.item() == pytest.approx(
            1 / 127.5 / math.sqrt(math.prod(shape)), rel=0.01
        )
        assert neighbours(other, training).distance.item() > SAME
        assert neighbours(training, training).distance.max().item() < SAME / 10


def test_copies_are_found_and_nothing_else() -> None:
    new = pictures(30, 2)
    assert copied(neighbours(new, TRAINING)) == 0
    for copies in (TRAINING[:10], TRAINING[:10] ^ 1, (TRAINING[:10].int() * 9 // 10).to(torch.uint8)):
        assert copied(neighbours(copies, TRAINING)) == 1
        assert copied(neighbours(torch.cat([new, copies]), TRAINING)) == 0.25


def test_mirrored_copies_count_where_training_flips_images() -> None:
    """The distance to a training image is that to it or its mirror image, by brute force."""
    images = torch.cat([pictures(6, 2), TRAINING[:10].flip(-1), TRAINING[10:14]])
    assert copied(neighbours(images, TRAINING)) == 4 / 20
    found = neighbours(images, TRAINING, mirrored=True)
    assert copied(found) == 14 / 20
    assert found.which[6:].tolist() == list(range(14))
    for i, image in enumerate(images.double()):
        far = [
            min(((image - view) / 127.5).square().mean().sqrt().item() for view in (other, other.flip(-1)))
            for other in TRAINING.double()
        ]
        first, second = sorted(far)[:2]
        assert found.distance[i].item() == pytest.approx(first, abs=1e-7)
        assert found.second[i].item() == pytest.approx(second, rel=1e-6)


def test_symmetric_images_do_not_hide_copies() -> None:
    """The mirror image of the nearest image is not the second nearest."""
    symmetric = torch.cat([TRAINING, TRAINING.flip(-1)], dim=-1)
    assert copied(neighbours(symmetric[:5] ^ 1, symmetric, mirrored=True)) == 1


@pytest.mark.parametrize("block", [20, 4096])
def test_an_exact_copy_counts_where_training_holds_the_image_twice(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", block)
    found = neighbours(TRAINING[:10], torch.cat([TRAINING, TRAINING]))
    assert found.second.max().item() < SAME
    assert copied(found) == 1
    assert copied(neighbours(pictures(30, 2), torch.cat([TRAINING, TRAINING]))) == 0


def test_the_share_grows_with_the_ratio_and_with_nothing_else() -> None:
    darker = torch.linspace(0, 1, len(TRAINING)).view(-1, 1, 1, 1)
    near = neighbours((TRAINING * darker).to(torch.uint8), TRAINING)
    ratios = near.distance / near.second
    for ratio in (0.2, 1 / 3, 0.5, 0.9):
        assert copied(near, ratio) == (ratios < ratio).double().mean().item()
    assert copied(near, 0.2) < copied(near, 0.5) < copied(near, 1.1) == 1


def test_held_out_digits_are_new_and_training_digits_are_not() -> None:
    train, test = load("digits", "train"), load("digits", "test")
    every = train.take(torch.arange(len(train)))
    assert copied(neighbours(test.take(torch.arange(len(test))), every)) < 0.01
    assert copied(neighbours(every[:100], every)) == 1
