"""Emoji from words."""

from inkwash.networks import UNet
from inkwash.settings import Conditioning, Data, Process, RunSettings, Training


def emoji() -> RunSettings:
    """Emoji from what they are called: `inkwash sample RUN --text "red heart"`. Two cores, forty minutes.

    The images are drawn with an installed font, so nothing is downloaded. inkwash's own choice: a small text encoder
    trained together with the U-Net, which attends to its tokens at the lowest level; v-prediction on the cosine
    schedule. Text determines an image mostly at high noise levels, so these are drawn more often. In the same training
    time `--encoder minilm`, a separate package, follows the text better (docs/conditions.md).
    """
    return RunSettings(
        recipe="emoji",
        data=Data(source="emoji", size=32),
        network=UNet(channels=64, mults=(1, 2, 2), blocks=2, attention=(2,), heads=4, patch=2),
        conditioning=Conditioning("text", scale=3.0),
        process=Process(schedule="continuous-cosine", prediction="v"),
        training=Training(
            draw="stratified", shift=4.0, steps=4500, batch_size=64, optimizer="muon", lr=6e-3, ema=0.998
        ),
    )
