"""Fidelity and diversity apart: which images lie near the other set, by the balls of k-nearest neighbours."""

from typing import NamedTuple

import torch
from torch import Tensor

BLOCK = 1024  # rows of a distance matrix at a time
TIE = 1e-6  # of the largest norm: above the rounding of a distance, so that equal ones are equal on every machine


class Manifold(NamedTuple):
    """Shares of images in [0, 1], except density, which may exceed 1. For sets that are alike all are high."""

    precision: float  # of the generated, those near a real one: fidelity
    recall: float  # of the real, those near a generated one: diversity
    density: float  # as precision, but by how many real ones, so that one outlier counts for little
    coverage: float  # of the real, those whose own neighbourhood holds a generated one


def manifold(real: Tensor, fake: Tensor, k: int = 3) -> Manifold:
    """Precision and recall (Kynkäänniemi et al. 2019, eq. 2), density and coverage (Naeem et al. 2020, eq. 3 and 5).

    A point is near another where it lies no farther than that one's k-th neighbour in its own set. The papers
    take k = 3 for the first two and 5 for the others; here it is one k for all. Shapes [N,D], [M,D], each of
    more than k images.
    """
    around_real, around_fake = radii(real, k), radii(fake, k)
    hits, covered, recalled = 0, 0, 0
    near_fake = torch.zeros(len(fake), dtype=torch.bool, device=fake.device)
    for part, radius in zip(torch.split(real, BLOCK), torch.split(around_real, BLOCK), strict=True):
        apart = torch.cdist(part, fake)
        near = apart <= radius[:, None]  # [b,M]: the fake is in the ball of the real
        near_fake |= near.any(0)
        hits += int(near.sum())
        covered += int(near.any(1).sum())
        recalled += int((apart <= around_fake).any(1).sum())
    return Manifold(
        precision=near_fake.double().mean().item(),
        recall=recalled / len(real),
        density=hits / (k * len(fake)),
        coverage=covered / len(real),
    )


def radii(points: Tensor, k: int) -> Tensor:
    """The distance of each of points [N,D] to its k-th neighbour, [N], and a hair more. It is itself the 0-th."""
    near = [torch.cdist(part, points).kthvalue(k + 1, dim=1).values for part in torch.split(points, BLOCK)]
    hair = TIE * float(points.square().sum(1).max().sqrt())
    return torch.cat(near) + hair
