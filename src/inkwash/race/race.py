"""A race: recipes for the same images, trained in turn on the same machine, and scored against the same reference."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from inkwash.checked import Checked, Positive
from inkwash.core import Level, determinant
from inkwash.data import Source
from inkwash.distributed import world_size
from inkwash.errors import UsageError
from inkwash.every import NEVER
from inkwash.metrics.score import OnStep, summary
from inkwash.race.racer import DrawingProgress, Point, Racer, Rules, go
from inkwash.race.target import RACED, Target
from inkwash.runs import build, guidance, machine
from inkwash.runs.conditions import condition
from inkwash.runs.model import Model
from inkwash.runs.record import check_same, code, stored
from inkwash.settings import RunSettings, Sampler, Sampling, Scoring
from inkwash.study.machine import machine_facts
from inkwash.study.references import ReferenceSpec, prepare_reference, reference
from inkwash.study.subject import load_model
from inkwash.training import Step
from inkwash.view import check_out

DEFAULT_N, DEFAULT_EVERY, POINTS = 250, 60.0, 10  # images per draw; seconds; number of points if minutes are given
PICTURE = "race.png"


@dataclass(frozen=True)
class Terms(Checked):
    """The end of the race for a recipe. With minutes, the learning rate decays over that time."""

    until: Target | None = None
    minutes: Positive | None = None
    every: Positive | None = None  # seconds of training between two points


@dataclass(frozen=True)
class Standing:
    """The result of a recipe. `score` is the name of the target score."""

    racer: Racer
    points: tuple[Point, ...]
    target: Target | None
    score: str

    @property
    def reached(self) -> bool:
        """Whether the target was reached."""
        return self.target is not None and self.target.reached(self.at.scores)

    @property
    def at(self) -> Point:
        """The first point that reaches the target, or else the best point."""
        reached = [point for point in self.points if self.target is not None and self.target.reached(point.scores)]
        sign = 1 if RACED[self.score].better == "lower" else -1
        return reached[0] if reached else min(self.points, key=lambda point: sign * point.scores[self.score][0])


@dataclass(frozen=True, eq=False)
class Race:
    """A validated race, ready to run. Earlier results are reused."""

    racers: tuple[Racer, ...]
    rules: Rules
    terms: Terms
    folder: Path

    def go(self, racer: Racer, stop: Callable[[], bool]) -> Generator[Step | DrawingProgress | Point, None, None]:
        """Runs one racer to the end of its race, or until `stop()`; see `racer.go`."""
        return go(racer, self.rules, stop)

    @property
    def score(self) -> str:
        """The name of the target score."""
        return "frechet" if self.terms.until is None else self.terms.until.score

    def standings(self) -> tuple[Standing, ...]:
        """The results of the racers that have at least one point."""
        each = [(racer, tuple(racer.points())) for racer in self.racers]
        return tuple(Standing(racer, points, self.terms.until, self.score) for racer, points in each if points)

    @property
    def floor(self) -> dict[str, tuple[float, float]]:
        """Scores of the same number of real images: name -> (mean, standard deviation over three draws)."""
        return summary(list(self.rules.reference.floor))


@dataclass(frozen=True)
class Untrained:
    """A recipe before its training: its images and its initialised network."""

    run: RunSettings
    data_dir: Path | None

    @property
    def name(self) -> str:
        return self.run.recipe

    @property
    def prediction(self) -> str:
        return self.run.process.prediction

    def model(self, precision: torch.dtype | None = None) -> Model:
        source = self.images("train")
        kind, device = condition(self.run, source.classes, shape=source.shape), machine.device(self.run.training.device)
        denoiser = build.denoiser(self.run, source.shape, precision or torch.float32, kind)
        return Model(
            name=self.name,
            shape=source.shape,
            denoiser=denoiser.requires_grad_(False).eval().to(device),
            schedule=build.schedule(self.run.process),
            device=device,
            digest=sha256(repr((self.run, source.fingerprint)).encode()).hexdigest(),
            condition=kind,
            run=self.run,
        )

    def images(self, split: str) -> Source:
        return build.images(self.run.data, split, self.data_dir)

    def condition_order(self) -> None:
        return None


def begin(
    runs: Sequence[RunSettings],
    terms: Terms,
    sampler: Sampler,
    scoring: Scoring,
    out: Path,
    data_dir: Path | None = None,
    device: str = "auto",
    on_step: OnStep = lambda step, steps: None,
) -> Race:
    """Checks a race and prepares it in `out`, or resumes the race there.

    `on_step` is called while a classifier is trained, if needed.

    Raises UsageError, before anything is computed, for recipes of different images, terms without an end, an n
    that the data set does not allow, and a folder with other content.
    """
    _check(runs, terms)
    lasting = [run.training.lasting(minutes=terms.minutes) for run in runs]
    changes: dict[str, Any] = {"device": device, "preview_every": NEVER}
    raced = [replace(run, training=replace(each, **changes)) for run, each in zip(runs, lasting, strict=True)]
    subjects = [Untrained(run, data_dir) for run in raced]
    _check_images(subjects)
    check_out(out / PICTURE)
    sampling = Sampling(**vars(sampler), n=1, seed=scoring.seed)
    racers = tuple(_racer(subject, sampling, out / subject.name) for subject in subjects)
    for racer in racers:
        _check_folder(racer)
    spec = prepare_reference(ReferenceSpec(subjects[0], scoring), DEFAULT_N, on_step)
    every = terms.every or (DEFAULT_EVERY if terms.minutes is None else 60 * terms.minutes / POINTS)
    rules = Rules(replace(sampling, n=spec.n), reference(spec), every, terms.until, data_dir)
    setup = {**_setup(rules, terms, load_model(subjects[0]).device), **code(rules.sampling, scoring, *runs)}
    for racer in racers:
        _check_same(racer, setup)
    for racer in racers:
        if racer.setup() is None:  # reserves the folder of its run for this race
            racer.save(setup, [])
    return Race(racers, rules, terms, out)


def _check(runs: Sequence[RunSettings], terms: Terms) -> None:
    names = [run.recipe for run in runs]
    if not names:
        raise UsageError("a race needs recipes to train (got none).")
    if len(set(names)) < len(names):
        raise UsageError(f"each recipe races once; got {', '.join(names)}.")
    if terms.until is None and terms.minutes is None:
        raise UsageError(
            "a race needs an end: `minutes`, or `until` a score such as frechet=0.8, or whichever is first of both."
        )
    if world_size() != 1:
        raise UsageError("a race is run by one process, for its seconds to be comparable; start it without torchrun.")


def _check_images(subjects: Sequence[Untrained]) -> None:
    prints = {subject.images("train").fingerprint for subject in subjects}
    if len(prints) > 1:
        each = ", ".join(f"{subject.name} on {subject.run.data.source} {_size(subject)}" for subject in subjects)
        raise UsageError(f"one race is for recipes of the same images at the same size; got {each}.")


def _size(subject: Untrained) -> str:
    _, height, width = subject.images("train").shape
    return f"{height}×{width}"


def _racer(subject: Untrained, sampling: Sampling, folder: Path) -> Racer:
    """Prepares a recipe and measures its network's size. Raises UsageError for a sampler that it does not support."""
    model = load_model(subject)
    build.solver(sampling)
    guidance.scale(model, sampling)
    start = build.plan(sampling, model.schedule)[0]
    if determinant(model.denoiser.prediction, start) == 0:
        raise UsageError(
            f"{subject.name} predicts {subject.run.process.prediction}, which says nothing of the image at pure noise, "
            f"where {build.spacing(sampling)} spacing begins on its schedule; take `spacing='leading'`."
        )
    parameters = sum(parameter.numel() for parameter in model.denoiser.parameters())
    return Racer(subject.run, folder, parameters, operations(model, start))


