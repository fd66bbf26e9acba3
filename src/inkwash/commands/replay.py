"""inkwash replay."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from inkwash.commands._base import Code, Command, Encoder
from inkwash.foreign import show
from inkwash.models import find


@dataclass(frozen=True)
class Replay(Command):
    """Draw an artifact again from the provenance inside it, and compare the pixels."""

    order: ClassVar[int] = 100

    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE")]
    """A file or folder that sample, restore, edit, degrade or forward wrote."""
    out: Annotated[str | None, tyro.conf.arg(metavar="{None}|PATH")] = None
    """Output path, of the same format; None adds -replay to the name."""
    moved: Annotated[Path | None, tyro.conf.arg(name="run")] = None
    """Folder of the run, if it is not found around FILE or below the working folder."""
    guide: Path | None = None
    """Folder of the weaker run that guided it, if it is not found either."""
    data_dir: Annotated[
        Path | None,
        tyro.conf.arg(help="Folder of the data sets, or of the images, that a figure of forward shows, if moved."),
    ] = None
    encoder: Encoder = None
    code: Code = ()

    def run(self) -> None:
        from inkwash.progress import images_bar
        from inkwash.runs.artifacts import replay

        file = self.file
        beside = f"{file}-replay/" if file.is_dir() else str(file.with_name(f"{file.stem}-replay{file.suffix}"))
        out = self.out or beside
        run = None if self.moved is None else find(self.moved)
        guide = None if self.guide is None else find(self.guide)
        replay(file, out, run, images_bar, self.data_dir, guide)
        show(f"{out}: the same pixels as {file}")
