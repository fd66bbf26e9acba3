"""inkwash train."""

import sys
from collections.abc import Mapping, Set
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from inspect import cleandoc
from pathlib import Path
from threading import Event
from typing import Annotated, ClassVar, Self

import tyro

from inkwash import choices, own, recipes
from inkwash.checked import called
from inkwash.commands._base import RUN, RUNS, Code, DataDir, PresetCommand, needing_play
from inkwash.errors import Stopped, UsageError
from inkwash.foreign import say, show
from inkwash.networks import by_name, name_of
from inkwash.settings import LENGTHS, NetworkName, RunSettings


@dataclass(frozen=True)
class Train(PresetCommand):
    """Train a recipe or a folder of images, or resume a run (inkwash train RUN --resume)."""

    order: ClassVar[int] = 10
    resume_flags: ClassVar[tuple[str, ...]] = ("--resume",)

    settings: RunSettings
    out: Annotated[Path | None, called("--output-dir")] = None
    """Folder for the run; None uses runs/RECIPE, or runs/NAME for the images of a folder NAME."""
    resume: bool = False
    """Resume the run in --out from its last checkpoint."""
    from_run: Annotated[
        Path | None,
        RUN,
        tyro.conf.arg(
            name="from",
            metavar="RUN",
            help="Run to begin with the weights of (fine-tuning); its network and process replace the recipe's.",
        ),
    ] = None
    data_dir: DataDir = None
    play: bool = False
    """Serve the page of inkwash play for this run while it trains, and open it in the browser."""
    play_port: int = 7860
    """Port of that page; 0 takes a free one."""
    network: Annotated[
        NetworkName,
        tyro.conf.arg(help=f"Network to use in place of the recipe's; it has its own flags. {choices.NETWORKS.help}."),
    ] = None
    code: Code = ()

    @classmethod
    def presets(cls) -> Mapping[str, Self]:
        return {name: cls(recipe()) for name, recipe in recipes.names().items()}

    @classmethod
    def preset(cls, name: str | None) -> Self:
        if name is None:
            raise UsageError(f"train needs a recipe: inkwash train RECIPE. They are {', '.join(recipes.names())}.")
        if name not in recipes.names() and Path(name).is_dir():
            from inkwash.runs.record import stored

            if (settings := stored(Path(name))) is not None:
                return cls(settings, Path(name))
        return cls(recipes.find_or_folder(name), RUNS / recipes.run_name(name))

    def summary(self) -> str:
        return recipes.summary(recipes.names()[self.settings.recipe])

    def description(self) -> str:
        recipe = recipes.names().get(self.settings.recipe)
        return cleandoc((recipe and recipe.__doc__) or f"A run of {self.settings.recipe}.")

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return self.out or RUNS / self.settings.recipe

    def reread(self) -> Self | None:
        own.allow_encoder(self.settings.conditioning.encoder)  # before what is stored is read
        settings = self._begun() if self.resume else self._from(self.settings)
        if self.network is not None and name_of(settings.network) != self.network:
            settings = replace(settings, network=by_name(self.network))
        return None if settings is self.settings else replace(self, settings=settings)

    def _from(self, settings: RunSettings) -> RunSettings:
        """The settings with the network and the process of the run to begin with, if there is one."""
        if self.from_run is None:
            return settings
        from inkwash.runs.record import settings_from, stored

        other = stored(self.from_run)
        if other is None:
            raise UsageError(f"there is no run in {self.from_run} to begin from.")
        return settings_from(settings, other)

    def given(self, flags: Set[str]) -> Self:
        training = self.settings.training
        lengths = {name: getattr(training, name) for name in LENGTHS if name in flags}
        return replace(self, settings=replace(self.settings, training=training.lasting(**lengths)))

    def _begun(self) -> RunSettings:
        """The settings of the run to resume, or those of the recipe if there is none."""
        from inkwash.runs.record import stored

        now, before = self.settings, stored(self.folder)
        if before is None or before == now:
            return now
        if before.recipe != now.recipe:
            raise UsageError(f"that run is of the recipe {before.recipe}, not {now.recipe}; choose another --out.")
        source, recipe = now.data.source, recipes.names().get(now.recipe)
        if recipe is not None and source != recipe().data.source:  # a folder of images, which may be another one
            before = replace(before, data=replace(before.data, source=source))
        return before

    def run(self) -> None:
        """Trains with a progress bar; Ctrl-C stops at a checkpoint."""
        from inkwash.distributed import processes

        if not (self.play and processes().is_main):
            self._train()
            return
        with needing_play():
            from inkwash.play.beside import page_beside
        with page_beside(self.folder, self.play_port, sys.stderr.isatty()) as at:
            say(f"the page: {at}")
            self._train()

    def _train(self) -> None:
        from inkwash.commands._flags import in_flags
        from inkwash.progress import bar
        from inkwash.runs.fit import fit
        from inkwash.runs.forecast import Forecast
        from inkwash.runs.machine import sharing_note
        from inkwash.signals import finishing_step
        from inkwash.training import Previewed, Saved, Step, Untracked

        name, folder, stop = self.settings.recipe, self.folder, Event()
        job = fit(self.settings, folder, self.data_dir, self.resume, stop.is_set, from_run=self.from_run)
        if job.is_main:
            channels, height, width = job.shape
            say(
                f"{name}: {job.images:,} images of {height}×{width}×{channels}, {job.parameters:,} parameters, "
                f"{str(job.precision).removeprefix('torch.')} on {job.device.type}, into {folder}",
            )
            shared = None if job.in_parts else sharing_note(job.device)
            for note in (*job.notes, *filter(None, [shared])):
                say(in_flags(note, type(self)))
        last: Step | None = None
        sheets: list[Previewed] = []
        forecast = Forecast(job)
        shown = bar(job.steps, "steps", not job.is_main)
        with finishing_step(stop), closing(job.progress), shown:
            shown.initial = shown.n = job.start
            for event in job.progress:
                match event:
                    case Step():
                        last, shown.total = event, event.steps
                        if job.is_main and (words := forecast.after(event)):
                            shown.clear()  # the line stays above the bar
                            say(words)
                        speed = f"{event.images_per_second:,.0f} images/s"
                        shown.set_postfix_str(f"loss {event.loss:.4f}, {speed}", refresh=False)
                        shown.update(event.step - shown.n)
                    case Saved():
                        saved = event
                    case Previewed():
                        if job.is_main and event.problem:
                            shown.clear()
                            say(in_flags(f"warning: no preview of step {event.step:,}: {event.problem}", type(self)))
                        sheets.append(event)
                    case Untracked():
                        shown.clear()
                        say(f"warning: not tracked by {event.tracker} after step {event.step:,}: {event.problem}.")
        if not job.is_main:
            return
        if last is not None and last.step != last.steps:
            length = "" if last.steps is None else f" of {last.steps}"
            raise Stopped(f"stopped at step {last.step}{length}, and saved.")
        if last is None:
            show(f"{folder} was already trained to its end")
        else:
            took = timedelta(seconds=round(last.seconds))
            show(f"{saved.path}: {saved.step:,} steps in {took}, held-out loss {saved.held_out:.4f}")
        if sheets:
            took = timedelta(seconds=round(sum(sheet.seconds for sheet in sheets)))
            show(f"{sheets[-1].path.parent}: {len(sheets)} previews in {took}; inkwash gallery makes a GIF of them")
        kind = choices.CONDITIONS.load(self.settings.conditioning.condition)
        show(f"Draw from it with: {getattr(kind, 'command', 'inkwash sample {}').format(folder)}")
