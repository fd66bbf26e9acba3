"""inkwash as `inkwash train` and `inkwash sample` run it, with a network of a peer's size.

The images drawn come from the weights that the run began with: a checkpoint in between would be in the seconds.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from inkwash import recipes, settings
from inkwash.core import trailing
from inkwash.networks import UNet
from inkwash.runs.draw import draw
from inkwash.runs.fit import fit
from inkwash.runs.model import open_model
from inkwash.training import Step

_FOREVER = 10**6


class System:
    def __init__(self, asked: dict[str, Any]) -> None:
        run, self.batch = recipes.find(asked["data"]), asked["batch"]
        size = {name: tuple(each) if isinstance(each, list) else each for name, each in asked["size"].items()}
        training = replace(
            run.training, batch_size=self.batch, precision=asked["precision"], device=asked["device"],
            steps=_FOREVER, save_every=_FOREVER,
        )  # fmt: skip
        folder = Path(asked["work"])
        begun = fit(replace(run, network=UNet(**size), training=training), folder, None, False, lambda: False)
        self.progress, self.step = begun.progress, 0
        next(self.progress)  # the first checkpoint
        self.model = open_model(folder, device=asked["device"])
        self.network: nn.Module = self.model.denoiser
        self.precision = str(begun.precision).removeprefix("torch.")

    def evaluate(self, x: Tensor, device: torch.device) -> None:
        self.model.denoiser(x, trailing(self.model.schedule, 1)[0])

    def train(self, steps: int) -> int:
        first = self.step
        while self.step < first + steps:
            told = next(self.progress)
            if isinstance(told, Step):
                self.step = told.step
        return (self.step - first) * self.batch

    def sampled(self) -> nn.Module:
        return self.model.denoiser.net  # type: ignore[no-any-return]

    def draw(self, n: int, steps: int) -> Any:
        sampling = settings.Sampling(n=n, steps=steps, solver="ddim")
        return draw(self.model, sampling, batch_size=self.batch).images[..., 0]
