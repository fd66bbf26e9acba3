"""Points in the plane lie where their shapes are."""

import pytest
import torch
from torch import Tensor

from inkwash.data import load, to_float
from inkwash.data.toys import checkerboard, eight_gaussians, swiss_roll, two_moons
from inkwash.errors import UsageError

NAMES = ("two-moons", "swiss-roll", "eight-gaussians", "checkerboard")


def points(images) -> Tensor:
    return to_float(images.take(torch.arange(len(images)))).view(-1, 2).double()


@pytest.mark.parametrize("name", NAMES)
def test_a_set_of_points(name: str) -> None:
    train, test = load(name, "train"), load(name, "test")
    assert (len(train), len(test), train.shape) == (20_000, 2_000, (1, 1, 2))
    assert train.fingerprint == load(name, "train").fingerprint != test.fingerprint
    found = points(train)
    assert found.abs().max() < 1  # nothing is cut off at the edge
    assert (found.mean(0) - points(test).mean(0)).abs().max() < 0.05
    with pytest.raises(UsageError, match="train"):
        load(name, "valid")


def test_the_moons_are_half_circles() -> None:
    images = two_moons("train")
    back = points(images) * 1.8 + torch.tensor([0.5, 0.25])
    for label, centre, sign in ((0, (0.0, 0.0), 1), (1, (1.0, 0.5), -1)):
        moon = back[images.labels == label] - torch.tensor(centre)
        assert abs(len(moon) / 20_000 - 0.5) < 0.02
        assert (moon.norm(dim=1) - 1).abs().mean() < 0.07  # noise of 0.063
        assert (sign * moon[:, 1] > -0.3).all()


def test_the_roll_is_a_spiral() -> None:
    found = points(swiss_roll("train")) * 5.2 * torch.pi
    radius, angle = found.norm(dim=1), torch.atan2(found[:, 1], found[:, 0])
    turns = (radius - angle) / (2 * torch.pi)
    assert (turns - turns.round()).abs().mean() < 0.06
    assert set(turns.round().int().tolist()) <= {0, 1, 2}


def test_each_gaussian_has_its_place() -> None:
    images = eight_gaussians("train")
    for label in range(8):
        cluster = points(images)[images.labels == label]
        angle = torch.tensor(2 * torch.pi * label / 8, dtype=torch.float64)
        centre = 0.75 * torch.stack([angle.cos(), angle.sin()])
        assert (cluster.mean(0) - centre).abs().max() < 0.006
        assert (cluster.std(0) - 0.05).abs().max() < 0.003


def test_the_squares_are_those_of_one_colour() -> None:
    column, row = ((points(checkerboard("train")) / 0.9 + 1) * 2).clamp(0, 3.999).T
    inside = ((column % 1 - 0.5).abs() < 0.47) & ((row % 1 - 0.5).abs() < 0.47)  # rounding moves points at the edges
    assert ((column.floor() - row.floor()) % 2 == 0)[inside].all()
    counts = torch.bincount((4 * column.floor() + row.floor()).long(), minlength=16).double()
    assert (counts[counts > 500] / 20_000 - 1 / 8).abs().max() < 0.01
    assert (counts > 500).sum() == 8
