"""Pictures between two pictures, through their noise; and how a run turns a picture into its noise."""

from dataclasses import replace

import torch
from torch import Tensor

from inkwash import choices
from inkwash.core import Denoise, Plan, Seeded, mix
from inkwash.errors import UsageError
from inkwash.runs import build
from inkwash.runs.guidance import guided
from inkwash.runs.model import TrainedModel
from inkwash.runs.pictures import Picture
from inkwash.sample.inversion import Inversion
from inkwash.sample.slerp import slerp
from inkwash.settings import RESTORING_SAMPLER, Editing, Sampling


def interpolated(model: TrainedModel, picture: Picture, other: Picture, asked: Editing, sampling: Sampling) -> Tensor:
    """The n pictures [n,C,H,W], float32, from `picture` to `other`, both included as the inversion gives them back.

    Both are inverted under the same condition, their noises are interpolated at n equal shares of the angle between
    them (`sample/slerp.py`), and each is decoded under that condition, without guidance and without a limit: so that
    the ends differ from the pictures by the inversion's error alone. Raises UsageError for a request that does not fit.
    """
    _check(asked, sampling)
    seen, plan = encoding(model, asked, sampling)
    inversion: Inversion = choices.INVERSIONS.load(asked.inversion)()
    first, second = (inversion.encode(seen, each.x.to(model.device), plan) for each in (picture, other))
    images = []
    for share in torch.linspace(0, 1, sampling.n, dtype=torch.float64, device=model.device):
        between: Tensor | tuple[Tensor, ...]
        if isinstance(first, Tensor):
            between = slerp(first[0], second[0], share[None])
        else:  # coupled noises: each with its own partner
            between = tuple(slerp(a[0], b[0], share[None]) for a, b in zip(first, second, strict=True))
        noise = Seeded(mix(sampling.seed), range(1))
        images.append(inversion.decode(seen, between, plan, inversion.solver, noise).float().cpu())
    return torch.cat(images)


def encoding(model: TrainedModel, asked: Editing, sampling: Sampling) -> tuple[Denoise, Plan]:
    """The denoiser under the condition that the picture shows now, and the plan, by which it is encoded."""
    before = replace(
        sampling, label=asked.from_label, text=() if asked.from_text is None else (asked.from_text,), limit="none"
    )
    told = asked.from_label is not None or asked.from_text is not None
    seen: Denoise = model.denoiser.given(None)
    if told:
        seen = guided(model, replace(before, scale=1.0)).denoiser_of(range(1))
    elif model.condition_never_dropped:
        raise UsageError(f"{model.name} reads no picture without a condition; say what it shows with `from_label`.")
    return seen, build.plan(replace(before, solver="heun", eta=None, spacing="karras"), model.schedule)


def _check(asked: Editing, sampling: Sampling) -> None:
    if asked.strength is not None or asked.low_pass is not None:
        raise UsageError("`to` interpolates by inversion; leave out `strength` and `low_pass`.")
    if asked.mask is not None:
        raise UsageError("`to` interpolates whole pictures and takes no `mask`; leave it out.")
    if sampling.label is not None or sampling.text:
        raise UsageError(
            "`to` decodes the pictures under the condition they were encoded with; leave out `label` and `text`, and "
            "say what both show by `from_label` or `from_text`."
        )
    if sampling.scale != RESTORING_SAMPLER.scale:
        raise UsageError("`to` interpolates without guidance; leave out `scale`.")
    if sampling.n < 2:
        raise UsageError(f"an interpolation has at least its two ends (got n={sampling.n}); use `-n 8`.")
