"""Compares a network's loss with the least possible loss at each level: underfitting and memorisation."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from inkwash.core import Denoise, Level, Prediction, Schedule, Seeded, as_floats, determinant, diffuse, mix
from inkwash.data import indices, to_float
from inkwash.denoise import Dataset, Gaussian
from inkwash.errors import UsageError

BATCH = 64  # images per evaluation of the network
STANDARD_ERRORS = 3.0  # a difference of at least so many standard errors is significant
UNDERFIT = 1.25  # a network underfits if its loss exceeds the least known loss by this factor


class Estimate(NamedTuple):
    """A mean over images and its standard error."""

    mean: float
    error: float


class Losses(NamedTuple):
    """The training loss of three denoisers at one level, on the same images and noise."""

    network: Estimate
    ideal: Estimate  # E[x₀ | x] over the training set: on training images, the minimum over all denoisers
    pixelwise: Estimate  # E[x₀ | x] for independent Gaussian pixels with the moments of the training set


@dataclass(frozen=True)
class LevelLosses:
    """The losses at one noise level. `t` is the schedule's time."""

    t: float
    logsnr: float
    training: Losses
    held_out: Losses


@dataclass(frozen=True)
class Diagnosis:
    """The times t of the levels at which a network underfits, and at which it has memorised the training set."""

    underfit: tuple[float, ...]
    memorised: tuple[float, ...]
    memory: tuple[float, ...]  # in [0, 1], one per row


def loss_floor(
    denoise: Denoise,
    prediction: Prediction,
    schedule: Schedule,
    training: Tensor,
    held_out: Tensor,
    levels: int = 12,
    images: int = 256,
    seed: int = 0,
    tick: Callable[[int], object] = lambda images: None,
) -> tuple[LevelLosses, ...]:
    """The losses of a network and of the ideal denoiser (Karras et al. 2022, eq. 57), from low noise to high.

    The loss is the unweighted training loss, the mean square error of F = a·x₀ + b·ε of `prediction`. It equals
    (det/σ)²·|x₀ − x̂₀|² per pixel, so it is defined for any denoiser. `training` uint8 [N,C,H,W] must be all images
    that the network was trained on, including mirrored copies; otherwise the ideal denoiser's loss is not a lower
    bound. `held_out` uint8 [M,C,H,W] holds images of the same distribution that were not trained on. Both must be on
    the denoiser's device. At most `images` of each are used, selected by `seed`, which also seeds the noise. The
    levels are the midpoints of equal intervals of time, so the mean over rows estimates the loss for uniform times.
    Levels at which F does not determine x₀ (ε at α = 0) are left out. `tick` is called with the number of images of
    each evaluation; their sum is the number of images used of both sets, times the number of rows.

    Raises UsageError if the sets differ in shape, for fewer than two images, for fewer than one level, and for
    more levels than the schedule has.
    """
    _check(schedule, training, held_out, levels, images)
    floats = to_float(training)
    ideal, pixelwise = Dataset(floats), Gaussian(floats.mean(0), floats.std(0))
    sets = [to_float(every[indices(seed, 0, min(images, len(every)), len(every))]) for every in (training, held_out)]
    noises = [Seeded(mix(seed, which), range(len(x0))) for which, x0 in enumerate(sets)]

    def network(x: Tensor, level: Level) -> Tensor:
        seen = []
        for part in torch.split(x, BATCH):
            seen.append(denoise(part, level))
            tick(len(part))
        return torch.cat(seen)

    rows = []
    for t in schedule.draw((torch.arange(levels) + 0.5).double() / levels).tolist():
        level = schedule.at(t)
        on_x0 = float(determinant(prediction, level) / level.sigma) ** 2
        if on_x0 == 0:
            continue
        found = []
        for x0, noise in zip(sets, noises, strict=True):
            x = diffuse(x0, noise(x0), level)
            with torch.no_grad():
                found.append(Losses(*(_loss(each(x, level), x0, on_x0) for each in (network, ideal, pixelwise))))
        rows.append(LevelLosses(t, as_floats(level)[2], *found))
    return tuple(rows)


def diagnose(rows: Sequence[LevelLosses]) -> Diagnosis:
    """Determines the levels that underfit and the levels that are memorised. Differences must exceed 3 standard errors.

    The minimum loss on the training set is reached only by memorisation. The minimum loss on the data distribution is
    larger, by an amount that cannot be measured, but the held-out loss of every denoiser is an upper bound of it if
    the denoiser was not trained on the held-out images. The least known such loss is used as its estimate:

    - underfit: the network's loss on training images is more than 25 % above the smaller of the held-out losses of
      the ideal and the pixelwise denoiser. A trained network should be better than both lookup in the training set,
      which is good at high noise, and pixel statistics, which are good at low noise. A network near the optimum is
      never reported, at any level. The test is weak at intermediate levels, where both denoisers are far from optimal.
    - memory = (known − seen)/(known − floor), in [0, 1]. `known` is the least of these two losses and the network's
      own held-out loss, `seen` is the network's loss on training images, and `floor` is the ideal denoiser's loss on
      training images. With the network's own held-out loss alone, a network that is merely bad on new images would
      count as memorising. Memory is 0 if the network's losses on the two sets do not differ significantly; a level
      is memorised if it is above one half.
    """
    memory = tuple(_memory(row) for row in rows)
    return Diagnosis(
        underfit=tuple(row.t for row in rows if _underfit(row)),
        memorised=tuple(row.t for row, share in zip(rows, memory, strict=True) if share > 0.5),
        memory=memory,
    )


def _underfit(row: LevelLosses) -> bool:
    known = min(row.held_out.ideal, row.held_out.pixelwise)
    return row.training.network.mean > UNDERFIT * known.mean and exceeds(row.training.network, known)


def _memory(row: LevelLosses) -> float:
    seen, floor = row.training.network, row.training.ideal
    below = min(row.held_out).mean - seen.mean
    if below <= 0 or not exceeds(row.held_out.network, seen):
        return 0.0
    return below / max(below, min(row.held_out).mean - floor.mean)  # by chance, a loss may be below the floor


def exceeds(a: Estimate, b: Estimate) -> bool:
    """Whether a is significantly above b, for estimates over different images, whose errors are independent."""
    return a.mean - b.mean > STANDARD_ERRORS * math.hypot(a.error, b.error)


def _loss(clean: Tensor, x0: Tensor, on_x0: float) -> Estimate:
    each = on_x0 * (clean.double() - x0.double()).square().flatten(1).mean(1)
    return Estimate(each.mean().item(), each.std().item() / math.sqrt(len(each)))


def _check(schedule: Schedule, training: Tensor, held_out: Tensor, levels: int, images: int) -> None:
    if training.shape[1:] != held_out.shape[1:]:
        raise UsageError(
            f"training images {tuple(training.shape[1:])} and held-out images {tuple(held_out.shape[1:])} must be of "
            "one shape; give two parts of one data set."
        )
    fewest = min(images, len(training), len(held_out))
    if fewest < 2:
        raise UsageError(f"a loss needs at least 2 images of each set for its standard error (got {fewest}).")
    if levels < 1 or (schedule.num_timesteps is not None and levels > schedule.num_timesteps):
        end = (
            ""
            if schedule.num_timesteps is None
            else f" and at most {schedule.num_timesteps}, the rows of this schedule"
        )
        raise UsageError(f"the floor needs at least 1 level{end} (got {levels}).")
