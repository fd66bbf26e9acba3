"""Exact denoisers, for distributions whose E[x₀ | x] is known: a Gaussian, a Gaussian mixture, a finite data set.

All three satisfy D(c·x; c·α, c·σ) = D(x; α, σ) and ignore t.
"""

import torch
from torch import Tensor

from inkwash.core import Level, Scalar


class Gaussian:
    """x₀ ~ N(mean, std²), with independent pixels; mean and std broadcast with x."""

    def __init__(self, mean: Tensor | float, std: Tensor | float) -> None:
        self.mean, self.std = mean, std

    def __call__(self, x: Tensor, level: Level) -> Tensor:
        level = level.per_image(x)
        gain = level.alpha * self.std**2 / ((level.alpha * self.std) ** 2 + level.sigma**2)
        return self.mean + gain * (x - level.alpha * self.mean)


class Mixture:
    """x₀ ~ Σ w_k N(mean_k, std_k²·I), over whole images.

    `means` [K,C,H,W], `stds` [K], `weights` [K] (normalised to sum to 1).
    """

    def __init__(self, means: Tensor, stds: Tensor, weights: Tensor) -> None:
        self.means, self.stds, self.log_weights = means, stds, torch.log(weights / weights.sum())

    def __call__(self, x: Tensor, level: Level) -> Tensor:
        _, alpha, sigma = (_rows(value, x) for value in level.per_image(x))
        shape = (-1, len(self.stds), *[1] * (x.ndim - 1))
        variance = (alpha * self.stds) ** 2 + sigma**2  # [K] or [B,K], of x given k
        scale = alpha.view(-1, *[1] * x.ndim) if isinstance(alpha, Tensor) else alpha
        apart = x[:, None] - scale * self.means  # [B,K,C,H,W]
        logits = self.log_weights - apart.flatten(2).square().sum(2) / (2 * variance)
        logits = logits - apart[0, 0].numel() / 2 * torch.log(variance)
        share = torch.softmax(logits, dim=1).view(len(x), -1, *[1] * (x.ndim - 1))
        means = self.means + (alpha * self.stds**2 / variance).view(shape) * apart
        return (share * means).sum(1)


class Dataset:
    """x₀ uniform over the images [N,C,H,W] of a finite set: the ideal denoiser of Karras et al. 2022, eq. 57.

    `log_weights` [N], if given, are the logarithms of the images' probabilities, up to a common term. Computed in
    blocks of the set, so that memory does not grow with N. One level for all images.
    """

    def __init__(self, images: Tensor, block: int = 4096, log_weights: Tensor | None = None) -> None:
        self.images, self.block = images, block
        self.log_weights = torch.zeros(len(images)).to(images) if log_weights is None else log_weights

    def __call__(self, x: Tensor, level: Level) -> Tensor:
        flat, level = x.flatten(1), Level(*(_rows(value, x) for value in level.per_image(x)))
        best = torch.full((len(x), 1), -torch.inf, dtype=x.dtype, device=x.device)
        total, mean = torch.zeros_like(best), torch.zeros_like(flat)
        parts = zip(
            *(torch.split(each, self.block) for each in (self.images.flatten(1), self.log_weights)), strict=True
        )
        for images, log_weights in parts:
            logits = _closeness(flat, images, level) + log_weights
            # online softmax (Milakov & Gimelshein 2018): rescale the running sums when the maximum grows
            new = torch.maximum(best, logits.amax(1, keepdim=True))
            share, rescaled = torch.exp(logits - new), torch.exp(best - new)
            total = rescaled * total + share.sum(1, keepdim=True)
            mean = rescaled * mean + share @ images
            best = new
        return (mean / total).view_as(x)


def _rows(value: Scalar, x: Tensor) -> Scalar:
    """A value per image as [B,1]; one value for all images stays as it is."""
    return value.view(len(x), 1) if isinstance(value, Tensor) and value.numel() > 1 else value


def _closeness(x: Tensor, images: Tensor, level: Level) -> Tensor:
    """−|x − α·image|²/(2σ²) up to a term that depends only on x: [B,D], [N,D] -> [B,N]."""
    half = level.alpha * images.square().sum(1) / 2  # [N], or [B,N] with a level per image
    return (x @ images.T - half) * (level.alpha / level.sigma**2)
