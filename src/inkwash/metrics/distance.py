"""Distances between two sets of features, each float64 [N,D]."""

from functools import cached_property
from typing import final

import torch
from torch import Tensor

BLOCK = 2048  # rows per block of a matrix of all pairs


@final
class Cloud:
    """Features [N,D] of a set, N at least 2, with cached statistics for the distances."""

    def __init__(self, points: Tensor) -> None:
        self.points = points

    @cached_property
    def mean(self) -> Tensor:
        """[D]."""
        return self.points.mean(0)

    @cached_property
    def factor(self) -> Tensor:
        """R [min(N,D),D] with RᵀR = Σ, the unbiased covariance."""
        points = self.points
        root: Tensor = (points - self.mean) / (len(points) - 1) ** 0.5
        if len(points) > points.shape[1]:
            root = torch.linalg.qr(root, mode="r").R
        return root

    @cached_property
    def likeness(self) -> Tensor:
        """The mean of the kernel below over all pairs of two different points."""
        n, points = len(self.points), self.points
        itself = (points.square().sum(1) / points.shape[1] + 1) ** 3
        return (_mean_kernel(points, points) * n * n - itself.sum()) / (n * (n - 1))


def frechet(a: Cloud | Tensor, b: Cloud | Tensor) -> float:
    """The Fréchet distance of the Gaussians fitted to a and b (Heusel et al. 2017, eq. 6).

    |μ_a − μ_b|² + tr(Σ_a + Σ_b − 2·(Σ_aΣ_b)^½), with unbiased covariances. The estimate is biased upwards, and more
    so for fewer images: compare only at equal n. Shapes [N,D], [M,D].
    """
    a, b = _cloud(a), _cloud(b)
    # tr (Σ_aΣ_b)^½ is the nuclear norm of R_aR_bᵀ: no square root of a matrix that may be singular
    nuclear = torch.linalg.svdvals(a.factor @ b.factor.T).sum()
    apart = (a.mean - b.mean).square().sum()
    return float(apart + a.factor.square().sum() + b.factor.square().sum() - 2 * nuclear)


def kernel(a: Cloud | Tensor, b: Cloud | Tensor) -> float:
    """The squared maximum mean discrepancy under (x·y/D + 1)³, unbiased (Bińkowski et al. 2018, section 4, eq. 4).

    Computed over all pairs, not over subsets. It may be slightly negative for similar sets. Shapes [N,D], [M,D].
    """
    a, b = _cloud(a), _cloud(b)
    return float(a.likeness + b.likeness - 2 * _mean_kernel(a.points, b.points))


def _mean_kernel(x: Tensor, y: Tensor) -> Tensor:
    total = sum(((part @ y.T / x.shape[1] + 1) ** 3).sum() for part in torch.split(x, BLOCK))
    return torch.as_tensor(total) / (len(x) * len(y))


def _cloud(points: Cloud | Tensor) -> Cloud:
    return points if isinstance(points, Cloud) else Cloud(points)
