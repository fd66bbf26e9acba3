"""The right formulas, as functions of a Case that return one tensor for each part of a function's result."""

from collections.abc import Callable

import torch
from torch import Tensor

from inkwash.check.case import Case
from inkwash.check.flow_case import FlowCase

Parts = tuple[Tensor, ...]
Formula = Callable[..., Parts]  # of a Case or a FlowCase


def noised(c: Case) -> Parts:
    """x_t = √ᾱ_t·x₀ + √(1 − ᾱ_t)·ε (Ho et al. 2020, eq. 4)."""
    return (c.abar.sqrt() * c.x0 + (1 - c.abar).sqrt() * c.eps,)


def velocity(c: Case) -> Parts:
    """v = √ᾱ_t·ε − √(1 − ᾱ_t)·x₀ (Salimans & Ho 2022, appendix D)."""
    return (c.abar.sqrt() * c.eps - (1 - c.abar).sqrt() * c.x0,)


def start_from_noise(c: Case) -> Parts:
    """x₀ = (x_t − √(1 − ᾱ_t)·ε)/√ᾱ_t."""
    return ((c.x - (1 - c.abar).sqrt() * c.eps) / c.abar.sqrt(),)


def noise_from_start(c: Case) -> Parts:
    """ε = (x_t − √ᾱ_t·x₀)/√(1 − ᾱ_t)."""
    return ((c.x - c.abar.sqrt() * c.x0) / (1 - c.abar).sqrt(),)


def score(c: Case) -> Parts:
    """∇ log q(x_t | x₀) = −ε/√(1 − ᾱ_t)."""
    return (-c.eps / (1 - c.abar).sqrt(),)


def posterior(c: Case) -> Parts:
    """The mean's part of x₀, its part of x_t, and the standard deviation (Ho et al. 2020, eq. 6 and 7)."""
    first = c.abar_s.sqrt() * c.beta / (1 - c.abar)
    second = (1 - c.beta).sqrt() * (1 - c.abar_s) / (1 - c.abar)
    return first * c.x0, second * c.x, c.beta_tilde.sqrt()


def ddim(c: Case, std: Tensor) -> Tensor:
    """The mean of a DDIM step with noise of standard deviation `std` (Song et al. 2021a, eq. 12)."""
    return c.abar_s.sqrt() * c.x0_hat + (1 - c.abar_s - std**2).sqrt() * c.eps_hat


def ddim_of_paper(c: Case) -> Parts:
    """A DDIM step with σ = η·√β̃ (Song et al. 2021a, eq. 16): its mean and its noise."""
    std = c.eta * c.beta_tilde.sqrt()
    return ddim(c, std), std * c.z


def ddim_of_lab(c: Case) -> Parts:
    """A DDIM step with σ² = η·β̃, as a course lab has it."""
    std = (c.eta * c.beta_tilde).sqrt()
    return ddim(c, std), std * c.z


def ddpm(c: Case) -> Parts:
    """A DDPM step with σ² = β̃."""
    std = c.beta_tilde.sqrt()
    return ddim(c, std), std * c.z


def ddpm_large(c: Case) -> Parts:
    """A DDPM step with σ² = β, and no noise in the last step."""
    std = torch.where(c.along(c.s) < 0, 0.0, c.beta.sqrt())
    return ddim(c, c.beta_tilde.sqrt()), std * c.z


def mean_alone(c: Case) -> Parts:
    """The mean of a DDPM step."""
    return ddpm(c)[0], torch.zeros_like(c.z)


def loss(c: Case, x0: Tensor | None = None, weight: Tensor | float = 1.0) -> Parts:
    """The mean of (network(x_t, t) − target)², of images x₀ in [−1, 1]."""
    x0 = c.x0 if x0 is None else x0
    wanted = {"eps": c.eps, "x0": x0, "v": c.abar.sqrt() * c.eps - (1 - c.abar).sqrt() * x0}[c.predicts]
    return (errors(c, x0, wanted).square().mul(weight).mean().view(1),)


def errors(c: Case, x0: Tensor, wanted: Tensor) -> Tensor:
    """network(x_t, t) − `wanted`, where x_t is made of `x0`."""
    x = c.abar.sqrt() * x0 + (1 - c.abar).sqrt() * c.eps
    return c.network(x, c.t) - wanted


def unit_range(c: Case) -> Tensor:
    """x₀ as it is given to a loss, in [0, 1]."""
    return (c.x0 + 1) / 2


def loss_of_given(c: Case) -> Parts:
    """The loss of the images as they are given."""
    return loss(c, unit_range(c))


def loss_by_snr(c: Case) -> Parts:
    """The loss on x₀, weighted by ᾱ/(1 − ᾱ); on ε the weight is 1."""
    return loss(c, weight=c.abar / (1 - c.abar) if c.predicts == "x0" else 1.0)


def normalized(c: Case) -> Parts:
    """[0, 1] to [−1, 1]."""
    return (2 * unit_range(c) - 1,)


def unnormalized(c: Case) -> Parts:
    """[−1, 1] to [0, 1]."""
    return ((c.x0 + 1) / 2,)


def guided(c: Case) -> Parts:
    """(1 + w)·conditional − w·unconditional (Ho & Salimans 2022, eq. 6); here x₀ is conditional and ε is not."""
    return ((1 + c.w) * c.x0 - c.w * c.eps,)


def guided_by_scale(c: Case) -> Parts:
    """unconditional + s·(conditional − unconditional)."""
    return (c.eps + c.w * (c.x0 - c.eps),)


def probability_flow(c: Case) -> Parts:
    """−½·β·(x + score), dx/dt of the variance-preserving process (Song et al. 2021b, eq. 13); β is w, the score ε."""
    return (-0.5 * c.w * (c.x0 + c.eps),)


def flow_point(c: FlowCase) -> Parts:
    """x_t = (1 − t)·noise + t·data."""
    return ((1 - c.t) * c.noise + c.t * c.data,)


def flow_velocity(c: FlowCase) -> Parts:
    """u = data − noise."""
    return (c.data - c.noise,)


def flow_step(c: FlowCase) -> Parts:
    """x + Δt·u(x, t)."""
    return (c.x + c.dt * c.network(c.x, c.t),)


def flow_loss(c: FlowCase) -> Parts:
    """The mean of (network(x_t, t) − (data − noise))²."""
    return ((c.network(c.x, c.t) - (c.data - c.noise)).square().mean().view(1),)
