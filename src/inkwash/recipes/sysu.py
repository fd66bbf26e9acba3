"""The report on MNIST and Fashion-MNIST (pattern recognition, homework 3) as it is written."""

from inkwash.networks import TenChannelUNet
from inkwash.settings import Data, Process, RunSettings, Sampler, Training


def sysu_mnist() -> RunSettings:
    """The report's MNIST system: T = 1000, β 1e-4 to 0.02, batch 128, 20 epochs, Adam at 0.01.

    All numbers are in the report's listings. 20 epochs of 469 batches are 9,380 steps. The report keeps no average of
    the weights, and as its best the epoch with the lowest mean training loss. Its sampler takes all 1000 steps, adds
    noise of variance β and does not clip x̂₀; its pictures stretch each image to its own range, as imshow does.
    """
    return _report("sysu-mnist", "mnist")


def sysu_fashion() -> RunSettings:
    """The report's Fashion-MNIST system: as sysu-mnist, on the other set."""
    return _report("sysu-fashion", "fashion-mnist")


def _report(name: str, source: str) -> RunSettings:
    return RunSettings(
        recipe=name,
        data=Data(source=source),
        network=TenChannelUNet(),
        process=Process(schedule="linear", timesteps=1000, beta_low=1e-4, beta_high=0.02, prediction="eps"),
        training=Training(
            steps=9380, batch_size=128, lr=0.01, warmup=0, decay="none", clip=None, beta2=0.999, ema=0,
            precision="float32", save_every=469, best="train",
        ),
        sampler=Sampler("ddpm", steps=1000, variance="large", limit="none"),
        stretch=True,
    )  # fmt: skip
