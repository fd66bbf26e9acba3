"""The denoiser of a request: the model with the requested conditions and guidance."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn

from inkwash import choices
from inkwash.core import Denoise
from inkwash.denoise import classifier_guidance, guide
from inkwash.denoise.guidance import ALWAYS
from inkwash.errors import UsageError
from inkwash.metrics.classifier import Classifier, classifier
from inkwash.metrics.score import OnStep
from inkwash.models import find
from inkwash.runs.conditions import ConditionOf
from inkwash.runs.conditions.by_class import requested_class
from inkwash.runs.model import Model, TrainedModel, images, open_model
from inkwash.settings import Sampling

DenoiserOf = Callable[[Sequence[int]], Denoise]  # images i, … of a request -> their denoiser


class Guided(NamedTuple):
    """The denoiser for the images of a request, and the networks that it evaluates."""

    denoiser_of: DenoiserOf
    networks: tuple[nn.Module, ...]
    guide: str | None = None  # digest of the weaker run's checkpoint


def guided(model: Model, sampling: Sampling, asked: ConditionOf | None = None) -> Guided:
    """Builds the denoiser of a request. `asked` maps images to conditions; None derives them from `sampling`.

    Raises UsageError for a condition or guidance that the model does not support.
    """
    check_distilled(model, sampling)
    if sampling.guidance == "classifier":
        return _by_classifier(model, sampling)
    weaker = None if sampling.guide is None else _weaker(model, sampling.guide)
    condition_of = asked or _requested(model, sampling)
    strength, where = scale(model, sampling), interval(model, sampling)
    # with a default scale of 1, a guide would have no effect; a `scale` of 1 from the user is respected
    guide_only = sampling.guide is not None and sampling.scale is None
    shaped = sampling.interval is not None or sampling.rescale or guide_only
    if strength == 1 and shaped:
        raise UsageError(
            "`interval`, `rescale` and `guide` change how guidance acts, and nothing guides at scale 1; leave them "
            "out, or give another `scale`."
        )
    if strength == 0 and (sampling.interval is not None or sampling.rescale):
        raise UsageError(
            "scale 0 is the unconditional model at every level, which `interval` and `rescale` do not change; leave "
            "them out, or give another `scale`."
        )
    condition = model.condition
    if asked is None and condition is not None and not condition.is_requested(sampling):
        if model.condition_never_dropped:
            raise UsageError(f"{model.name} draws only what it is told; say what, with {condition.example}.")
        if (shaped or sampling.scale is not None) and sampling.guide is None:
            raise UsageError(
                f"`scale` guides to what is asked for, and nothing is; add {condition.example}, or leave it out."
            )

    def denoiser_of(indices: Sequence[int]) -> Denoise:
        rows = condition_of(indices)
        value = None if rows is None else rows.to(model.device)
        if weaker is None and value is None:
            return model.denoiser.given(None)
        base = model.denoiser.given(None) if weaker is None else weaker.denoiser.given(value)
        return guide(model.denoiser.given(value), base, strength, where, sampling.rescale)

    if weaker is None:
        return Guided(denoiser_of, (model.denoiser,))
    return Guided(denoiser_of, (model.denoiser, weaker.denoiser), weaker.digest)


def check_distilled(model: Model, sampler: Sampling) -> None:
    """Raises UsageError for a sampler that a distilled model was not made for."""
    made = None if model.run is None else model.run.distillation
    if made is not None:
        choices.DISTILLATIONS.load(made.method).check_sampler(made, sampler)


def scale(model: Model, sampling: Sampling) -> float:
    """The guidance scale of a request, or the run's default; 1 (no guidance) if nothing can guide the run.

    Raises UsageError for a scale that the run does not support.
    """
    usual = getattr(model.condition, "scale", model.conditioning.scale)
    conditional = model.condition is not None
    if sampling.scale is None and sampling.guide is None:
        return usual if conditional and not model.condition_never_dropped else 1.0
    strength = usual if sampling.scale is None else sampling.scale
    if sampling.guide is None and not conditional:
        raise UsageError(
            f"{model.name} was trained without a condition, so it has no guidance scale; leave out `scale`, guide it "
            "away from a weaker run with `guide`, or to a class with `label` and `guidance='classifier'`."
        )
    if sampling.guide is None and strength != 1 and model.condition_never_dropped:
        raise UsageError(
            f"{model.name} was always told its condition, so guidance has nothing to compare with; leave out "
            "`scale`, or train with `condition_dropout=0.1`."
        )
    return strength


def interval(model: Model, sampling: Sampling) -> tuple[float, float]:
    """The interval of σ/α in which guidance is applied: the requested one, else the run's default, else every level."""
    return sampling.interval or model.conditioning.interval or ALWAYS


