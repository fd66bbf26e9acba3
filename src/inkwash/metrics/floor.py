"""How far a network's loss lies above the least possible, level by level: underfitting and memorisation."""

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

BATCH = 64  # images that the network sees at once
STANDARD_ERRORS = 3.0  # from which on a difference counts
UNDERFIT = 1.25  # a loss is underfit where it is so many times the least that is known


class Estimate(NamedTuple):
    """A mean over images, and its standard error."""

    mean: float
    error: float


class Losses(NamedTuple):
    """The training loss at one level on one set of images, of three denoisers on the same images and noise."""

    network: Estimate
    ideal: Estimate  # E[x₀ | x] over the training set: on training images, the least that any denoiser can have
    pixelwise: Estimate  # E[x₀ | x] for pixels that are independent and Gaussian, as spread in the training set


@dataclass(frozen=True)
class LevelLosses:
    """The losses at one noise level. `t` is the schedule's time."""

    t: float
    logsnr: float
    training: Losses
    held_out: Losses


@dataclass(frozen=True)
class Diagnosis:
    """The noise levels at which a network underfits and at which it has memorised the training set, by their t."""

    underfit: tuple[float, ...]
    memorised: tuple[float, ...]
    memory: tuple[float, ...]  # in [0, 1], one for each row


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
    """The loss of a network beside that of the ideal denoiser (Karras et al. 2022, eq. 57), from low noise to high.

    The loss is the plain one that training minimises, the mean square on F = a·x₀ + b·ε of `prediction`, which is
    (det/σ)²·|x₀ − x̂₀|² per pixel; so any denoiser has one. `training` uint8 [N,C,H,W] must be all that the network
    was trained on, mirrored copies too, or the ideal is not its floor. `held_out` uint8 [M,C,H,W] is more of the
    same kind that it never saw. Both lie on the denoiser's device. At most `images` of each are used, chosen by
    `seed`, which also draws the noise. The levels lie in the middles of equal parts of time, so that the mean over
    rows estimates the loss that uniformly drawn times have. One where F says nothing of x₀ (ε at α = 0) is left
    out. `tick` is called with a number of images whenever the network has seen some; they add up to the images used
    of both sets, once for each row.

    Raises UsageError where the sets differ in shape, for fewer than two images, for fewer than one level, and for
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
    """Which levels underfit and which are memorised. All differences count from 3 standard errors on.

    Between the floor of the training set, which only memory reaches, and the floor of all images of the kind lies a
    gap that no experiment shows. But the latter is bounded from above by the loss on held-out images of every
    denoiser that has not seen them. The least such loss that is known stands for it here:

    - underfit: the network's loss on training images is more than 25 % above the least of the two that the ideal
      and the pixelwise denoiser have on held-out images. Learning should beat both looking up, which is good at
      much noise, and the statistics of pixels, which are good at little. No network near the optimum is accused,
      at any level; where images are far from both, between the two ends, it is a mild test.
    - memory = (known − seen)/(known − floor), in [0, 1]: how far below the least of those two and the network's own
      loss on held-out images its loss on training images has come, on the way to the ideal's there. The network's
      own loss alone would call a network memorising that is only bad on new images. Memory is 0 where the network's
      losses on the two sets do not differ significantly, and a level is memorised where it is above one half.
    """
    memory = tuple(_memory(row) for row in rows)
    return Diagnosis(
        underfit=tuple(row.t for row in rows if _underfit(row)),
        memorised=tuple(row.t for row, share in zip(rows, memory, strict=True) if share > 0.5),
        memory=memory,
    )


def _underfit(row: LevelLosses) -> bool:
    known = min(row.held_out.ideal, row.held_out.pixelwise)
    return row.training.network.mean > UNDERFIT * known.mean and _exceeds(row.training.network, known)


def _memory(row: LevelLosses) -> float:
    seen, floor = row.training.network, row.training.ideal
    below = min(row.held_out).mean - seen.mean
    if below <= 0 or not _exceeds(row.held_out.network, seen):
        return 0.0
    return below / max(below, min(row.held_out).mean - floor.mean)  # by chance a loss may come to lie below the floor


def _exceeds(a: Estimate, b: Estimate) -> bool:
    """Over different images, whose errors are independent."""
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
