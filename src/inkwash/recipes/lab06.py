"""The course lab (computational photography, spring 2025, lab 6) as its documents set it."""

from typing import Literal

from inkwash.networks import UNet
from inkwash.settings import Data, Process, RunSettings, Sampler, Training


def lab06_eps() -> RunSettings:
    """The lab's required task: MNIST at 32×32, T = 1000, the network predicts the noise ε.

    From the slides: the image size (`image_size: int = 32`), T (`inference_steps: int = 1_000`), MSE, the
    list of the U-Net's blocks, time added in each. β from 1e-4 to 0.02 is that of the DDPM paper they
    cite. They give no width, batch or learning rate: 32 channels, 128 and 1e-3 train it on a laptop. The sampler is
    that of the lab's infer.py: its DDIM formula in 1000 steps with η = 1, which is DDPM, and x̂₀ is not clipped.
    """
    return _lab("lab06-eps", "eps")


def lab06_v() -> RunSettings:
    """The lab's bonus task: as lab06-eps, but the network predicts the velocity v."""
    return _lab("lab06-v", "v")


def _lab(name: str, prediction: Literal["eps", "v"]) -> RunSettings:
    return RunSettings(
        recipe=name,
        data=Data(source="mnist", size=32),
        network=UNet(channels=32, mults=(1, 2, 2, 4), blocks=1, attention=(2, 3), film=False),
        process=Process(schedule="linear", timesteps=1000, beta_low=1e-4, beta_high=0.02, prediction=prediction),
        training=Training(steps=1875, batch_size=128, lr=1e-3, ema=0, warmup=0, decay="none", clip=None, beta2=0.999),
        sampler=Sampler("ddim-lab", steps=1000, eta=1.0, limit="none"),
    )
