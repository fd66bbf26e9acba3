"""inkwash edit."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import tyro

from inkwash.commands._base import Checkpoint, Code, Command, Device, Encoder, RunFolder
from inkwash.foreign import show
from inkwash.models import files_of
from inkwash.settings import RESTORING_SAMPLER, Editing, Sampling


@dataclass(frozen=True)
class Edit(Command):
    """Change a picture: draw part of it again, keep its low frequencies, change its class, or go to another."""

    order: ClassVar[int] = 27

    folder: RunFolder
    picture: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PICTURE")]
    """A picture of the run's size, or test:N, an image of the run's held-out data."""
    editing: Editing
    sampling: Sampling = RESTORING_SAMPLER
    out: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="PATH")] = ()
    """Output: .png (the picture and its edits), .npz or a folder (the edits); repeatable. Default: RUN/edited.png."""
    checkpoint: Checkpoint = "last"
    device: Device = "auto"
    encoder: Encoder = None
    code: Code = ()

    def run(self) -> None:
        from inkwash.runs.edit import edit_files
        from inkwash.runs.model import open_model

        outs = self.out or (str(files_of(self.folder) / "edited.png"),)
        model = open_model(self.folder, self.checkpoint, self.device)
        edit_files(model, self.picture, self.editing, self.sampling, outs)
        for out in outs:
            show(out)
