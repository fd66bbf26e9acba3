"""Our best for two CPU cores on MNIST and Fashion-MNIST."""

from dataclasses import replace

from inkwash.networks import UNet
from inkwash.settings import Conditioning, Data, Process, RunSettings, Training


def mnist() -> RunSettings:
    """MNIST, our best for two CPU cores in a quarter of an hour.

    The numbers are inkwash's own, chosen by the quality that a time buys (docs/performance.md): a U-Net on 2×2 patches,
    so that most work happens at 14×14, one block a level, v-prediction on the cosine schedule, orthogonal updates.
    """
    return _patched("mnist")


def fashion_mnist() -> RunSettings:
    """Fashion-MNIST, our best for two CPU cores in a quarter of an hour: the recipe of mnist."""
    return _patched("fashion-mnist")


def mnist_class() -> RunSettings:
    """MNIST by class: `inkwash sample RUN --label 7`.

    The recipe of mnist, conditioned on the digit, which is dropped for one image in ten for guidance. Guidance is
    limited to the noise levels that determine the digit, which preserves the diversity of real images
    (docs/conditions.md).
    """
    return replace(_patched("mnist"), recipe="mnist-class", conditioning=_by_class())


def fashion_class() -> RunSettings:
    """Fashion-MNIST by class: `inkwash sample RUN --label sneaker`. Otherwise as mnist-class."""
    return replace(_patched("fashion-mnist"), recipe="fashion-class", conditioning=_by_class())


def _by_class() -> Conditioning:
    return Conditioning("class", scale=3.0, interval=(0.6, 1.2))


def _patched(source: str) -> RunSettings:
    return RunSettings(
        recipe=source,
        data=Data(source=source),
        network=UNet(channels=64, mults=(1, 2), blocks=1, patch=2),
        process=Process(schedule="continuous-cosine", prediction="v"),
        training=Training(draw="stratified", steps=1800, batch_size=128, optimizer="muon", lr=4e-3),
    )
