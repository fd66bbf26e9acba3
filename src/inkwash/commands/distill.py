"""inkwash distill."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Annotated, ClassVar, Literal

import tyro

from inkwash import choices
from inkwash.checked import Count, Natural, Positive, Share, named, validator
from inkwash.commands._base import RUNS, Code, Command, DataDirOfRun, Encoder, RunFolder
from inkwash.errors import Stopped, UsageError
from inkwash.foreign import say, show


@dataclass(frozen=True)
class Distill(Command):
    """Distill a run into one that draws in a few evaluations: --steps 4, 2 or 1."""

    order: ClassVar[int] = 15
    resume_flags: ClassVar[tuple[str, ...]] = ()

    folder: RunFolder
    method: Annotated[
        str,
        validator(choices.DISTILLATIONS),
        named(choices.DISTILLATIONS),
        tyro.conf.arg(help=f"Method. {choices.DISTILLATIONS.help}."),
    ] = "progressive"
    steps: int = 4
    """Number of network evaluations that the student draws in."""
    teacher_steps: int | None = None
    """progressive: steps of the first teacher, 2, 4, 8… times --steps; None takes the first of these from 32 on."""
    out: Path | None = None
    """Folder for the student; None uses runs/NAME-STEPS."""
    resume: bool = False
    """Go on with the distillation in --out."""
    minutes: Positive | None = None
    """Length of the whole training in minutes; each stage has an equal part of it."""
    updates: Count | None = None
    """Number of optimiser steps of each stage; None with --minutes fills these, and without it is 400."""
    batch_size: Count = 128
    """Images per optimiser step."""
    lr: Positive = 5e-4
    """Learning rate at the beginning of each stage; it falls to 0."""
    ema: Share = 0.99
    """Decay of the average of the weights, which sampling uses and which teaches the next stage."""
    seed: Natural = 0
    """Seed of all random numbers."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Device to train on."""
    data_dir: DataDirOfRun = None
    encoder: Encoder = None
    code: Code = ()

    def run(self) -> None:
        """Trains the stages, each with a progress bar; Ctrl-C stops at a checkpoint."""
        from inkwash.models import files_of
        from inkwash.progress import bar
        from inkwash.runs.distill import Request, distill
        from inkwash.settings import Training
        from inkwash.signals import finishing_step
        from inkwash.training import Step

        if self.updates is not None and self.updates < 1:
            raise UsageError(f"`updates` must be at least 1 (got {self.updates}).")
        count = len(choices.DISTILLATIONS.load(self.method).stages(self.steps, self.teacher_steps))
        training = Training(
            steps=400 if self.updates is None and self.minutes is None else self.updates,
            minutes=None if self.minutes is None else self.minutes / count,
            batch_size=self.batch_size, draw="stratified", lr=self.lr, warmup=20, decay="linear", ema=self.ema,
            beta2=0.999, seed=self.seed, device=self.device, save_every=100,
        )  # fmt: skip
        out = self.out or RUNS / f"{files_of(self.folder).name}-{self.steps}"
        request, stop = Request(self.folder, self.method, self.steps, self.teacher_steps, training), Event()
        done = 0
        with finishing_step(stop):
            for done, (name, job) in enumerate(distill(request, out, self.resume, stop.is_set, self.data_dir), start=1):
                if job is None:
                    say(f"stage {done} of {count}, {name}: was trained before")
                    continue
                if job.is_main:
                    say(f"stage {done} of {count}, {name}: {job.images:,} images, {job.parameters:,} parameters")
                shown, last = bar(job.steps, "steps", not job.is_main), None
                with closing(job.progress), shown:
                    shown.initial = shown.n = job.start
                    for event in job.progress:
                        if isinstance(event, Step):
                            last, shown.total = event, event.steps
                            speed = f"{event.images_per_second:,.0f} images/s"
                            shown.set_postfix_str(f"loss {event.loss:.4f}, {speed}", refresh=False)
                            shown.update(event.step - shown.n)
                if last is not None and last.step != last.steps:
                    raise Stopped(f"stopped in stage {done} of {count} at step {last.step}, and saved.")
        if done < count:
            raise UsageError(f"stage {done} of {count} did not end; go on with `resume=True`.")
        show(f"{out}: draws in {self.steps} evaluations")
        show(f"Draw from it with: inkwash sample {out}")
