"""inkwash export."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Self

import tyro

from inkwash.commands._base import Checkpoint, Code, Command, Encoder, RunFolder, Weights, defaults_of
from inkwash.foreign import say, show
from inkwash.settings import Sampler


@dataclass(frozen=True)
class Export(Command):
    """Write a run as an ONNX file with a manifest, to draw from it without inkwash and PyTorch."""

    order: ClassVar[int] = 112

    folder: RunFolder
    onnx: Annotated[Path, tyro.conf.arg(metavar="FILE.onnx")]
    """File to write; the manifest, FILE.json, lies beside it and holds the noise levels of the sampler."""
    sampler: Sampler
    batch_size: int = 1
    """Images that the file takes at a time."""
    checkpoint: Checkpoint = "last"
    weights: Weights = "ema"
    encoder: Encoder = None
    code: Code = ()

    def reread(self) -> Self | None:
        found = defaults_of(self.folder, self.checkpoint)
        return None if found is None else type(self)(self.folder, self.onnx, found[0])

    def follows(self, defaults: Self) -> bool:
        return self.sampler.solver == defaults.sampler.solver

    def run(self) -> None:
        """Writes both files and says how far a walk of the file is from the run's own."""
        from inkwash.runs.export import export_onnx, open_exact

        model = open_exact(self.folder, self.checkpoint, self.weights)
        about = export_onnx(model, self.onnx, self.sampler, self.batch_size)
        show(self.onnx)
        show(self.onnx.with_suffix(".json"))
        say(
            f"over {len(about['plan'])} steps of DDIM its images differ from the run's by at most "
            f"{about['largest_difference']:.1e}, where 0.0078 is a grey level"
        )
