"""inkwash push."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from inkwash.checked import words
from inkwash.commands._base import Checkpoint, Command, Device, Encoder, RunFolder
from inkwash.errors import UsageError
from inkwash.foreign import show
from inkwash.settings import Sampling


@dataclass(frozen=True)
class Push(Command):
    """Upload a run to huggingface.co with a model card; every command then takes it as hf://OWNER/NAME."""

    order: ClassVar[int] = 114

    folder: RunFolder
    repo: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="OWNER/NAME")]
    """Repository; it is made if it is not there. The token is that of `hf auth login`, or $HF_TOKEN."""
    license: Annotated[str | None, words("ID")] = None
    """Licence of the weights, as the hub calls it, such as mit or cc-by-4.0."""
    use: Annotated[str | None, words("TEXT")] = None
    """Intended use, for the model card."""
    private: bool = False
    """Make the repository private, if it is new."""
    to: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Write what would be uploaded to this folder, and upload nothing."""
    checkpoint: Checkpoint = "last"
    device: Device = "auto"
    encoder: Encoder = None

    def run(self) -> None:
        """Writes and uploads, and says where the run is now."""
        from inkwash.progress import images_bar
        from inkwash.runs.model import open_model
        from inkwash.runs.push import pushed, write_folder

        if self.to is not None and self.to.exists() and (not self.to.is_dir() or any(self.to.iterdir())):
            raise UsageError(f"{self.to} exists and is no empty folder; choose another name.")
        model = open_model(self.folder, self.checkpoint, self.device)
        with images_bar(Sampling(n=16)) as on_images:
            if self.to is None:
                show(pushed(model, self.repo, self.license, self.use, self.private, on_images))
                return
            self.to.mkdir(parents=True, exist_ok=True)
            for path in write_folder(model, self.to, self.repo, self.license, self.use, on_images):
                show(path)
