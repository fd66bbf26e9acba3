"""The training objective: draw a level for each image, noise it there, and weigh the network's error."""

import math
from dataclasses import dataclass, fields
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from inkwash.core import Level, Prediction, Schedule, determinant, diffuse, target
from inkwash.errors import UsageError
from inkwash.nets import Condition


@dataclass(frozen=True)
class StepRandomness:
    """All random numbers of one training step, for a batch of B images."""

    uniform: Tensor  # [B] in [0, 1), independent
    strata: Tensor  # [B] in [0, 1), one in each of B equal parts, in random order
    normal: Tensor  # [B]
    eps: Tensor  # [B,C,H,W], unit noise
    drop: Tensor  # [B] in [0, 1), whether to drop the condition

    @classmethod
    def of(cls, seed: int, shape: tuple[int, ...], device: torch.device | str = "cpu") -> "StepRandomness":
        """Draws the numbers for a batch of `shape`. Every process draws those of the whole batch and uses its part."""
        generator = torch.Generator(device).manual_seed(seed)
        B = shape[0]
        shift = torch.rand((), generator=generator, device=device)
        order = torch.randperm(B, generator=generator, device=device)
        normal = torch.randn(B, generator=generator, device=device)
        eps = torch.randn(shape, generator=generator, device=device)
        uniform, drop = (torch.rand(B, generator=generator, device=device) for _ in range(2))
        strata = ((order + shift) / B).clamp(max=1 - 2**-24)  # in float32 the last may round to 1: pure noise
        return cls(uniform, strata, normal, eps, drop)

    def part(self, which: slice) -> "StepRandomness":
        """The images `which` of the batch."""
        return StepRandomness(*(getattr(self, entry.name)[which] for entry in fields(self)))


class Loss(Protocol):
    """What a training minimises: `Objective`, or a method of distillation."""

    def __call__(
        self, denoiser: nn.Module, x0: Tensor, randomness: StepRandomness, cond: Tensor | None = None
    ) -> Tensor:
        """The loss of each image, [B], float32, from x0 [B,C,H,W] in [−1, 1] and the images' conditions [B,…]."""


class Draw(Protocol):
    """How the noise level of each training image is drawn."""

    def __call__(self, schedule: Schedule, randomness: StepRandomness) -> Level:
        """The levels of a batch, as a Level of tensors [B]."""


class Weight(Protocol):
    """The factor on each image's squared error, on top of the plain loss on the network's output F.

    An l1 loss uses its square root, so that the error of x̂₀ has the weight that the rule gives it.
    """

    def __call__(self, level: Level, on_x0: Tensor) -> Tensor:
        """Weights of the shape of `on_x0`, [B,1,1,1].

        `on_x0` = (det/σ)² is the weight that the plain MSE on F already gives to x̂₀'s error.
        """


@dataclass(frozen=True)
class Uniform:
    """Uniform times, independent for each image (Ho et al. 2020, algorithm 1), then moved by `shift`."""

    shift: float = 1.0

    def __call__(self, schedule: Schedule, randomness: StepRandomness) -> Level:
        return schedule.at(schedule.draw(shifted(randomness.uniform, self.shift)))


@dataclass(frozen=True)
class Stratified:
    """Uniform times, stratified within each batch to reduce the variance of the loss; then moved by `shift`.

    Kingma et al. 2021, appendix I.1.
    """

    shift: float = 1.0

    def __call__(self, schedule: Schedule, randomness: StepRandomness) -> Level:
        return schedule.at(schedule.draw(shifted(randomness.strata, self.shift)))


def shifted(position: Tensor, shift: float) -> Tensor:
    """Positions u in [0, 1) moved towards noise: s·u/(1 + (s − 1)·u), whose logit is logit(u) + log(s).

    Esser et al. 2024, eq. 23. The result stays below 1, which is pure noise.
    """
    return (shift * position / (1 + (shift - 1) * position)).clamp(max=1 - 2**-24)


@dataclass(frozen=True)
class LogNormal:
    """log(σ/α) ~ N(mean, std²) (Karras et al. 2022, table 1)."""

    mean: float = -1.2
    std: float = 1.2

    @classmethod
    def shifted(cls, shift: float) -> "LogNormal":
        """The distribution whose σ/α is `shift` times that of the default."""
        return cls(cls.mean + math.log(shift))

    def __call__(self, schedule: Schedule, randomness: StepRandomness) -> Level:
        return schedule.from_logsnr(-2 * (self.mean + self.std * randomness.normal))


