"""The exact posterior p(x₀ | y) of the distributions whose denoiser is exact, under a linear Gaussian measurement."""

import math
from typing import Protocol

import torch
from torch import Tensor

from inkwash.core import Level
from inkwash.denoise import CorrelatedMixture, Dataset, Gaussian, Mixture
from inkwash.errors import UsageError
from inkwash.inverse.measurement import Measurement


class Posterior(Protocol):
    """An exact posterior: a denoiser (x, level) -> E[x₀ | x, y], with its own moments and samples."""

    def __call__(self, x: Tensor, level: Level) -> Tensor:
        """E[x₀ | x, y], [B,C,H,W]."""

    def mean(self) -> Tensor:
        """E[x₀ | y], [C,H,W]."""

    def std(self) -> Tensor:
        """The standard deviation of each pixel given y, [C,H,W]."""

    def sample(self, n: int, seed: int = 0) -> Tensor:
        """n exact samples [n,C,H,W] of p(x₀ | y)."""


def posterior_of(prior: Gaussian | Mixture | CorrelatedMixture | Dataset, measured: Measurement) -> Posterior:
    """The exact posterior of a prior given one linear measurement y [1,…], in float64.

    Of a Gaussian or a mixture, a mixture of correlated Gaussians. Of a data set, its images weighted by
    exp(−‖y − A·x_k‖²/2σ²): what an ideal memoriser of the training images would answer. Raises UsageError for a
    nonlinear operator, more than one measurement, or a data set without noise.
    """
    operator, std = measured.operator, measured.std
    if not operator.linear or len(measured.y) != 1:
        raise UsageError("an exact posterior needs a linear operator and one measurement.")
    if isinstance(prior, Dataset):
        if std == 0:
            raise UsageError("the posterior of a data set needs noise above 0: no image fits a measurement exactly.")
        return Reweighed(prior, measured)
    svd = operator.svd
    if svd is None:
        raise UsageError("an exact posterior needs the singular values of the operator; these images are too large.")
    kept = svd.measured.flatten()
    basis = torch.eye(len(kept), dtype=torch.float64)[kept].view(-1, *operator.shape)
    rows = svd.s.double().flatten()[kept, None] * svd.v(basis).flatten(1)
    return _correlated(prior, operator.shape).given(rows, svd.u_t(measured.y.double()).flatten()[kept], std)


def _correlated(prior: Gaussian | Mixture | CorrelatedMixture, shape: tuple[int, int, int]) -> CorrelatedMixture:
    if isinstance(prior, CorrelatedMixture):
        return prior
    count = math.prod(shape)
    if isinstance(prior, Gaussian):
        mean, std = (torch.as_tensor(each, dtype=torch.float64).expand(1, *shape) for each in (prior.mean, prior.std))
        return CorrelatedMixture(mean, torch.diag(std.flatten() ** 2)[None], torch.ones(1, dtype=torch.float64))
    covs = prior.stds.double()[:, None, None] ** 2 * torch.eye(count, dtype=torch.float64)
    return CorrelatedMixture(prior.means.double(), covs, prior.log_weights.double().exp())


class Reweighed:
    """The images of a data set, with the weights that a measurement gives them."""

    def __init__(self, prior: Dataset, measured: Measurement) -> None:
        self.images = prior.images
        parts = torch.split(self.images, prior.block)
        logs = -torch.cat([measured.residual(part).flatten(1).double().square().sum(1) for part in parts])
        logs = torch.log_softmax(logs / (2 * measured.std**2) + prior.log_weights, 0)
        self.weights = logs.exp()  # [N]
        self._denoise = Dataset(self.images, prior.block, logs.to(self.images))

    def __call__(self, x: Tensor, level: Level) -> Tensor:
        return self._denoise(x, level)

    def mean(self) -> Tensor:
        return torch.einsum("n,nchw->chw", self.weights.to(self.images), self.images)

    def std(self) -> Tensor:
        second = torch.einsum("n,nchw->chw", self.weights.to(self.images), self.images**2)
        return (second - self.mean() ** 2).clamp(min=0).sqrt()

    def sample(self, n: int, seed: int = 0) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return self.images[torch.multinomial(self.weights, n, replacement=True, generator=generator)]
