"""inkwash import."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro

from inkwash.commands._base import RUNS, Command
from inkwash.foreign import show


@dataclass(frozen=True)
class Import(Command):
    """Convert a checkpoint trained with other software to a run."""

    order: ClassVar[int] = 110

    kind: Annotated[Literal["cs231n"], tyro.conf.Positional]
    """Format of the checkpoint: cs231n, as written by the trainer of the assignment."""
    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """Checkpoint file, model-….pt."""
    out: Path | None = None
    """Folder for the run; None uses runs/NAME-OF-THE-FILE."""
    encoder: str = "clip"
    """Text encoder that it was trained with: clip, minilm, or a model's folder or name."""
    size: int = 32
    """Side of its images in pixels."""
    timesteps: int | None = None
    """Number of timesteps T, if the checkpoint does not record it."""
    schedule: Literal["linear", "cosine", "sigmoid"] | None = None
    """Noise schedule, if the checkpoint does not record it."""
    objective: Literal["pred_noise", "pred_x_start"] | None = None
    """Prediction target of the network, if the checkpoint does not record it."""

    def run(self) -> None:
        """Makes a run of the checkpoint and says how to draw from it."""
        from inkwash.importers.cs231n import import_cs231n

        out = self.out or RUNS / self.file.stem
        run = import_cs231n(
            self.file, out, self.encoder, self.size, self.timesteps, self.schedule, self.objective
        )  # fmt: skip
        process, steps = run.process, run.process.timesteps
        show(f"{out}: {process.schedule} schedule, T = {steps}, predicts {process.prediction}")
        show(f'Draw from it with: inkwash sample {out} --text "red heart"')
