"""inkwash gallery."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from inkwash.commands._base import (
    Checkpoint,
    Code,
    Command,
    DataDirOfRun,
    Device,
    Encoder,
    Private,
    RunFolder,
    Weights,
    defaults_of,
)
from inkwash.foreign import say, show
from inkwash.models import files_of
from inkwash.settings import Sampler


@dataclass(frozen=True)
class Gallery(Command):
    """Draw the figures of a report: ten images, a hundred, their denoising, the forward process, losses, previews."""

    order: ClassVar[int] = 60

    folder: RunFolder
    sampler: Sampler
    seed: int = 0
    """Random seed; the ten images are the first of the hundred."""
    stretch: bool = False
    """Stretch each image to the range from its own darkest to its own brightest pixel, in place of clamping."""
    out: Path | None = None
    """Folder for the files; None uses RUN/gallery."""
    checkpoint: Checkpoint = "last"
    weights: Weights = "ema"
    device: Device = "auto"
    data_dir: DataDirOfRun = None
    private: Private = False
    encoder: Encoder = None
    code: Code = ()

    def reread(self) -> Self | None:
        found = defaults_of(self.folder, self.checkpoint)
        return None if found is None else type(self)(self.folder, found[0], stretch=found[1])

    def follows(self, defaults: Self) -> bool:
        return self.sampler.solver == defaults.sampler.solver

    def run(self) -> None:
        """Draws with a bar and says where the files are."""
        from inkwash.progress import images_bar
        from inkwash.runs.gallery import NAMES, request, write_gallery
        from inkwash.runs.model import open_model
        from inkwash.runs.tuned import resolved

        model = open_model(self.folder, self.checkpoint, self.device, weights=self.weights)
        sampler = resolved(self.sampler, self.folder, self.checkpoint)
        sampling = request(sampler, self.seed, self.stretch)
        with images_bar(sampling) as on_images:
            out = self.out or files_of(self.folder) / "gallery"
            paths = write_gallery(model, sampling, out, self.data_dir, on_images, self.private)
        for path in paths:
            show(path)
        if not {*NAMES} <= {path.name for path in paths}:
            say("The forward process and the losses are left out: the run was trained elsewhere, on other images.")
