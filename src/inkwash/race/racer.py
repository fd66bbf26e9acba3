"""One recipe in a race: training alternates with drawing and scoring until the end of the race.

Its run is an ordinary run, resumed from its checkpoints. The clock counts training time only, not drawing or scoring.
"""

import json
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inkwash import __version__, own
from inkwash.atomic import replacing
from inkwash.data.regular import open_regular
from inkwash.errors import InkwashError, UsageError
from inkwash.metrics.score import DRAWS, Reference, Scores, as_json, from_json, summary
from inkwash.race.target import Target
from inkwash.runs.draw import channels_first, draw
from inkwash.runs.fit import fit
from inkwash.runs.model import open_model
from inkwash.settings import RunSettings, Sampling
from inkwash.study.subject import ConditionOrder
from inkwash.training import Step
from inkwash.training.checkpoint import LAST, facts
from inkwash.training.loop import LOG_EVERY

EVALUATIONS = 3  # network evaluations per training image: one forward pass, and a backward pass that costs two
CHUNK = 64  # images between two checks of `stop`


@dataclass(frozen=True)
class Point:
    """The scores of three draws of images after some training."""

    step: int
    seconds: float  # of training
    images: int  # trained on so far
    draws: tuple[Scores, ...]

    @cached_property
    def scores(self) -> dict[str, tuple[float, float]]:
        """Name -> (mean, standard deviation over the draws)."""
        return summary(list(self.draws))

    @property
    def evaluations(self) -> int:
        """Network evaluations in training, over all images."""
        return EVALUATIONS * self.images


@dataclass(frozen=True)
class DrawingProgress:
    """The progress of drawing the images for the next point."""

    images: int
    of: int


@dataclass(frozen=True, eq=False)
class Rules:
    """The settings that all recipes of a race share."""

    sampling: Sampling  # of one draw of three
    reference: Reference
    every: float  # seconds of training between two points
    target: Target | None
    data_dir: Path | None


@dataclass(frozen=True)
class Racer:
    """A recipe in a race. Its scores are written to a file next to the folder of its run."""

    run: RunSettings
    folder: Path
    parameters: int
    operations: int  # floating-point ones, of one evaluation for one image

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def path(self) -> Path:
        """The file of the points."""
        return self.folder.with_name(f"{self.name}.json")

    def setup(self) -> dict[str, Any] | None:
        """The settings that the points in the file depend on; None if there is no file."""
        return None if (saved := self._load()) is None else saved[0]

    def points(self) -> list[Point]:
        """The points so far, in the order of training."""
        return [] if (saved := self._load()) is None else saved[1]

    def save(self, setup: dict[str, Any], points: list[Point]) -> None:
        """Writes the file of the points atomically."""
        plain = [{**asdict(each), "draws": list(map(as_json, each.draws))} for each in points]
        with replacing(self.path) as temporary:
            text = json.dumps({"inkwash": __version__, "about": setup, "points": plain}, indent=1)
            temporary.write_text(text, encoding="utf-8")

    def trained(self) -> dict[str, Any] | None:
        """The facts of the last checkpoint; None if training has not started."""
        return facts(self.folder / LAST) if (self.folder / LAST).exists() else None

    def finished(self, target: Target | None) -> bool:
        """Whether the race has ended: the target is reached, or the training has ended and is scored."""
        points, now = self.points(), self.trained()
        if not points or now is None:
            return False
        if target is not None and any(target.reached(point.scores) for point in points):
            return True
        return bool(points[-1].step == now["step"] >= now["steps"])

    def _load(self) -> tuple[dict[str, Any], list[Point]] | None:
        if not self.path.exists():
            return None
        try:
            with open_regular(self.path) as file:
                saved = json.loads(file.read())
            points = [Point(**{**each, "draws": tuple(map(from_json, each["draws"]))}) for each in saved["points"]]
            return dict(saved["about"]), points
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            raise UsageError(
                f"{self.path} is in the way: a race writes its points there, and this version reads none in it; "
                "move it away, or choose another `out`."
            ) from None


def go(racer: Racer, rules: Rules, stop: Callable[[], bool]) -> Generator[Step | DrawingProgress | Point, None, None]:
    """Runs a recipe to the end of its race, or until `stop()`. Earlier work is not repeated.

    Yields the progress of training and drawing, and each point after it is saved. Raises InkwashError if the loss is
    no longer finite.
    """
    setup = racer.setup() or {}
    while not (stop() or racer.finished(rules.target)):
        points = racer.points()
        yield from _train(racer, rules, (points[-1].seconds if points else 0.0) + rules.every, stop)
        if stop():
            return
        point = yield from _score(racer, rules, stop)
        if point is None:
            return
        racer.save(setup, [*points, point])
        yield point


def _train(racer: Racer, rules: Rules, until: float, stop: Callable[[], bool]) -> Generator[Step, None, None]:
    """Trains until the run's clock reaches `until` seconds or the run ends, and writes a checkpoint."""
    now = racer.trained()
    if now is not None and (now["seconds"] >= until or now["step"] >= now["steps"]):
        return  # it was interrupted before it was scored
    arrived = False
    try:
        own.allow_encoder(racer.run.conditioning.encoder)
        job = fit(racer.run, racer.folder, rules.data_dir, now is not None, lambda: arrived or stop())
        with closing(job.progress):
            for event in job.progress:
                if isinstance(event, Step):
                    # known at every tenth step, and then one more is made; the first step of a part tells no speed yet
                    arrived = event.step % LOG_EVERY == 0 and event.seconds >= until
                    yield event
    except InkwashError as error:
        raise type(error)(f"{racer.name}: {error}") from error


def _score(racer: Racer, rules: Rules, stop: Callable[[], bool]) -> Generator[DrawingProgress, None, Point | None]:
    """Draws three times n images from the last checkpoint and scores them; None if interrupted."""
    model = open_model(racer.folder, device=racer.run.training.device)
    n = rules.sampling.n
    order = None if model.condition is None else ConditionOrder(rules.reference.source, model.condition)
    images: list[Tensor] = []
    for first in range(0, DRAWS * n, CHUNK):
        if stop():
            return None
        few = replace(rules.sampling, n=min(CHUNK, DRAWS * n - first))
        images.append(channels_first(draw(model, few, first=first, asked=order).images))
        yield DrawingProgress(first + few.n, DRAWS * n)
    scores = tuple(
        rules.reference.score(part, None if order is None else order.labels(range(i * n, (i + 1) * n)))
        for i, part in enumerate(torch.split(torch.cat(images), n))
    )
    return Point(model.facts["step"], model.facts["seconds"], model.facts["images_seen"], scores)
