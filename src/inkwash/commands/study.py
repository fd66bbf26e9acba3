"""inkwash study."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import tyro

from inkwash.commands._base import (
    RUN,
    RUNS,
    Checkpoint,
    Code,
    Command,
    DataDirOfRun,
    Device,
    Encoder,
    Jobs,
    Weights,
    defaults_of,
    notice,
)
from inkwash.commands.train import Train
from inkwash.errors import UsageError
from inkwash.foreign import show
from inkwash.models import title
from inkwash.settings import RunSettings, Scoring
from inkwash.study.axes import Sweep, sweep_of


@dataclass(frozen=True)
class Study(Command):
    """Vary the sampler settings, score the images, and write a report that explains the results."""

    order: ClassVar[int] = 40

    runs: Annotated[tuple[Annotated[Path, RUN], ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN…")]
    """Folders of runs of the same images, or models in the box."""
    sweep: Sweep
    scoring: Scoring
    against: Annotated[
        str | None,
        tyro.conf.arg(
            metavar="DATA|PATH",
            help="Real images to compare with, as those of imported runs are not known; None uses those of the runs.",
        ),
    ] = None
    preset: Literal["quick", "lab06", "gaussian"] | None = None
    """A predefined study, which trains the runs it needs: the lab's questions on digits or MNIST, or a self-test."""
    out: Path | None = None
    """Folder of the study; None uses runs/study-NAMES."""
    jobs: Jobs = None
    checkpoint: Checkpoint = "last"
    weights: Weights = "ema"
    device: Device = "auto"
    data_dir: DataDirOfRun = None
    encoder: Encoder = None
    code: Code = ()

    def reread(self) -> Self | None:
        each = {defaults_of(folder, self.checkpoint) for folder in self.runs}
        found = each.pop() if len(each) == 1 else None  # runs of several recipes are compared with one sampler
        return None if found is None else type(self)(self.runs, sweep_of(found[0]), Scoring())

    def follows(self, defaults: Self) -> bool:
        return self.sweep.solver == defaults.sweep.solver

    def run(self) -> None:
        """Trains what a preset needs, measures all cells, and writes the report; one process at a time in a folder."""
        from inkwash.distributed import is_main_process
        from inkwash.lock import holding

        self._check_preset()
        names = self.preset or "-".join(map(title, self.runs))
        out = self.out or RUNS / f"study-{names}"
        with holding(out, "a study", is_main_process()):
            self._run(out)

    def _run(self, out: Path) -> None:
        from inkwash.distributed import is_main_process
        from inkwash.progress import bar, classifier_bar
        from inkwash.report.sections import answers
        from inkwash.report.write import write_report
        from inkwash.signals import resumable
        from inkwash.study.exact import Exact
        from inkwash.study.machine import machine_facts
        from inkwash.study.presets import PRESETS
        from inkwash.study.session import begin
        from inkwash.study.subject import Subject, Trained

        preset = None if self.preset is None else PRESETS[self.preset]()
        folders = [RUNS / name for name in preset.runs] if preset else list(self.runs)
        for train in _untrained(preset.runs, self.data_dir) if preset else ():
            train.run()
        subjects: list[Subject] = [
            Trained(folder, self.checkpoint, self.device, self.data_dir, self.weights, self.against)
            for folder in folders
        ]  # fmt: skip
        if preset and not preset.runs:
            subjects = [Exact()]
        sweeps = preset.sweeps if preset else (self.sweep,)
        with classifier_bar() as on_step:
            job = begin(subjects, sweeps, self.scoring, out, preset.n if preset else 200, on_step)
        count = len(job.cells)
        notice(f"{count} cell{'s' * (count > 1)}, three draws of {job.n} images in each, into {out}")
        for note in job.notes:
            notice(note)
        with resumable(), bar(job.left, "evaluations", not is_main_process(), scale=True) as shown:
            done = job.finish(self.jobs, shown.update)
        if not is_main_process():
            return
        with bar(1 + 2 * len(done.axes), "figures") as shown:
            paths = write_report(done, out, machine_facts(), lambda drawn, of: shown.update(drawn - shown.n))
        for path in paths[:3]:
            show(path)
        for text in answers(done):
            notice(text)

    def _check_preset(self) -> None:
        """Raises UsageError if there is no run, and for arguments that the preset determines."""
        if self.preset is None and not self.runs:
            raise UsageError("a study needs a run: inkwash study RUN, or --preset quick.")
        if self.preset is not None and self.runs:
            raise UsageError(f"--preset {self.preset} has its own runs; leave out {self.runs[0]}, or the preset.")
        if self.preset is not None and self.against is not None:
            raise UsageError(f"--preset {self.preset} has its own images; leave out --against, or the preset.")
        if self.preset is not None and self.sweep != Sweep():
            raise UsageError(f"--preset {self.preset} has its own axes; leave out those flags, or the preset.")


def _untrained(runs: Mapping[str, RunSettings], data_dir: Path | None) -> list[Train]:
    """The trainings of a preset's runs that do not exist or are unfinished."""
    from inkwash.runs.record import check_same, ended, stored

    todo = []
    for name, run in runs.items():
        folder = RUNS / name
        before = stored(folder)
        if before is not None:
            check_same(folder, before, run, f"move it away, or study it without --preset: inkwash study {folder}")
        if before is None or not ended(folder):
            todo.append(Train(run, folder, before is not None, data_dir))
    return todo
