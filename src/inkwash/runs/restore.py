"""Restoring pictures with a run: the chains, their scores, and the sheet that shows them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from inkwash import __version__
from inkwash import own as own_code
from inkwash.core import Seeded, mix, prior
from inkwash.core.noise import VERSION as NOISE_VERSION
from inkwash.data import to_uint8
from inkwash.errors import UsageError
from inkwash.inverse import Measurement, Method, Walk, make_method
from inkwash.inverse.method import check, particles_of
from inkwash.metrics.classifier import Classifier
from inkwash.metrics.features import Features
from inkwash.metrics.restoration import Restorations, scores_of
from inkwash.runs import build
from inkwash.runs.conditions import ReadsMeasurements
from inkwash.runs.degrade import Measured, check_files, code_of, files_of, measurements
from inkwash.runs.draw import channels_last, smooth
from inkwash.runs.guidance import DenoiserOf, Guided, counting_evaluations, guided
from inkwash.runs.model import TrainedModel
from inkwash.runs.pictures import check_facts
from inkwash.runs.provenance import place
from inkwash.runs.record import code, used
from inkwash.runs.trained import check_measured, methods_without, reads, settled, told
from inkwash.sample import last, sample
from inkwash.settings import RESTORING_SAMPLER, Restoring, Sampling
from inkwash.view import check_out, needs_frames, write
from inkwash.view.out import PathLike

BATCH = 8  # chains at a time on a CPU; as in draw, a chain's place in its batch is fixed
WHITE_SD = 1.0  # standard deviation that is white on a sheet


@dataclass(frozen=True, eq=False)
class Restored:
    """What one measurement was restored to: `images` float32 [n,C,H,W] in about [−1, 1]."""

    of: Measured
    images: Tensor
    evaluations: int  # network evaluations per restoration, those of its particles included
    seconds: float
    least: float | None = None  # the smallest effective sample size, for methods with particles

    @property
    def mean(self) -> Tensor:
        """The mean of the restorations, [C,H,W]."""
        return self.images.mean(0)

    @property
    def std(self) -> Tensor:
        """Their standard deviation, [C,H,W]; 0 for one."""
        return self.images.std(0) if len(self.images) > 1 else torch.zeros_like(self.images[0])

    def scored(self, features: Features | None = None, reader: Classifier | None = None) -> Restorations:
        """What scores are computed from; some need features or a classifier."""
        truth = None if self.of.truth is None else self.of.truth[0]
        return Restorations(self.images, self.of.measurement, truth, features, reader)

    def scores(self) -> dict[str, float]:
        """All scores of `metrics.restoration` that need no features, by name."""
        return scores_of(self.scored())


def restore(
    model: TrainedModel,
    found: Sequence[Measured],
    asked: Restoring,
    sampling: Sampling,
    tick: Callable[[int], None] = lambda steps: None,
) -> list[Restored]:
    """Restores each measurement sampling.n times. Restoration j of picture p depends on the seed, p and j alone.

    `tick` is called with 1 after each step of a batch; `cost` says how often. Raises UsageError, before any work, for a
    method that cannot serve an operator, a conditional run that is told nothing, or settings that have no effect.
    """
    asked = settled(model, asked)
    checked(found, asked, sampling)
    told_of = teller(model, found, asked, sampling)
    results = []
    for p, each in enumerate(found):
        started = time.perf_counter()
        measured = _on(each.measurement, model.device)
        denoiser_of, networks, _ = told_of(measured)
        with counting_evaluations(networks) as seen:
            images, chains, least = _chains(model, measured, asked, sampling, denoiser_of, p, tick)
        per_image = seen.images * particles_of(method_of(asked)) // max(1, chains)
        results.append(Restored(each, images, per_image, time.perf_counter() - started, least))
    return results


def teller(
    model: TrainedModel, found: Sequence[Measured], asked: Restoring, sampling: Sampling
) -> Callable[[Measurement], Guided]:
    """The denoiser for each measurement: one that reads it, if the run was trained to, or else the prior for all.

    Raises UsageError if the run was trained on other measurements, or if it does not fit the request.
    """
    kind = reads(model, asked)
    if kind is None:
        prior_of = denoisers(model, sampling)
        return lambda measured: prior_of
    check_measured(model, kind, found)
    if found:
        told(model, sampling, kind, found[0].measurement)
    return lambda measured: told(model, sampling, kind, measured)


def method_of(asked: Restoring) -> Method:
    """The method of a request that `settled` returned."""
    assert asked.method is not None
    return make_method(asked.method)


def checked(found: Sequence[Measured], asked: Restoring, sampling: Sampling) -> Method:
    """The method of a request. Raises UsageError if it does not fit the measurements or the sampler."""
    method = method_of(asked)
    if sampling.engine != "torch":
        raise UsageError("restoration computes with `engine='torch'`, since methods need gradients of the network.")
    other = (sampling.solver, sampling.eta) != (RESTORING_SAMPLER.solver, RESTORING_SAMPLER.eta)
    if getattr(method, "own_solver", False) and other:
        raise UsageError(f"the method {asked.method} has its own solver; leave out `solver` and `eta`.")
    others = {name: make_method(name) for name in methods_without()}
    for each in found:
        check(str(asked.method), method, each.measurement, others)
    return method


def cost(model: TrainedModel, found: Sequence[Measured], asked: Restoring, sampling: Sampling) -> int:
    """How often `restore` calls `tick`."""
    method = checked(found, asked, sampling)
    walk = Walk(lambda x, level: x, build.plan(sampling, model.schedule), build.solver(sampling, model.schedule))
    steps = sum(len(method(walk, each.measurement, model.schedule).plan) - 1 for each in found)
    return steps * -(-sampling.n * particles_of(method) // _batch(model, method))


def denoisers(model: TrainedModel, sampling: Sampling) -> Guided:
    """The denoiser of each image of a request, unconditional at scale 0.

    Raises UsageError if a conditional run is told nothing: a run by class would draw a class of its own choice.
    """
    asks = sampling.label is not None or bool(sampling.text)
    if model.condition is not None and not asks and not model.condition_never_dropped and sampling.scale == 0:
        return Guided(lambda indices: model.denoiser.given(None), (model.denoiser,))
    if isinstance(model.condition, ReadsMeasurements):
        also = "" if model.condition_never_dropped else ", or add `scale=0`, which makes it a prior like any other"
        raise UsageError(
            f"{model.name} was trained to restore what went through {model.condition.spec}, and does nothing else; "
            f"use {model.condition.example} without another method{also}."
        )
    if model.condition is not None and not asks:
        without = "" if model.condition_never_dropped else ", or restore without it: `scale=0`"
        example = model.condition.example
        raise UsageError(f"{model.name} draws what it is told; say what the picture shows with {example}{without}.")
    return guided(model, sampling)


def _batch(model: TrainedModel, method: Method) -> int:
    particles = particles_of(method)
    return particles if particles > 1 else BATCH if model.device.type == "cpu" else 64


def _chains(
    model: TrainedModel,
    measured: Measurement,
    asked: Restoring,
    sampling: Sampling,
    denoiser_of: DenoiserOf,
    p: int,
    tick: Callable[[int], None],
) -> tuple[Tensor, int, float | None]:
    """(the n restorations of one measurement, how many chains ran, the smallest effective sample size)."""
    n, images, chains, least = sampling.n, [], 0, None
    size = _batch(model, method_of(asked))
    particles = particles_of(method_of(asked))
    for start in range(0, n * particles, size):
        lanes, method = range(start, start + size), method_of(asked)
        noise, raw = Seeded(mix(sampling.seed, p), lanes), denoiser_of(lanes)
        after = getattr(method, "limit_after", False)
        walk = Walk(
            raw if after else build.limit(sampling, raw),
            build.plan(sampling, model.schedule),
            build.solver(sampling, model.schedule),
        )
        walk = method(walk, measured, model.schedule)
        if after:
            walk = walk._replace(denoise=build.limit(sampling, walk.denoise))
        x = prior(noise, walk.plan[0], torch.empty(size, *model.shape, device=model.device))
        x = last(_ticking(sample(walk.denoise, x, walk.plan, walk.solver, noise), tick))
        if particles > 1:  # one of the particles, each as likely
            x = x[[mix(sampling.seed, p, start) % particles]]
        images.append(x.float().cpu())
        chains += size
        least = getattr(method, "least", None)
    return torch.cat(images)[:n], chains, least


def _ticking(snapshots: Any, tick: Callable[[int], None]) -> Any:
    for snapshot in snapshots:
        if snapshot.step:
            tick(1)
        yield snapshot


def _on(measured: Measurement, device: torch.device) -> Measurement:
    return replace(measured, y=measured.y.to(device))


# ---- files


def write_restored(
    out: PathLike, results: Sequence[Restored], model: TrainedModel, asked: Restoring, sampling: Sampling
) -> None:
    """Writes a sheet (.png), or the restorations alone (.npz or a folder): image p·n + j is restoration j of picture p.

    The sheet has a column for each picture, and rows: the measurement, the truth where it is known, the mean, the
    standard deviation (white: 1), and the restorations.
    """
    about = provenance(results, model, asked, sampling)
    if str(out).lower().endswith(".png"):
        pictures, labels = sheet(results)
        write(
            out,
            channels_last(to_uint8(pictures)),
            about,
            columns=len(results),
            labels=labels,
            smooth=smooth(model.shape),
        )
    else:
        write(out, channels_last(to_uint8(torch.cat([each.images for each in results]))), about)


def sheet(results: Sequence[Restored]) -> tuple[Tensor, list[str]]:
    """The pictures [rows·P,C,H,W] of a sheet, row by row, and the label of each row."""
    shape = results[0].images.shape[1:]
    rows = {"measurement": [_fitted(each.of.picture[0], shape) for each in results]}
    if all(each.of.truth is not None for each in results):
        rows["truth"] = [each.of.truth[0] for each in results if each.of.truth is not None]
    rows["mean"] = [each.mean for each in results]
    rows[f"sd (white: {WHITE_SD:g})"] = [(each.std / WHITE_SD).clamp(0, 1) * 2 - 1 for each in results]
    for j in range(len(results[0].images)):
        rows[f"{j + 1}"] = [each.images[j] for each in results]
    return torch.stack([image for row in rows.values() for image in row]), list(rows)


def _fitted(picture: Tensor, shape: torch.Size) -> Tensor:
    """A measurement's picture [c,h,w] in the size of the images, each pixel a rectangle."""
    large = torch.nn.functional.interpolate(picture[None].float(), tuple(shape[1:]), mode="nearest-exact")[0]
    return large.expand(shape) if large.shape[0] == 1 else large


