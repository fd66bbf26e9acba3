"""inkwash import."""

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import tyro

from inkwash import choices, remote
from inkwash.checked import named, validator
from inkwash.commands._base import RUNS, Command
from inkwash.errors import UsageError
from inkwash.foreign import show


@dataclass(frozen=True)
class Import(Command):
    """Convert a checkpoint trained with other software to a run."""

    order: ClassVar[int] = 110

    kind: Annotated[
        str, tyro.conf.Positional, validator(choices.IMPORTERS), named(choices.IMPORTERS),
        tyro.conf.arg(help=f"Kind of checkpoint: {choices.IMPORTERS.help}."),
    ]  # fmt: skip
    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE|FOLDER|hf://REPO")]
    """Checkpoint file, or folder of diffusers, here or on a hub. No code in it is run."""
    out: Path | None = None
    """Folder for the run; None uses runs/NAME-OF-THE-FILE."""
    classes: int | None = None
    """diffusers: number of classes, if its configuration does not say it."""
    encoder: str = "clip"
    """cs231n: text encoder that it was trained with: clip, minilm, or a model's folder or name."""
    embeddings: Path | None = None
    """cs231n: the course's text_embeddings.pt; no encoder is needed then, and its texts can be asked for."""
    size: int | None = None
    """Side of its images in pixels, where the file does not say it; cs231n, abarankab, lab06: None is 32."""
    timesteps: int | None = None
    """cs231n, lab06, openai: timesteps T, if the checkpoint does not record them; lab06, openai: None is 1000."""
    schedule: Literal["linear", "cosine", "sigmoid"] | None = None
    """cs231n, openai: noise schedule, if the checkpoint does not record it."""
    predicts: Literal["eps", "v"] = "eps"
    """lab06: what the network predicts."""
    unit: bool = True
    """lab06: whether the network was trained on images in [0, 1], as the lab's clamp expects, or in [-1, 1]."""
    normed: bool = False
    """lab06: whether the network's attention applies its norm, which labml's own code does not."""
    objective: Literal["pred_noise", "pred_x_start"] | None = None
    """cs231n, openai: prediction target of the network, if the checkpoint does not record it; openai: pred_noise."""
    num_heads: int | None = None
    """openai: number of attention heads."""
    num_head_channels: int | None = None
    """openai: channels of an attention head, in place of --num-heads."""
    new_attention_order: bool = False
    """openai: as its --use_new_attention_order True."""
    rescale_timesteps: bool = False
    """openai: as its --rescale_timesteps True; for T = 1000 it is the same."""

    def given(self, flags: Set[str]) -> Self:
        make = choices.IMPORTERS.load(choices.IMPORTERS.check(self.kind))
        if idle := sorted(name for name in flags - {"kind", "file", "out"} if not choices.takes(make, name)):
            raise UsageError(f"--{idle[0]} is not for a checkpoint of {self.kind}; leave it out.")
        return self

    def run(self) -> None:
        """Makes a run of the checkpoint and says how to draw from it."""
        there = remote.place(self.file)
        file = self.file if there is None else remote.model_folder(there)
        named = self.file if self.file.name else self.file.resolve()  # as . and .. are not
        out = self.out or RUNS / (named.stem if there is None else there.repo.replace("/", "--"))
        given = {name: value for name, value in vars(self).items() if name != "kind"} | {"file": file}
        flags: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        run = choices.call(choices.IMPORTERS.load(self.kind), **(flags | {"out": out}))
        process, steps = run.process, run.process.timesteps
        show(f"{out}: {process.schedule} schedule, T = {steps}, predicts {process.prediction}")
        asked = {"text": ' --text "red heart"', "class": " --label 0"}.get(run.conditioning.condition, "")
        show(f"Draw from it with: inkwash sample {out}{asked}")
