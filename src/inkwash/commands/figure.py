"""inkwash figure."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro

from inkwash.commands._base import Checkpoint, Code, Command, DataDirOfRun, Device, Encoder, RunFolder
from inkwash.foreign import show
from inkwash.models import files_of


@dataclass(frozen=True)
class Figure(Command):
    """Draw a figure of a run on points: the score field, the flow's paths and the density at five levels."""

    order: ClassVar[int] = 65

    kind: Annotated[Literal["field"], tyro.conf.Positional]
    """Which figure: field, for a run on points such as toy-2d."""
    folder: RunFolder
    out: Annotated[tyro.conf.UseAppendAction[tuple[Path, ...]], tyro.conf.arg(metavar="PATH")] = ()
    """File to write, .png for the figure and .gif, .webp or .mp4 for the moving points; repeatable. Default: both,
    RUN/field.png and RUN/field.gif."""
    seed: int = 0
    """Random seed of the points."""
    checkpoint: Checkpoint = "last"
    device: Device = "auto"
    data_dir: DataDirOfRun = None
    encoder: Encoder = None
    code: Code = ()

    def run(self) -> None:
        """Draws, and says where the files are."""
        from inkwash.runs.field import write_field
        from inkwash.runs.model import open_model

        outs = self.out or (files_of(self.folder) / "field.png", files_of(self.folder) / "field.gif")
        write_field(open_model(self.folder, self.checkpoint, self.device), outs, self.seed, self.data_dir)
        for out in outs:
            show(out)
