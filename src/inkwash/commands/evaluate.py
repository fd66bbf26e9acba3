"""inkwash evaluate."""

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Self

import tyro

from inkwash.commands._base import (
    RUN,
    Checkpoint,
    Code,
    Command,
    DataDirOfRun,
    Device,
    Encoder,
    Jobs,
    Weights,
    defaults_of,
)
from inkwash.errors import UsageError
from inkwash.foreign import show
from inkwash.models import files_of
from inkwash.settings import Sampler, Scoring
from inkwash.study.axes import one_cell

_OF_IMAGES = {"folder", "against", "n", "features", "inception", "class_scores", "split", "out", "device", "data_dir"}


@dataclass(frozen=True)
class Evaluate(Command):
    """Score a run's images, or those of a folder or an .npz, against real ones: distances, fidelity, copies."""

    order: ClassVar[int] = 30

    folder: Annotated[
        Path,
        tyro.conf.Positional,
        RUN,
        tyro.conf.arg(metavar="RUN|IMAGES", help="Folder of the run; with --against also a folder or .npz of images."),
    ]
    sampler: Sampler
    scoring: Scoring
    likelihood: int = 0
    """Number of held-out images whose likelihood is measured, in bits per dimension."""
    against: Annotated[
        str | None,
        tyro.conf.arg(
            metavar="DATA|PATH",
            help="Real images to compare with: a known data set, a folder or an .npz; None uses those of the run.",
        ),
    ] = None
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

    def given(self, flags: Set[str]) -> Self:
        if self._is_run:
            return self
        if self.against is None and self.folder.exists():
            raise UsageError(
                f"{self.folder} holds no run. To score images that it holds, say with --against which real ones to "
                "compare with."
            )
        if idle := sorted(flags - _OF_IMAGES):
            words = " and ".join(f"--{name.replace('_', '-')}" for name in idle)
            raise UsageError(f"{self.folder} is not a run, and {words} is for the images of a run; leave it out.")
        return self

    @property
    def _is_run(self) -> bool:
        """Whether the images are drawn from a run; else they are given."""
        from inkwash.training.checkpoint import FILES

        return any((self.folder / name).exists() for name in FILES.values())

    def run(self) -> None:
        """Scores with a bar and prints the table; one process at a time in a folder."""
        from inkwash.distributed import is_main_process
        from inkwash.lock import holding

        if self.against is not None and not self._is_run:
            self._judge()
            return
        with holding(self.out or files_of(self.folder) / "evaluation", "an evaluation", is_main_process()):
            self._run()

    def _judge(self) -> None:
        """Scores images that no run drew, prints the table, and writes scores.json where --out says."""
        from inkwash.progress import classifier_bar
        from inkwash.runs.machine import device
        from inkwash.study.evaluate import write_scores
        from inkwash.study.foreign_images import facts, judge, lines

        assert self.against is not None
        with classifier_bar() as on_step:
            found = judge(self.folder, self.against, self.scoring, device(self.device), self.data_dir, on_step)
        for line in lines(found):
            show(line)
        if self.out is not None:
            path = self.out / "scores.json"
            write_scores(path, facts(found))
            show(path)

    def _run(self) -> None:
        from inkwash.distributed import is_main_process
        from inkwash.progress import bar, classifier_bar
        from inkwash.runs.tuned import resolved
        from inkwash.signals import resumable
        from inkwash.study.evaluate import check_likelihood, cost, evaluation, lines
        from inkwash.study.session import begin
        from inkwash.study.subject import Trained

        subject = Trained(self.folder, self.checkpoint, self.device, self.data_dir, self.weights, self.against)
        check_likelihood(subject, self.likelihood)
        out = self.out or files_of(self.folder) / "evaluation"
        sampler = resolved(self.sampler, self.folder, self.checkpoint)
        with classifier_bar() as on_step:
            job = begin([subject], [one_cell(sampler)], self.scoring, out, 2000, on_step)
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
