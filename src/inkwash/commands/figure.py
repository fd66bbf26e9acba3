"""inkwash figure."""

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Self

import tyro

from inkwash import choices
from inkwash.checked import listed, named, validator
from inkwash.commands._base import Checkpoint, Code, Command, DataDirOfRun, Device, Encoder, RunFolder
from inkwash.errors import UsageError
from inkwash.foreign import show
from inkwash.models import files_of


@dataclass(frozen=True)
class Figure(Command):
    """Draw a figure of a run: the field of a run on points, or one-step denoising at several noise levels."""

    order: ClassVar[int] = 65

    kind: Annotated[
        str,
        tyro.conf.Positional,
        validator(choices.FIGURES),
        named(choices.FIGURES),
        tyro.conf.arg(help=f"Which figure. {choices.FIGURES.help}."),
    ]
    folder: RunFolder
    out: Annotated[tyro.conf.UseAppendAction[tuple[Path, ...]], tyro.conf.arg(metavar="PATH")] = ()
    """File to write, .png; for field also .gif, .webp or .mp4, the moving points; repeatable. Default: RUN/KIND.png,
    and RUN/field.gif."""
    sigma: Annotated[tuple[float, ...], listed(float)] = ()
    """denoise: standard deviations of the noise, for images in [-1, 1] (twice those for [0, 1]); none: 0 to 2."""
    seed: int = 0
    """Random seed of the points or the noise."""
    checkpoint: Checkpoint = "last"
    device: Device = "auto"
    data_dir: DataDirOfRun = None
    encoder: Encoder = None
    code: Code = ()

    def given(self, flags: Set[str]) -> Self:
        draw = choices.FIGURES.load(choices.FIGURES.check(self.kind))
        if "sigma" in flags and not choices.takes(draw, "sigma"):
            raise UsageError(f"--sigma is not for the figure {self.kind}; leave it out.")
        return self

    def run(self) -> None:
        """Draws, and says where the files are."""
        from inkwash.runs.model import open_model

        model = open_model(self.folder, self.checkpoint, self.device)
        draw = choices.FIGURES.load(self.kind)
        offered = {"model": model, "outs": self.out, "folder": files_of(self.folder), "seed": self.seed}
        for out in choices.call(draw, **offered, data_dir=self.data_dir, sigma=self.sigma):
            show(out)
