"""The demo: UCI's handwritten digits, on any laptop in about a minute."""

from inkwash.networks import UNet
from inkwash.settings import Data, Process, RunSettings, Training


def digits() -> RunSettings:
    """Real handwritten digits of 8×8 pixels, embedded: a minute on a laptop.

    The set is the test part of UCI's "Optical Recognition of Handwritten Digits". Network and numbers are
    inkwash's own choice for two CPU cores: v-prediction on a cosine schedule.
    """
    return RunSettings(
        recipe="digits",
        data=Data(source="digits"),
        network=UNet(channels=32, mults=(1, 2), blocks=1),
        process=Process(schedule="continuous-cosine", prediction="v"),
        training=Training(draw="stratified", steps=600, batch_size=128, lr=2e-3, ema=0.98, save_every=200),
    )
