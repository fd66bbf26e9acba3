"""A subject whose network is exact: Gaussian images, for which theory predicts what every sampler draws."""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inkwash import core, settings
from inkwash.data import Images, Source, to_uint8
from inkwash.denoise import Denoiser, Gaussian
from inkwash.runs import build
from inkwash.runs.model import Model


@dataclass(frozen=True)
class Exact:
    """Gaussian images of 8×8 pixels and their exact network: theory predicts the images that come out."""

    prediction: settings.Prediction = "v"
    count: int = 20_000

    @property
    def name(self) -> str:
        return f"gaussian-{self.prediction}"

    @property
    def data_dir(self) -> None:
        return None

    def model(self, precision: torch.dtype | None = None) -> Model:
        schedule = core.Cosine()
        prediction = build.prediction(settings.Process(prediction=self.prediction))
        return Model(
            name=self.name,
            shape=(1, 8, 8),
            denoiser=Denoiser(_ExactNetwork(schedule, prediction), prediction),
            schedule=schedule,
            device=torch.device("cpu"),
            digest=hashlib.sha256(repr((self, _mean().tolist(), _std().tolist())).encode()).hexdigest(),
        )

    def condition_order(self) -> None:
        return None

    def images(self, split: str) -> Source:
        generator = torch.Generator().manual_seed(0 if split == "train" else 1)
        x = _mean() + _std() * torch.randn(self.count, 1, 8, 8, generator=generator)
        return Images("gaussian", split, to_uint8(x))


class _ExactNetwork(nn.Module):
    """The optimal network for these images, which training converges to."""

    def __init__(self, schedule: core.Schedule, prediction: core.Prediction) -> None:
        super().__init__()
        self.schedule, self.prediction = schedule, prediction

    def forward(self, x: Tensor, t: Tensor, cond: None) -> Tensor:
        level = self.schedule.at(t[0].item())
        x = x * core.marginal_std(level)
        x0 = Gaussian(_mean(), _std())(x, level)
        a, b = self.prediction.row(level)  # F = a·x̂₀ + b·ε̂, with ε̂ = (x − α·x̂₀)/σ
        return a * x0 + b * (x - level.alpha * x0) / level.sigma


def _mean() -> Tensor:
    return torch.linspace(-0.2, 0.2, 8).expand(8, 8)


def _std() -> Tensor:
    return 0.2 * torch.exp(-torch.arange(8.0) / 2.5).sqrt()[:, None].expand(8, 8)
