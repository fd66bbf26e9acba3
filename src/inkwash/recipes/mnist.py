"""Our best for two CPU cores on MNIST and Fashion-MNIST."""

from inkwash.settings import Data, Process, Run, Training, UNet


def mnist() -> Run:
    """MNIST, our best for two CPU cores in a quarter of an hour.

    The numbers are inkwash's own, chosen by measurement (docs/design.md says how): a U-Net on 2×2 patches,
    so that most work happens at 14×14, with v-prediction on the cosine schedule.
    """
    return _patched("mnist")


def fashion_mnist() -> Run:
    """Fashion-MNIST, our best for two CPU cores in a quarter of an hour: the recipe of mnist."""
    return _patched("fashion-mnist")


def _patched(source: str) -> Run:
    return Run(
        recipe=source,
        data=Data(source=source),
        network=UNet(channels=64, mults=(1, 2), blocks=2, patch=2),
        process=Process(schedule="continuous-cosine", prediction="v"),
        training=Training(draw="stratified", steps=1400, batch_size=128, lr=1e-3),
    )
