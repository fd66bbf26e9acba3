"""Twisted particles: sequential Monte Carlo whose error vanishes as particles grow."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from inkwash.core import Denoise, Level, Noise, Schedule, as_floats, posterior
from inkwash.errors import UsageError
from inkwash.inverse.measurement import Measurement
from inkwash.inverse.method import Method, Walk
from inkwash.inverse.operator import number
from inkwash.sample import Solver

_DATA = 0.25  # variance of a pixel, for the twisting function; a wrong one costs particles, not exactness


class Twisted(Method):
    """TDS (Wu et al. 2023, algorithm 1): DDPM steps guided by p̃(y | x), weighted by what guidance got wrong.

    p̃(y | x) = N(y; A(x̂₀), r²·A·Aᵀ + σ_y²·I), r² = v·σ²/(v·α² + σ²) with
    v = 1/4, about the variance of pixels in [−1, 1], is the twisting function; at the end it is the
    likelihood of y. The particles of one restoration are resampled where their effective sample size falls below half
    of them. `argument` is their number K, 16; one of them is the restoration. Exact as K and the steps grow, with any
    operator. Needs noise: without it, all weights are 0 or 1.
    """

    linear_only: ClassVar[bool] = False
    own_solver: ClassVar[bool] = True

    def __init__(self, argument: str = "") -> None:
        self.particles = int(number(argument or "16", "the particles of twisted", 1, 1e6))
        self.least = float("nan")  # the smallest effective sample size, of the last walk

    def __call__(self, walk: Walk, measured: Measurement, schedule: Schedule) -> Walk:
        if measured.std == 0:
            raise UsageError("the method twisted weighs particles by the noise of y; give `noise` above 0.")
        steps = _Steps(walk.denoise, measured, self)
        return Walk(steps.end, walk.plan, steps)


@dataclass
class _Steps(Solver):
    """The filter. Its state is that of the batch that it is used for."""

    eta_fixed: ClassVar[float] = 1.0

    raw: Denoise
    measured: Measurement
    owner: Twisted
    weights: Tensor | None = field(default=None)  # [B], logarithms, since the last resampling
    noise: Noise | None = field(default=None)
    before: Tensor | None = field(default=None)  # [B], log p̃ of the last level less the bias of its proposal

    @property
    def eta(self) -> float:
        return self.eta_fixed

    def twist(self, x0: Tensor, level: Level) -> Tensor:
        """log p̃(y | x), [B]."""
        alpha, sigma, _ = as_floats(level)
        spread, std = _DATA * sigma**2 / (_DATA * alpha**2 + sigma**2), self.measured.std
        svd = self.measured.operator.svd
        if svd is None:
            apart = self.measured.residual(x0).flatten(1)
            variance = torch.full_like(apart, spread + std**2)
        else:
            s = svd.s.to(x0)
            apart = (svd.u_t(self.measured.y.to(x0)) - s * svd.v_t(x0)).flatten(1)
            variance = (spread * s**2 + std**2).flatten().expand_as(apart)
        return -(apart**2 / variance + torch.log(variance)).sum(1) / 2

    def step(self, denoise: Denoise, x: Tensor, t: Level, s: Level, memory: Any, noise: Noise) -> tuple[Tensor, None]:
        alpha, sigma, _ = as_floats(t)
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            x0 = self.raw(x, t)
            log_twist = self.twist(x0, t)
            slope = torch.autograd.grad(log_twist.sum(), x)[0] if x0.requires_grad else torch.zeros_like(x)
        x, x0, log_twist = x.detach(), x0.detach(), log_twist.detach()
        chosen, self.noise = self._resampled(log_twist, noise(x), force=False), noise
        x, x0, slope, log_twist = (each[chosen] for each in (x, x0, slope, log_twist))
        x_coef, x0_coef, std = posterior(t, s)
        plain = x_coef * x + x0_coef * x0
        guided = plain + (x0_coef * sigma**2 / alpha * slope if alpha > 0 else 0.0)
        x = guided + std * noise(x)
        # log p(x_s | x_t) − log of the proposal, and p̃ of this level, to be set against that of the next
        bias = ((x - guided) ** 2 - (x - plain) ** 2).flatten(1).sum(1) / (2 * std**2)
        self.before = log_twist - bias
        return x, None

    def end(self, x: Tensor, level: Level) -> Tensor:
        """x̂₀ at the last level, resampled by the likelihood of y."""
        x0 = self.raw(x, level)
        apart = self.measured.residual(x0).flatten(1)
        likelihood = -(apart**2).sum(1) / (2 * self.measured.std**2)
        shift = likelihood.mean()  # any constant; keeps the numbers small
        z = torch.zeros_like(x) if self.noise is None else self.noise(x)
        which = self._resampled(likelihood - shift, z, force=True)
        return x0[which]

    def _resampled(self, log_twist: Tensor, z: Tensor, force: bool) -> Tensor:
        """Weighs the particles, and returns which of them go on: [B]."""
        count = self.owner.particles
        if self.before is None or self.weights is None:  # the first level: the prior, weighted by p̃
            self.weights = log_twist
        else:
            self.weights = self.weights + log_twist - self.before
        share = torch.softmax(self.weights.view(-1, count), 1)  # [B/K,K]
        sizes = 1 / share.square().sum(1)
        lowest = float(sizes.min())
        self.owner.least = lowest if not self.owner.least <= lowest else self.owner.least
        which = torch.arange(len(log_twist), device=log_twist.device).view(-1, count)
        start = torch.special.ndtr(z.flatten(1)[::count, :1])  # a uniform number for each group
        at = (torch.arange(count, device=z.device) + start) / count  # systematic resampling
        drawn = torch.searchsorted(share.cumsum(1), at.to(share)).clamp(max=count - 1)
        again = (sizes[:, None] < count / 2) | torch.tensor(force, device=z.device)
        self.weights = torch.where(again, 0.0, self.weights.view(-1, count)).flatten()
        return torch.where(again, which[:, :1] + drawn, which).flatten()