def provenance(
    results: Sequence[Restored], model: TrainedModel, asked: Restoring, sampling: Sampling
) -> dict[str, Any]:
    """Everything that restorations depend on, from which `again` makes them again."""
    mine = {**code(*used(model.run), sampling).get("code", {}), **code_of(asked, asked.method).get("code", {})}
    return {
        "inkwash": __version__,
        "command": "restore",
        "noise": NOISE_VERSION,
        "run": place(model.folder),
        "recipe": model.run.recipe,
        "checkpoint": model.digest,
        "which": model.which,
        "precision": str(model.denoiser.precision).removeprefix("torch."),
        "device": model.device.type,
        "batch_size": BATCH,
        "sampling": asdict(replace(sampling, spacing=build.spacing(sampling))),
        "restoring": asdict(asked),
        "pictures": _facts(results),
        "scores": [each.scores() for each in results],
        **files_of([each.of.measurement.operator for each in results]),
        **({"code": mine} if mine else {}),
    }


def _facts(results: Sequence[Restored]) -> list[dict[str, Any]]:
    """One entry for each file; an .npz holds several measurements."""
    return list({each.of.facts["name"]: each.of.facts for each in results}.values())


def restore_files(
    model: TrainedModel,
    names: Sequence[str],
    asked: Restoring,
    sampling: Sampling,
    outs: Sequence[PathLike],
    bar: Callable[[int], Any] | None = None,
) -> list[Restored]:
    """Restores pictures and writes them to each of `outs`. `bar(total)` gives a context with a function to tick."""
    for out in outs:
        check_out(out)
        if needs_frames(out):
            raise UsageError(f"restorations are written as .png, .npz or a folder (got {out}).")
    if len(set(names)) < len(names):
        raise UsageError("a picture is given twice; its restorations would be told apart by their seeds alone.")
    asked = settled(model, asked)
    kind = reads(model, asked)
    own = None if kind is None else (kind.operator, kind.noise)
    found = measurements(names, asked, sampling.seed, model.shape, model, asked.measured, own)
    teller(model, found, asked, sampling)
    total = cost(model, found, asked, sampling)
    if bar is None:
        results = restore(model, found, asked, sampling)
    else:
        with bar(total) as tick:
            results = restore(model, found, asked, sampling, tick)
    for out in outs:
        write_restored(out, results, model, asked, sampling)
    return results


def again(about: dict[str, Any], of: str, out: PathLike, model: TrainedModel) -> None:
    """Makes the restorations of an artifact again, from its provenance."""
    own_code.check_recorded(about.get("code", {}), of)
    check_files(about, of)
    names = [each["name"] for each in about["pictures"]]
    asked = Restoring(**about["restoring"])
    results = restore_files(model, names, asked, Sampling(**about["sampling"]), [out])
    check_facts(about["pictures"], _facts(results), of)
