"""inkwash forward."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from inkwash.commands._base import Code, Command, DataDir
from inkwash.errors import UsageError
from inkwash.foreign import show


@dataclass(frozen=True)
class Forward(Command):
    """Draw the forward process: real images at 0 to 100 % of it, and the schedule's curves."""

    order: ClassVar[int] = 70

    target: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="RECIPE|FOLDER")] = ""
    """A recipe, the folder of a run, or a folder of images; not needed for --schedules."""
    schedules: bool = False
    """Draw β, √ᾱ and √(1 − ᾱ) of the linear, cosine and sigmoid schedules side by side instead."""
    timesteps: int = 1000
    """Number of timesteps T for --schedules."""
    out: Path = Path("forward.png")
    """PNG file to write."""
    images: int = 4
    """Number of images."""
    seed: int = 0
    """Seed of the noise."""
    size: int | None = None
    """Side of the images in pixels, for a folder of images of several sizes."""
    data_dir: DataDir = None
    code: Code = ()

    def run(self) -> None:
        from inkwash.runs import forward
        from inkwash.runs.artifacts import write_forward, write_schedules

        if self.schedules:
            write_schedules(self.timesteps, self.out)
        elif self.target:
            run = forward.resolve_target(self.target)
            data = run.data if self.size is None else replace(run.data, size=self.size)
            write_forward(forward.Forward(data, run.process, self.images, self.seed), self.out, self.data_dir)
        else:
            raise UsageError("forward needs a recipe, the folder of a run or of images; or --schedules, and none.")
        show(self.out)
