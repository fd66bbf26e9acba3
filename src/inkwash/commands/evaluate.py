"""inkwash evaluate."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from inkwash.commands._base import (
    Checkpoint,
    Code,
    Command,
    DataDirOfRun,
    Device,
    Encoder,
    Jobs,
    RunFolder,
    Weights,
    defaults_of,
)
from inkwash.errors import UsageError
from inkwash.foreign import show
from inkwash.models import files_of
from inkwash.settings import Sampler, Scoring
from inkwash.study.axes import one_cell


@dataclass(frozen=True)
class Evaluate(Command):
    """Score a run's images against real ones: distances, fidelity, diversity, copies, losses, likelihood."""

    order: ClassVar[int] = 30

    folder: RunFolder
    sampler: Sampler
    scoring: Scoring
    likelihood: int = 0
    """Number of held-out images whose likelihood is measured, in bits per dimension."""
    out: Path | None = None
    """Folder for the scores and figures; None uses RUN/evaluation."""
    jobs: Jobs = None
    checkpoint: Checkpoint = "last"
    weights: Weights = "ema"
    device: Device = "auto"
    data_dir: DataDirOfRun = None
    encoder: Encoder = None
    code: Code = ()

    def reread(self) -> Self | None:
        found = defaults_of(self.folder, self.checkpoint)
        return None if found is None else type(self)(self.folder, found[0], Scoring())

    def follows(self, defaults: Self) -> bool:
        return self.sampler.solver == defaults.sampler.solver

    def run(self) -> None:
        """Scores with a bar and prints the table; one process at a time in a folder."""
        from inkwash.distributed import is_main_process
        from inkwash.lock import holding

        with holding(self.out or files_of(self.folder) / "evaluation", "an evaluation", is_main_process()):
            self._run()

    def _run(self) -> None:
        from inkwash.distributed import is_main_process
        from inkwash.progress import bar, classifier_bar
        from inkwash.signals import resumable
        from inkwash.study.evaluate import cost, evaluation, lines
        from inkwash.study.session import begin
        from inkwash.study.subject import Trained

        if self.likelihood < 0 or self.likelihood == 1:
            raise UsageError(
                f"--likelihood is a number of images, 2 or more for a standard error, or 0 (got {self.likelihood})."
            )
        subject = Trained(self.folder, self.checkpoint, self.device, self.data_dir, self.weights)
        out = self.out or files_of(self.folder) / "evaluation"
        with classifier_bar() as on_step:
            job = begin([subject], [one_cell(self.sampler)], self.scoring, out, 2000, on_step)
        with resumable(), bar(job.left, "evaluations", not is_main_process(), scale=True) as shown:
            done = job.finish(self.jobs, shown.update)
        if not is_main_process():
            return
        with resumable(), bar(cost(self.likelihood), "evaluations", scale=True) as shown:
            found = evaluation(done, out, self.likelihood, shown.update)
        for line in lines(found):
            show(line)
        for path in found.paths:
            show(path)
