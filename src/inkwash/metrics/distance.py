"""Distances between two sets of features, each float64 [N,D]."""

import torch
from torch import Tensor


def frechet(a: Tensor, b: Tensor) -> float:
    """The Fréchet distance of the Gaussians fitted to a and b (Heusel et al. 2017, eq. 6).

    |μ_a − μ_b|² + tr(Σ_a + Σ_b − 2·(Σ_aΣ_b)^½), with Σ the unbiased covariances. It is biased upwards, the more
    so the fewer images: compare only at equal n. Needs two images of each. Shapes [N,D], [M,D].
    """
    # tr (Σ_aΣ_b)^½ is the nuclear norm of R_aR_bᵀ, where Σ = RᵀR: no square root of a matrix, and no D×D at all
    # where there are fewer images than features
    nuclear = torch.linalg.svdvals(_factor(a) @ _factor(b).T).sum()
    apart = (a.mean(0) - b.mean(0)).square().sum()
    return float(apart + _factor(a).square().sum() + _factor(b).square().sum() - 2 * nuclear)


def _factor(x: Tensor) -> Tensor:
    """R [min(N,D),D] with RᵀR = Σ."""
    root = (x - x.mean(0)) / (len(x) - 1) ** 0.5
    return torch.linalg.qr(root, mode="r").R if len(x) > x.shape[1] else root


def kernel(a: Tensor, b: Tensor) -> float:
    """The squared maximum mean discrepancy under (x·y/D + 1)³, unbiased (Bińkowski et al. 2018, eq. 4 and section 4).

    Of all pairs at once, not of subsets; so it may be a little below 0 for sets that are alike. Shapes [N,D], [M,D].
    """

    def between(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x: Tensor) -> Tensor:
        both = between(x, x)
        return (both.sum() - both.trace()) / (len(x) * (len(x) - 1))

    return float(within(a) + within(b) - 2 * between(a, b).mean())
