"""inkwash demo."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from inkwash import models, recipes
from inkwash.commands._base import RUNS, Command
from inkwash.commands.forward import Forward
from inkwash.commands.sample import Sample
from inkwash.commands.train import Train
from inkwash.settings import Sampling


@dataclass(frozen=True)
class Demo(Command):
    """Train on the embedded handwritten digits and draw new ones, as `make demo` does."""

    order: ClassVar[int] = 120

    out: Path = RUNS / "demo"
    """Folder for the run and its pictures."""

    def run(self) -> None:
        """Trains, then draws samples, their denoising, the forward process, and digits of the model in the box."""
        from inkwash.runs.record import stored

        out = self.out
        resume = stored(out) is not None  # a second demo reuses the run of the first
        Train(recipes.find("digits"), out, resume).run()
        pictures = (str(out / "samples.png"), str(out / "denoising.gif"))
        Sample(out, Sampling(n=64, steps=100), pictures).run()
        Forward("digits", out=out / "forward.png").run()
        boxed = Sampling(n=40, label="all", solver="dpmpp2m", steps=20)
        Sample(models.folder("mnist-class"), boxed, (str(out / "mnist-class.png"),)).run()
