"""The measurements of `inkwash evaluate` in addition to the scores of a study: copies, losses and likelihoods."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inkwash import __version__
from inkwash.atomic import replacing
from inkwash.core import Seeded
from inkwash.data import Source, is_same, to_float
from inkwash.denoise import clip
from inkwash.errors import UsageError
from inkwash.metrics import score
from inkwash.metrics.flat import flat_note, flat_share
from inkwash.metrics.floor import Diagnosis, LevelLosses, diagnose, loss_floor
from inkwash.metrics.likelihood import bound, bound_plan, flow
from inkwash.metrics.neighbours import copied, neighbours
from inkwash.metrics.score import DRAWS, SCORES
from inkwash.runs.draw import CPU_BATCH, channels_first, channels_last, smooth
from inkwash.runs.model import TrainedModel
from inkwash.study.machine import machine_facts
from inkwash.study.references import notes
from inkwash.study.subject import Subject, Trained, load_model
from inkwash.study.table import Table
from inkwash.study.units import OnEvaluations, units
from inkwash.view import grid, levels_figure, write

LEVELS, IMAGES = 12, 256  # noise levels, and images, for the losses by level
EDGES, STEPS = 100, 25  # levels of the bound; steps of the flow, with four network evaluations each
HELD_OUT = 2000  # held-out images that are looked at
AT_MOST = 60_000  # training images searched for copies
SHOWN = 10  # images whose nearest neighbours are drawn
_CLAMPED = " Pictures of this run are stretched, each to its own range; scores are of images clamped to [-1, 1]."


@dataclass(frozen=True)
class Bits:
    """Bits per dimension of held-out images: mean and standard error over images."""

    images: int
    bound: tuple[float, float]
    flow: tuple[float, float]


@dataclass(frozen=True)
class Evaluation:
    """The results of an evaluation, and the files that contain them."""

    table: Table
    copies: float  # share of the images that are copies of training images, in [0, 1]
    copies_held_out: float | None  # the same share for held-out images, as a baseline, if there are any
    searched: tuple[int, int]  # training images searched for copies, of how many
    kind: str  # of the images searched: "training", or the name of those given to compare with
    flat: tuple[float, float]  # share of images of one colour: of those drawn, and of held-out ones
    mirrored: bool  # whether their mirror images were searched too, since training flips images
    losses: tuple[LevelLosses, ...]  # empty if they could not be measured, for the reason `no_losses`
    no_losses: str | None
    diagnosis: Diagnosis
    bits: Bits | None
    paths: tuple[Path, ...]


def cost(likelihood: int) -> int:
    """The number of network evaluations in `evaluation`, over all images; a gradient counts as two."""
    return 2 * LEVELS * IMAGES + likelihood * (EDGES + 1 + 3 * 4 * STEPS)


def check_likelihood(subject: Subject, likelihood: int) -> None:
    """Raises UsageError unless the likelihood of so many held-out images can be measured, or it is 0."""
    if likelihood < 0 or likelihood == 1:
        raise UsageError(
            f"`likelihood` is a number of images, 2 or more for a standard error, or 0 (got {likelihood})."
        )
    if likelihood and load_model(subject).condition_never_dropped:
        raise UsageError(f"{subject.name} never saw an image without its condition; leave out `likelihood`.")
    if likelihood and isinstance(subject, Trained) and subject.against is not None:
        raise UsageError(f"a likelihood is of the run's own held-out images, not of {subject.against}; leave one out.")
    held_out = min(HELD_OUT, len(subject.images("test"))) if likelihood else 0
    if likelihood > held_out:
        raise UsageError(f"{subject.name} has {held_out:,} held-out images, fewer than `likelihood={likelihood}`.")


def evaluation(done: Table, out: Path, likelihood: int, on_evaluations: OnEvaluations) -> Evaluation:
    """Searches for copies, compares losses with their floor, measures likelihoods, and writes the results to `out`.

    `done` has one row. `likelihood` is a number of held-out images, or 0. `on_evaluations` is called with the number of
    new network evaluations. Raises UsageError as `check_likelihood` does.
    """
    subject = done.rows[0].cell.subject
    model = load_model(subject)
    check_likelihood(subject, likelihood)
    train, test = subject.images("train"), subject.images("test")
    some, held_out = _some(train, AT_MOST), _some(test, HELD_OUT)
    images = _images(done)
    mirrored = isinstance(model, TrainedModel) and model.run.data.flip
    near = neighbours(images, some, mirrored)
    baseline = None if is_same(test, train.fingerprint) else copied(neighbours(held_out, some, mirrored))
    against = subject.against if isinstance(subject, Trained) else None
    losses: tuple[LevelLosses, ...] = ()
    no_losses = None
    if against is not None:
        no_losses = f"{against} is not what this run was trained on"
    elif model.condition_never_dropped:
        no_losses = "this run never saw an image without its condition"
    elif min(len(some), len(held_out)) < 2:
        no_losses = f"they take 2 images of each part, and {len(held_out)} is held out of {len(train) + len(test)}"
    else:
        losses = loss_floor(
            model.denoiser, model.denoiser.prediction, model.schedule, some.to(model.device),
            held_out.to(model.device), LEVELS, IMAGES, tick=on_evaluations,
        )  # fmt: skip
    bits = _bits(subject, held_out[:likelihood], on_evaluations) if likelihood else None
    about = {"inkwash": __version__, "command": "evaluate", "checkpoint": model.digest}
    if "code" in done.facts:
        about["code"] = done.facts["code"]
    pairs = (near.distance / near.second.clamp(min=1e-12)).argsort()[:SHOWN]  # the most suspicious first
    suspects = channels_last(torch.cat([images[pairs], some[near.which[pairs]]]))
    sheet = grid(
        suspects,
        columns=len(pairs),
        labels=["drawn", f"nearest in {against or 'training'}"],
        smooth=smooth(model.shape),
    )
    neighbours_path, losses_path, scores_path = out / "neighbours.png", out / "losses.png", out / "scores.json"
    write(neighbours_path, sheet[None], about)
    if losses:
        write(losses_path, levels_figure(*_curves(losses))[None], about)
    found = Evaluation(
        done, copied(near), baseline, (len(some), len(train)), against or "training",
        (flat_share(images), flat_share(held_out)), mirrored,
        losses, no_losses, diagnose(losses), bits,
        (scores_path, neighbours_path, *([losses_path] if losses else [])),
    )  # fmt: skip
    write_scores(scores_path, as_json(found))
    return found


def as_json(found: Evaluation) -> dict[str, Any]:
    """All numbers, and everything that they depend on."""
    row = found.table.rows[0]
    return {
        **found.table.facts,
        "machine": machine_facts(),
        "sampling": asdict(row.cell.sampling),
        "evaluations": row.evaluations,
        "scores": {name: {"mean": mean, "sd": sd} for name, (mean, sd) in row.scores.items()},
        "draws_scores": [score.as_json(scores) for scores in row.draws],
        "floor": {name: {"mean": mean, "sd": sd} for name, (mean, sd) in found.table.floor_scores.items()},
        "floor_draws": [score.as_json(scores) for scores in found.table.floor],
        "copies": found.copies,
        "copies_held_out": found.copies_held_out,
        "copies_searched": {"images": found.searched[0], "of": found.searched[1], "mirrored": found.mirrored},
        "flat": {"images": found.flat[0], "held_out": found.flat[1]},
        "losses": [asdict(each) for each in found.losses],
        "verdict": asdict(found.diagnosis),
        "bits_per_dimension": None if found.bits is None else asdict(found.bits),
    }


def lines(found: Evaluation) -> list[str]:
    """The evaluation as a table of text."""
    done, facts = found.table, found.table.facts
    row = done.rows[0]
    reader = facts["reader"]
    width = max(len(score.title) for score in SCORES.values()) + 1
    text = [
        f"{row.cell.subject.name}, checkpoint {load_model(row.cell.subject).digest[:12]}, "
        f"{row.cell.sampling.solver} with {row.cell.sampling.steps} steps"
        + ("" if row.cell.sampling.scale is None else f", guidance scale {row.cell.sampling.scale:g}"),
        f"{DRAWS} draws of n = {done.n:,} images against {facts['compared']:,} of {facts['data']}'s {facts['split']} "
        f"split, in {facts['features']} features {facts['features_digest'][:12]}"
        + (f" (reads {reader['accuracy']:.1%} of the test images)" if reader else ""),
        "",
        f"{'':{width}}{'images':>10}{'±':>9}   {'real ones':>10}{'±':>9}",
    ]
    for name, (mean, sd) in row.scores.items():
        real = done.floor_scores.get(name)
        floor = f"{real[0]:10.4g}{real[1]:9.2g}" if real else f"{'':>19}"
        text.append(f"{SCORES[name].title:{width}}{mean:10.4g}{sd:9.2g}   {floor}")
    text += notes(done.reference_spec)
    if row.draws[0].histogram is not None:
        text += ["", "class histogram (share of the images drawn, and of real ones)", *_histogram(done)]
    diagnosis, model = found.diagnosis, load_model(row.cell.subject)
    if note := flat_note(*found.flat):
        clamped = isinstance(model, TrainedModel) and model.run.stretch
        text += ["", f"{note} The scores are mostly of them." + (_CLAMPED if clamped else "")]
    text += [
        "",
        f"copies of {found.kind} images: {found.copies:.2%}"
        + ("" if found.copies_held_out is None else f" (of held-out images: {found.copies_held_out:.2%})")
        + f", searched in {_of(*found.searched)} {found.kind} images"
        + (" and their mirror images" if found.mirrored else ""),
    ]
    if found.no_losses:
        return [*text, f"losses and memory are not measured: {found.no_losses}"]
    if model.condition is not None:
        text.append("this run is conditional; what follows is of its unconditional output")
    text += [
        f"memory of the training set, by noise level: at most {max(diagnosis.memory, default=0):.0%}"
        + (f"; memorised at t = {_times(diagnosis.memorised)}" if diagnosis.memorised else ""),
        f"underfit at t = {_times(diagnosis.underfit)}" if diagnosis.underfit else "underfit at no noise level",
    ]
    if found.bits is not None:
        text.append(
            f"bits per dimension of {found.bits.images} held-out images: at most {found.bits.bound[0]:.3f} "
            f"± {found.bits.bound[1]:.3f} (variational bound), {found.bits.flow[0]:.3f} ± {found.bits.flow[1]:.3f} "
            "(probability flow)"
        )
    return text


def write_scores(path: Path, facts: dict[str, Any]) -> None:
    """Writes the facts of an evaluation as JSON, with null where a score is undefined."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(_without_nan(facts), indent=1, allow_nan=False), encoding="utf-8")


