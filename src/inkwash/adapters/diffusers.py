"""diffusers: a network called as unet(x, t).sample, with a scheduler that says what it predicts, and the table of ᾱ."""

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from inkwash.adapters.level import level_at
from inkwash.core import X0, Denoise, Discrete, Eps, Prediction, Schedule, V, target
from inkwash.denoise import Denoiser
from inkwash.errors import UsageError

_PREDICTIONS: dict[str, Prediction] = {"epsilon": Eps(), "sample": X0(), "v_prediction": V()}


def to_diffusers(denoise: Denoise, schedule: Schedule, scheduler: Any, shape: tuple[int, int, int]) -> nn.Module:
    """A module that stands where diffusers has a UNet2DModel: DDIMPipeline(unet=it, scheduler=scheduler).

    `schedule` is the one that the model was trained on, discrete or continuous; `scheduler` any of diffusers with a
    table `alphas_cumprod` whose input is x itself, as DDPM's, DDIM's and the multistep ones'. It answers in the
    scheduler's prediction type. `shape` is (C, H, W). Raises UsageError for another prediction type.
    """
    prediction = _prediction(scheduler)

    class FromInkwash(nn.Module):
        dtype, device = torch.float32, torch.device("cpu")
        config = SimpleNamespace(in_channels=shape[0], out_channels=shape[0], sample_size=shape[1:])

        def forward(self, sample: Tensor, timestep: Tensor | float, return_dict: bool = True) -> Any:
            abar = float(scheduler.alphas_cumprod[int(timestep)])
            level = level_at(schedule, abar**0.5, (1 - abar) ** 0.5)
            x0 = denoise(sample, level)
            output = target(prediction, x0, (sample - level.alpha * x0) / level.sigma, level)
            return SimpleNamespace(sample=output) if return_dict else (output,)

    return FromInkwash()


def from_diffusers(unet: nn.Module, scheduler: Any) -> tuple[Denoiser, Discrete]:
    """A UNet2DModel as inkwash's denoiser, and the schedule of `scheduler`, on which plans for it are made.

    Classes are given as `denoiser.given(labels)`, int64 [B]. Raises UsageError for another prediction type.
    """

    class FromDiffusers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unet = unet

        def forward(self, x: Tensor, t: Tensor, cond: Tensor | None = None) -> Tensor:
            output: Tensor = self.unet(x, t, class_labels=cond).sample
            return output

    return Denoiser(FromDiffusers(), _prediction(scheduler)), Discrete(scheduler.betas)


def _prediction(scheduler: Any) -> Prediction:
    name = scheduler.config.prediction_type
    if name not in _PREDICTIONS:
        raise UsageError(
            f"inkwash knows the prediction types {', '.join(_PREDICTIONS)} of diffusers (the scheduler has {name})."
        )
    return _PREDICTIONS[name]