def _requested(model: Model, sampling: Sampling) -> ConditionOf:
    if model.condition is not None:
        return model.condition.requested(sampling)
    if sampling.label is not None or sampling.text:
        argument, kind = ("`label`", "class") if not sampling.text else ("`text`", "text")
        also = "; or steer it by a classifier: `guidance='classifier'`" if not sampling.text else ""
        raise UsageError(
            f"{model.name} was trained without a condition, so {argument} has no effect; train one with "
            f"`condition={kind!r}`{also}."
        )
    return lambda indices: None


def _weaker(model: Model, folder: str) -> TrainedModel:
    """The run to guide away from. Raises UsageError if its image shape, its time or its conditions differ."""
    weaker = open_model(find(folder), device=model.device.type)

    def facts(of: TrainedModel) -> tuple[Any, ...]:
        process, conditioning = of.run.process, of.run.conditioning
        time = (process.schedule, process.timesteps, process.beta_low, process.beta_high)
        told = (conditioning.condition, conditioning.encoder, conditioning.operator, conditioning.noise)
        return of.shape, time, *told, of.facts["classes"]

    if not isinstance(model, TrainedModel) or facts(weaker) != facts(model):
        raise UsageError(
            f"{folder} cannot guide {model.name}: its images, schedule, classes or captions are others; take a run "
            "of the same recipe, trained for fewer steps or with a smaller network."
        )
    return weaker


def classifier_of(model: Model, tick: OnStep = lambda step, steps: None) -> Classifier:
    """The classifier of a run's images, trained if it is not in the cache."""
    if not isinstance(model, TrainedModel):
        raise UsageError(f"{model.name} is not a trained run, so no classifier of its images can be trained.")
    train, test = (images(model, split) for split in ("train", "test"))
    if train.labels is None or len(train.classes) < 2:
        raise UsageError(f"the images of {model.name} have no classes; leave out `guidance='classifier'`.")
    return classifier(train, test, tick)


def _by_classifier(model: Model, sampling: Sampling) -> Guided:
    """The unconditional model with classifier guidance."""
    if sampling.label is None or sampling.text:
        raise UsageError("`guidance='classifier'` steers to a class; ask for it with `label`, and leave out `text`.")
    if sampling.guide is not None or sampling.interval is not None or sampling.rescale:
        raise UsageError("`guidance='classifier'` takes neither `guide` nor `interval` nor `rescale`; leave these out.")
    if model.condition_never_dropped:
        raise UsageError(f"{model.name} cannot draw without its condition; leave out `guidance='classifier'`.")
    reader = classifier_of(model)
    label = requested_class(sampling.label, reader.classes)
    strength = 1.0 if sampling.scale is None else sampling.scale

    def denoiser_of(indices: Sequence[int]) -> Denoise:
        labels = torch.tensor([i % len(reader.classes) if label is None else label for i in indices])
        return classifier_guidance(model.denoiser.given(None), lambda x0: reader.log_p(x0, labels).to(x0), strength)

    return Guided(denoiser_of, (model.denoiser,))


@dataclass
class EvaluationCount:
    """A counter of the images that networks were evaluated on."""

    images: int = 0


@contextmanager
def counting_evaluations(networks: Sequence[nn.Module]) -> Iterator[EvaluationCount]:
    """Counts the images on which these networks are evaluated inside the block."""
    count = EvaluationCount()

    def hook(_: nn.Module, args: tuple[Any, ...]) -> None:
        count.images += len(args[0])

    handles = [network.register_forward_pre_hook(hook) for network in networks]
    try:
        yield count
    finally:
        for handle in handles:
            handle.remove()
