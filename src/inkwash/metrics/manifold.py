"""Separate measures of fidelity and diversity, from k-nearest-neighbour balls: precision, recall, density, coverage."""

from typing import NamedTuple

import torch
from torch import Tensor

BLOCK = 1024  # rows of a distance matrix at a time
TIE = 1e-6  # relative to the largest norm; above rounding errors, so that ties are ties on every machine


class Manifold(NamedTuple):
    """Shares of images in [0, 1], except density, which may exceed 1. All are high for similar sets."""

    precision: float  # share of generated images near a real one: fidelity
    recall: float  # share of real images near a generated one: diversity
    density: float  # as precision, but counts the real images nearby, which makes it robust to outliers
    coverage: float  # share of real images whose own neighbourhood contains a generated one


def manifold(real: Tensor, fake: Tensor, k: int = 3) -> Manifold:
    """Precision and recall (Kynkäänniemi et al. 2019, eq. 2), density and coverage (Naeem et al. 2020, eq. 3 and 5).

    A point is near another if its distance is at most that of the other's k-th neighbour in its own set. The papers
    use k = 3 for the first two and k = 5 for the others; here one k is used for all. Shapes [N,D], [M,D], each with
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
    """The distance of each point [N,D] to its k-th neighbour plus a tolerance, [N]; the point itself is the 0-th."""
    near = [torch.cdist(part, points).kthvalue(k + 1, dim=1).values for part in torch.split(points, BLOCK)]
    hair = TIE * float(points.square().sum(1).max().sqrt())
    return torch.cat(near) + hair
