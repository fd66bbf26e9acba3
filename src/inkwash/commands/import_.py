"""inkwash import."""

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import tyro

from inkwash import choices
from inkwash.checked import named, validator
from inkwash.commands._base import RUNS, Command
from inkwash.errors import UsageError
from inkwash.foreign import show


@dataclass(frozen=True)
class Import(Command):
    """Convert a checkpoint trained with other software to a run."""

    order: ClassVar[int] = 110

    kind: Annotated[str, tyro.conf.Positional, validator(choices.IMPORTERS), named(choices.IMPORTERS)]
    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """Checkpoint file. Only tensors and numbers are read, so no code in it is run."""
    out: Path | None = None
    """Folder for the run; None uses runs/NAME-OF-THE-FILE."""
    encoder: str = "clip"
    """cs231n: text encoder that it was trained with: clip, minilm, or a model's folder or name."""
    embeddings: Path | None = None
    """cs231n: the course's text_embeddings.pt; no encoder is needed then, and its texts can be asked for."""
    size: int = 32
    """cs231n, abarankab, lab06: side of its images in pixels."""
    timesteps: int | None = None
    """cs231n, lab06: number of timesteps T, if the checkpoint does not record it."""
    schedule: Literal["linear", "cosine", "sigmoid"] | None = None
    """cs231n: noise schedule, if the checkpoint does not record it."""
    predicts: Literal["eps", "v"] = "eps"
    """lab06: what the network predicts."""
    unit: bool = True
    """lab06: whether the network was trained on images in [0, 1], as the lab's clamp expects, or in [-1, 1]."""
    normed: bool = False
    """lab06: whether the network's attention applies its norm, which labml's own code does not."""
    objective: Literal["pred_noise", "pred_x_start"] | None = None
    """cs231n: prediction target of the network, if the checkpoint does not record it."""

    def given(self, flags: Set[str]) -> Self:
        make = choices.IMPORTERS.load(choices.IMPORTERS.check(self.kind))
        if idle := sorted(name for name in flags - {"kind", "file", "out"} if not choices.takes(make, name)):
            raise UsageError(f"--{idle[0]} is not for a checkpoint of {self.kind}; leave it out.")
        return self

    def run(self) -> None:
        """Makes a run of the checkpoint and says how to draw from it."""
        out = self.out or RUNS / self.file.stem
        flags: dict[str, Any] = {name: value for name, value in vars(self).items() if name != "kind"}
        run = choices.call(choices.IMPORTERS.load(self.kind), **(flags | {"out": out}))
        process, steps = run.process, run.process.timesteps
        show(f"{out}: {process.schedule} schedule, T = {steps}, predicts {process.prediction}")
        asked = {"text": ' --text "red heart"', "class": " --label 0"}.get(run.conditioning.condition, "")
        show(f"Draw from it with: inkwash sample {out}{asked}")
