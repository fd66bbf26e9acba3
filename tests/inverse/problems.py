"""Small problems whose posterior is known, and how a method is run on them."""

import torch
from torch import Tensor

from inkwash.core import Cosine, Seeded, karras, prior
from inkwash.denoise import CorrelatedMixture
from inkwash.inverse import Measurement, Method, Walk, make_operator, measure
from inkwash.sample import DPMpp2M, last, sample

SHAPE = (1, 6, 6)


def gaussian(shape: tuple[int, int, int] = SHAPE, length: float = 1.5) -> CorrelatedMixture:
    """A Gaussian whose pixels are correlated over `length` of them; 0: not at all."""
    channels, height, width = shape
    at = torch.cartesian_prod(torch.arange(channels), torch.arange(height), torch.arange(width)).double()
    apart = torch.cdist(at, at)
    cov = torch.exp(-(apart**2) / (2 * length**2)) if length else torch.eye(len(at)).double()
    cov = 0.25**2 * (0.95 * cov + 0.05 * torch.eye(len(at)))
    means = torch.linspace(0.2, 0.4, len(at), dtype=torch.float64).view(1, *shape)
    return CorrelatedMixture(means, cov[None], torch.ones(1, dtype=torch.float64))


def two_modes(shape: tuple[int, int, int] = SHAPE) -> CorrelatedMixture:
    """A mixture of two such Gaussians, a third of it in the first."""
    one = gaussian(shape)
    means = torch.cat([one.means - 0.5, one.means + 0.1])
    return CorrelatedMixture(means, one.covs.expand(2, -1, -1), torch.tensor([1.0, 2.0], dtype=torch.float64))


def problem(prior_of: CorrelatedMixture, spec: str, std: float, seed: int = 0) -> Measurement:
    """A measurement of a sample of the prior."""
    shape = tuple(prior_of.means.shape[1:])
    return measure(make_operator(spec, shape), prior_of.sample(1, seed=seed + 7), std, seed)  # type: ignore[arg-type]


def drawn(
    method: Method, prior_of: CorrelatedMixture, measured: Measurement, n: int, steps: int = 60, eta: float = 0.0
) -> Tensor:
    """n restorations, float64 [n,C,H,W]."""
    schedule = Cosine()
    walk = method(Walk(prior_of, karras(schedule, steps), DPMpp2M.with_eta(eta)), measured, schedule)
    noise = Seeded(0, range(n))
    x = prior(noise, walk.plan[0], torch.empty(n, *prior_of.means.shape[1:], dtype=torch.float64))
    return last(sample(walk.denoise, x, walk.plan, walk.solver, noise))