@dataclass(frozen=True)
class LogitNormal:
    """logit(u) ~ N(mean, std²) for the position u in time (Esser et al. 2024, eq. 19)."""

    mean: float = 0.0
    std: float = 1.0

    @classmethod
    def shifted(cls, shift: float) -> "LogitNormal":
        """The distribution whose odds u/(1 − u) are `shift` times those of the default."""
        return cls(math.log(shift))

    def __call__(self, schedule: Schedule, randomness: StepRandomness) -> Level:
        return schedule.at(schedule.draw(torch.sigmoid(self.mean + self.std * randomness.normal)))


class Plain:
    """Weight 1: "L_simple" for ε (Ho et al. 2020, eq. 14), EDM's own weighting for F."""

    def __call__(self, level: Level, on_x0: Tensor) -> Tensor:
        return torch.ones_like(on_x0)


class SNR:
    """The squared error of x̂₀ has weight SNR for every prediction; for ε this is weight 1 (Salimans & Ho 2022, eq. 9).

    CS231n uses these weights. They are not clipped: with x₀-prediction nearly all weight is on the cleanest images.
    """

    def __call__(self, level: Level, on_x0: Tensor) -> Tensor:
        snr = _snr(level, on_x0)
        return (snr / on_x0).nan_to_num(1.0)  # 0/0 at pure noise, where ε's weight is 1


@dataclass(frozen=True)
class MinSNR:
    """The error of x̂₀ has weight min(SNR, γ) for every prediction (Hang et al. 2023, eq. 7)."""

    gamma: float = 5.0

    def __call__(self, level: Level, on_x0: Tensor) -> Tensor:
        snr = _snr(level, on_x0)
        return (snr.clamp(max=self.gamma) / on_x0).nan_to_num(1.0)  # 0/0 at pure noise, where ε's weight tends to 1


class VLB:
    """The squared error of ε has weight β²/(2σ²·(1 − β)·(1 − ᾱ)), with σ² = β (Ho et al. 2020, eq. 12).

    This is the variational bound of a sampler that adds noise of the fixed large variance, which the simple loss leaves
    out. Raises UsageError for a continuous schedule, which has no β.
    """

    def __init__(self, schedule: Schedule) -> None:
        betas = getattr(schedule, "betas", None)
        if betas is None:
            raise UsageError("`weight='vlb'` needs a schedule with β_t, such as linear; a continuous one has none.")
        abar = torch.cumprod(1 - betas, 0)
        if betas[-1] == 1:
            raise UsageError("`weight='vlb'` is infinite where β is 1; take a schedule that keeps some signal.")
        self._on_eps = (betas / (2 * (1 - betas) * (1 - abar))).float()

    def __call__(self, level: Level, on_x0: Tensor) -> Tensor:
        rows = torch.as_tensor(level.per_image(on_x0).t).long().cpu()
        on_eps = self._on_eps[rows].to(on_x0.device)
        weight: Tensor = on_eps * _snr(level, on_x0) / on_x0  # the error of x̂₀ is that of ε̂ times σ/α
        return weight


def _snr(level: Level, like: Tensor) -> Tensor:
    """α²/σ², with one value per image of `like`."""
    _, alpha, sigma = level.per_image(like)
    return torch.as_tensor(alpha / sigma) ** 2


@dataclass(frozen=True)
class Objective:
    """E[w^(p/2) · |F − (a·x₀ + b·ε)|^p], p = 2 for "mse" and 1 for "l1".

    `drop` is the probability that an image's condition is dropped (Ho & Salimans 2022, algorithm 1).
    """

    schedule: Schedule
    prediction: Prediction
    draw: Draw
    weight: Weight
    norm: Literal["mse", "l1"] = "mse"
    drop: float = 0.0

    def __call__(
        self, denoiser: nn.Module, x0: Tensor, randomness: StepRandomness, cond: Tensor | None = None
    ) -> Tensor:
        """The loss of each image, [B], float32, from x0 [B,C,H,W] in [−1, 1].

        `cond` [B,…] holds the images' conditions, as the network's embedder takes them; None for an unconditional
        network. `denoiser` is a Denoiser of this prediction, possibly wrapped for distributed training.
        """
        drawn = self.draw(self.schedule, randomness)
        level = Level(*(torch.as_tensor(value).view(-1, *[1] * (x0.ndim - 1)) for value in drawn))
        condition = None if cond is None else Condition(cond, randomness.drop >= self.drop)
        output = denoiser(diffuse(x0, randomness.eps, level), level, condition, raw=True)
        error = output - target(self.prediction, x0, randomness.eps, level)
        on_x0 = torch.as_tensor(determinant(self.prediction, level) / level.sigma) ** 2
        weight = self.weight(level, on_x0)
        loss = weight * error.square() if self.norm == "mse" else weight.sqrt() * error.abs()
        per_image: Tensor = loss.flatten(1).mean(1)
        return per_image