def operations(model: Model, level: Level) -> int:
    """Floating-point operations of the network per image; a multiplication and an addition count as two."""
    x = torch.zeros(1, *model.shape, device=model.device)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model.denoiser(x, level)
    return int(counter.get_total_flops())


def _check_folder(racer: Racer) -> None:
    if racer.folder.exists() and not racer.folder.is_dir():
        raise UsageError(f"{racer.folder} is a file, and the race would train there; choose another `out`.")
    before, points = stored(racer.folder), racer.points()
    if before is not None and racer.setup() is None:
        raise UsageError(f"{racer.folder} is a run that no race has begun; choose another `out`.")
    if before is not None:
        check_same(racer.folder, before, racer.run, "choose another `out`")
    if points and points[-1].step > (racer.trained() or {"step": -1})["step"]:
        raise UsageError(
            f"{racer.path} has a point at step {points[-1].step}, which the run beside it no longer has; "
            "move both away, or choose another `out`."
        )


def _setup(rules: Rules, terms: Terms, device: torch.device) -> dict[str, Any]:
    """Everything that the points of a race depend on. Points are comparable if all of it is equal."""
    machine = machine_facts()
    return {
        "n": rules.sampling.n,
        "sampler": " ".join(f"{name}={value}" for name, value in asdict(rules.sampling).items() if name != "n"),
        "split": rules.reference.source.split,
        "features": rules.reference.features.name,
        "yardstick": rules.reference.digest,
        "minutes": terms.minutes,
        "machine": machine["processor"] if device.type == "cpu" else machine.get("graphics", device.type),
    }


def _check_same(racer: Racer, setup: dict[str, Any]) -> None:
    before = racer.setup() or setup
    for name, now in setup.items():
        if before.get(name) != now:
            then = f"{name}: {before.get(name)} then, {now} now"
            raise UsageError(f"the race in {racer.folder.parent} was begun otherwise ({then}); choose another `out`.")
