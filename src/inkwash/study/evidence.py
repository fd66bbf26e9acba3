"""Whether a study's measurements can support a conclusion: enough images, real variety, a network that was trained."""

import math
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from inkwash.core import Denoise, Prediction, Schedule
from inkwash.data import Source
from inkwash.metrics.floor import Estimate, exceeds, loss_floor
from inkwash.metrics.score import DRAWS
from inkwash.runs.model import TrainedModel
from inkwash.study.compare import T_95
from inkwash.study.references import feature_count, reference
from inkwash.study.subject import Subject, Trained, load_model
from inkwash.study.table import Table

LEVELS, IMAGES = 6, 64  # noise levels, and images of each set, at which a network's loss is compared with its floor
SEARCHED = 10_000  # training images that the ideal denoiser looks at
RECALL = 0.1  # below this share of the real images' recall, images have almost none of their variety
BETTER = 0.9  # a Fréchet distance below this share of the floor is not of images like the real ones

Doubt = tuple[Any, ...]  # its name and what it found, as `report/text/LANGUAGE/evidence.j2` says it


@lru_cache(4)  # the report and the terminal both ask
def doubts(done: Table) -> tuple[Doubt, ...]:
    """The reasons why nothing can be concluded from a study; none if conclusions can be drawn.

    - ("few_images", n, features, most): the covariance of n images has no full rank in this many features, so the
      Fréchet distance measures n. `most` is the largest n that the data allow.
    - ("below_floor", lowest, floor): a cell has a Fréchet distance significantly below that of real images.
    - ("no_variety", recall, floor): the recall of every cell is nearly 0.
    - ("untrained", run, loss, known): the loss of a run's network is significantly above what denoisers without a
      network reach (`losses`).
    """
    found = (_few_images(done), _below_floor(done), _no_variety(done), *(_untrained(each) for each in done.subjects))
    return tuple(each for each in found if each)


def _few_images(done: Table) -> Doubt | None:
    against = reference(done.reference_spec)
    features = feature_count(done.reference_spec)
    return ("few_images", done.n, features, len(against.source) // (DRAWS + 1)) if done.n <= features else None


def _below_floor(done: Table) -> Doubt | None:
    lowest, floor = min(row.scores["frechet"] for row in done.rows), done.floor_scores["frechet"]
    error = math.hypot(lowest[1], floor[1]) / math.sqrt(DRAWS)
    below = lowest[0] < BETTER * floor[0] and floor[0] - lowest[0] > T_95 * error
    return ("below_floor", lowest, floor) if below else None


def _no_variety(done: Table) -> Doubt | None:
    recall, floor = max(row.scores["recall"][0] for row in done.rows), done.floor_scores["recall"][0]
    return ("no_variety", recall, floor) if recall < RECALL * floor else None


def _untrained(subject: Subject) -> Doubt | None:
    model = load_model(subject)
    if isinstance(subject, Trained) and subject.against is not None:
        return None  # the training images are not there
    if not isinstance(model, TrainedModel) or model.condition_never_dropped:
        return None  # an exact network learned nothing, and of a model that must be told, no such loss is defined
    training, held_out = (
        _some(subject.images(split), most).to(model.device) for split, most in (("train", SEARCHED), ("test", IMAGES))
    )
    if min(len(training), len(held_out)) < 2:
        return None
    loss, known = losses(model.denoiser, model.denoiser.prediction, model.schedule, training, held_out)
    return ("untrained", subject.name, loss.mean, known.mean) if exceeds(loss, known) else None


def losses(
    denoise: Denoise, prediction: Prediction, schedule: Schedule, training: Tensor, held_out: Tensor
) -> tuple[Estimate, Estimate]:
    """The loss of a network on its training images, and that of the better of two denoisers without a network.

    Both are means over noise levels. At each, the better is the ideal denoiser of the training images, which looks
    them up, or that of independent Gaussian pixels, on held-out images. The images are uint8 [N,C,H,W].
    """
    levels = min(LEVELS, schedule.num_timesteps or LEVELS)
    rows = loss_floor(denoise, prediction, schedule, training, held_out, levels, IMAGES)
    known = [min(row.held_out.ideal, row.held_out.pixelwise) for row in rows]
    return _mean([row.training.network for row in rows]), _mean(known)


def _mean(each: list[Estimate]) -> Estimate:
    return Estimate(sum(one.mean for one in each) / len(each), math.hypot(*(one.error for one in each)) / len(each))


def _some(source: Source, most: int) -> Tensor:
    """At most so many images of a source, evenly spaced: uint8 [N,C,H,W]."""
    return source.take(torch.linspace(0, len(source) - 1, min(len(source), most)).long()).cpu()