def _without_nan(value: Any) -> Any:
    """The same with None for every nan, which JSON does not have."""
    if isinstance(value, dict):
        return {name: _without_nan(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _of(some: int, all_: int) -> str:
    return f"all {all_:,}" if some == all_ else f"a random {some:,} of {all_:,}"


def _histogram(done: Table) -> list[str]:
    drawn, real = (
        np.mean([scores.histogram for scores in draws if scores.histogram is not None], axis=0)
        for draws in (done.rows[0].draws, done.floor)
    )  # fmt: skip
    classes = done.facts["classes"]
    width = max(len(name) for name in classes)
    return [
        f"  {name:{width}} {share:6.1%} {of_real:6.1%}  {'█' * round(100 * share)}"
        for name, share, of_real in zip(classes, drawn, real, strict=True)
    ]


def _times(times: tuple[float, ...]) -> str:
    return ", ".join(f"{t:.3g}" for t in times)


def _images(done: Table) -> Tensor:
    """All images of all draws, uint8 [3n,C,H,W]."""
    row, folder = done.rows[0], done.folder
    drawn = [unit.images() for unit in units([row.cell], done.reference_spec, folder)]
    return torch.cat([channels_first(each.images) for each in drawn if each is not None])


def _some(source: Source, most: int) -> Tensor:
    """The images of a source, or a random subset of them."""
    order = torch.arange(len(source))
    if len(source) > most:
        order = torch.randperm(len(source), generator=torch.Generator().manual_seed(0))[:most]
    return source.take(order).cpu()


def _bits(subject: Subject, pixels: Tensor, on_evaluations: OnEvaluations) -> Bits:
    model = subject.model(torch.float32)  # gradients of bfloat16 are too coarse for a trace
    plan = bound_plan(model.schedule)
    upper, exact = [], []
    for first in range(0, len(pixels), CPU_BATCH):
        x0 = to_float(pixels[first : first + CPU_BATCH]).to(model.device)
        chosen = range(first, first + len(x0))
        upper.append(bound(clip(model.denoiser), x0, plan, Seeded(0, chosen), EDGES, seed=first).total.cpu())
        on_evaluations(len(x0) * (EDGES + 1))
        exact.append(flow(model.denoiser, x0, model.schedule, STEPS, Seeded(1, chosen)).bits.cpu())
        on_evaluations(len(x0) * 3 * 4 * STEPS)
    return Bits(len(pixels), _estimate(torch.cat(upper)), _estimate(torch.cat(exact)))


def _estimate(values: Tensor) -> tuple[float, float]:
    error = values.std().item() / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return values.mean().item(), error


def _curves(losses: tuple[LevelLosses, ...]) -> tuple[list[float], dict[str, tuple[list[float], list[float]]]]:
    """σ/α of each level, and by name the losses at these levels with their standard errors."""
    noise = [math.exp(-row.logsnr / 2) for row in losses]
    named = {
        "network, training images": [row.training.network for row in losses],
        "network, held-out images": [row.held_out.network for row in losses],
        "ideal, training images: the floor": [row.training.ideal for row in losses],
        "ideal, held-out images": [row.held_out.ideal for row in losses],
    }
    return noise, {name: ([each.mean for each in of], [each.error for each in of]) for name, of in named.items()}
