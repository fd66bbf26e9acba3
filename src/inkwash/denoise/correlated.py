"""A mixture of Gaussians with full covariances: its exact denoiser, and its posterior given a linear measurement."""

import torch
from torch import Tensor

from inkwash.core import Level, as_floats


class CorrelatedMixture:
    """x₀ ~ Σ w_k N(mean_k, cov_k) over whole images; one component is a correlated Gaussian.

    `means` [K,C,H,W], `covs` [K,D,D] with D = C·H·W, positive semidefinite, `weights` [K] (normalised to sum to 1).
    All should be float64.
    """

    def __init__(self, means: Tensor, covs: Tensor, weights: Tensor) -> None:
        self.means, self.covs, self.log_weights = means, covs, torch.log(weights / weights.sum())
        values, self._basis = torch.linalg.eigh(covs)  # [K,D], [K,D,D]
        self._variances = values.clamp(min=0)

    @property
    def weights(self) -> Tensor:
        """[K], of sum 1."""
        weights: Tensor = self.log_weights.exp()
        return weights

    def __call__(self, x: Tensor, level: Level) -> Tensor:
        """E[x₀ | x], [B,C,H,W]. One level for all images, as in sampling."""
        alpha, sigma, _ = as_floats(level)
        variance = alpha**2 * self._variances + sigma**2  # [K,D], of x given k
        apart = (x.flatten(1) - alpha * self.means.flatten(1)[:, None]) @ self._basis  # [K,B,D]
        logits = self.log_weights[:, None] - (apart**2 / variance[:, None]).sum(2) / 2
        logits = logits - torch.log(variance).sum(1, keepdim=True) / 2
        gain = (alpha * self._variances / variance)[:, None]
        means = self.means.flatten(1)[:, None] + (gain * apart) @ self._basis.mT
        x0: Tensor = (torch.softmax(logits, 0)[..., None] * means).sum(0)
        return x0.view_as(x)

    def mean(self) -> Tensor:
        """E[x₀], [C,H,W]."""
        return torch.einsum("k,kchw->chw", self.weights, self.means)

    def std(self) -> Tensor:
        """The standard deviation of each pixel, [C,H,W]."""
        of_each = torch.diagonal(self.covs, dim1=1, dim2=2).view_as(self.means)
        second = torch.einsum("k,kchw->chw", self.weights, of_each + self.means**2)
        variance: Tensor = second - self.mean() ** 2
        return torch.sqrt(variance.clamp(min=0))

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """n exact samples [n,C,H,W]."""
        generator = torch.Generator().manual_seed(seed)
        which = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        z = torch.randn(n, self.covs.shape[1], generator=generator, dtype=self.covs.dtype)
        scaled = (self._variances.sqrt()[which] * z)[..., None]
        images: Tensor = self.means[which] + (self._basis[which] @ scaled).view(n, *self.means.shape[1:])
        return images

    def given(self, rows: Tensor, y: Tensor, std: float) -> "CorrelatedMixture":
        """The distribution of x₀ given y [M] = rows·x₀ + std·n, for `rows` [M,D] of full rank; `std` may be 0.

        Each component is conditioned as a Gaussian, and its weight multiplied by its density at y (Bishop 2006,
        eqs. 2.115–2.117).
        """
        flat = self.means.flatten(1)
        means, covs, logs = [], [], []
        for mean, cov, log_weight in zip(flat, self.covs, self.log_weights, strict=True):
            cross = cov @ rows.T  # [D,M]
            total = rows @ cross + std**2 * torch.eye(len(rows), dtype=cov.dtype)
            values, basis = torch.linalg.eigh(total)
            kept = values > 1e-12 * values.max()
            half = basis[:, kept] / values[kept].sqrt()  # total⁻¹ = half·halfᵀ
            apart = half.T @ (y - rows @ mean)
            means.append(mean + cross @ (half @ apart))
            covs.append(cov - (cross @ half) @ (cross @ half).T)
            logs.append(log_weight - apart.square().sum() / 2 - values[kept].log().sum() / 2)
        weights = torch.softmax(torch.stack(logs), 0)
        return CorrelatedMixture(torch.stack(means).view_as(self.means), torch.stack(covs), weights)
