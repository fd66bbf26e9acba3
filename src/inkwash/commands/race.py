"""inkwash race."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Annotated, ClassVar

import tyro

from inkwash import recipes
from inkwash.commands._base import RUNS, Command, DataDir, Device
from inkwash.errors import Stopped, UsageError
from inkwash.foreign import harmless, say, show
from inkwash.settings import RunSettings, Sampler, Scoring


@dataclass(frozen=True)
class Race(Command):
    """Train recipes on the same images in turn, and compare their quality over training time."""

    order: ClassVar[int] = 50

    recipes: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RECIPE…")]
    """Recipes for the same images."""
    scoring: Scoring
    until: Annotated[str | None, tyro.conf.arg(metavar="{None}|SCORE=VALUE")] = None
    """Score at which a recipe finishes the race: frechet, kernel, precision, recall or coverage."""
    minutes: float | None = None
    """Minutes of training after which the race ends for each recipe; its learning rate decays over this time."""
    every: float | None = None
    """Seconds of training between two scorings; None uses a tenth of --minutes, or else 60."""
    sampler: Sampler = field(default_factory=lambda: Sampler(steps=25))
    out: Path | None = None
    """Folder of the race, which contains the run of each recipe; None uses runs/race-RECIPES."""
    device: Device = "auto"
    data_dir: DataDir = None

    def run(self) -> None:
        """Trains and scores the recipes in turn, with a bar for each, and writes the results."""
        from inkwash.lock import holding

        if not self.recipes:
            raise UsageError("a race needs recipes: inkwash race RECIPE RECIPE --minutes 10.")
        runs = [recipes.find_or_folder(name) for name in self.recipes]
        out = self.out or RUNS / f"race-{'-'.join(run.recipe for run in runs)}"
        with holding(out, "a race"):
            self._run(runs, out)

    def _run(self, runs: Sequence[RunSettings], out: Path) -> None:
        from inkwash.progress import bar, classifier_bar
        from inkwash.race.race import Terms, begin
        from inkwash.race.racer import DrawingProgress, Point
        from inkwash.race.table import plus_minus, table, write_results
        from inkwash.race.target import Target
        from inkwash.signals import finishing_step
        from inkwash.training import Step

        until = None if self.until is None else Target.read(self.until)
        terms = Terms(until, self.minutes, self.every)
        with classifier_bar() as on_step:
            job = begin(runs, terms, self.sampler, self.scoring, out, self.data_dir, self.device, on_step)
        stop = Event()
        with finishing_step(stop):
            for racer in job.racers:
                say(f"{racer.name}: {racer.parameters:,} parameters, into {racer.folder}")
                with bar(racer.run.training.steps or 0, "steps") as shown:
                    shown.initial = shown.n = (racer.trained() or {"step": 0})["step"]
                    for event in job.go(racer, stop.is_set):
                        match event:
                            case Step():
                                shown.total = event.steps
                                shown.set_postfix_str(f"{event.seconds:,.0f} s, loss {event.loss:.4f}", refresh=False)
                                shown.update(event.step - shown.n)
                            case DrawingProgress():
                                shown.delay = 0  # show the bar from now on, even after a short training
                                shown.set_postfix_str(f"drawn to be scored: {event.images} of {event.of}")
                            case Point():
                                score = plus_minus(*event.scores[job.score])
                                words = f"{racer.name}: {job.score} {score} after {event.seconds:,.0f} s of training"
                                shown.write(harmless(words), file=sys.stderr)
                if stop.is_set():
                    raise Stopped("stopped; what was trained and scored is kept.")
        for line in table(job):
            show(line)
        for path in write_results(job):
            show(path)
