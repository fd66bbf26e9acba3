"""inkwash import."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro

from inkwash.commands._base import RUNS, Command


@dataclass(frozen=True)
class Import(Command):
    """Make a run of a checkpoint that was trained elsewhere."""

    order: ClassVar[int] = 110

    kind: Annotated[Literal["cs231n"], tyro.conf.Positional]
    """Whose: cs231n, of the assignment's trainer."""
    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """The checkpoint, model-….pt."""
    out: Path | None = None
    """Folder for the run; None makes it runs/NAME-OF-THE-FILE."""
    encoder: str = "clip"
    """What read its texts: clip, minilm, or a model's folder or name."""
    size: int = 32
    """Side of its images in pixels."""
    timesteps: int | None = None
    """T, where the checkpoint does not say."""
    schedule: Literal["linear", "cosine", "sigmoid"] | None = None
    """Noise schedule, where the checkpoint does not say."""
    objective: Literal["pred_noise", "pred_x_start"] | None = None
    """What its network predicts, where the checkpoint does not say."""

    def run(self) -> None:
        """Makes a run of the checkpoint and says how to draw from it."""
        from inkwash.importers.cs231n import import_cs231n

        out = self.out or RUNS / self.file.stem
        run = import_cs231n(
            self.file, out, self.encoder, self.size, self.timesteps, self.schedule, self.objective
        )  # fmt: skip
        process, steps = run.process, run.process.timesteps
        print(f"{out}: {process.schedule} schedule, T = {steps}, predicts {process.prediction}")
        print(f'Draw from it with: inkwash sample {out} --text "red heart" --solver ddpm --steps {steps}')
