"""Emoji from words."""

from inkwash.networks import UNet
from inkwash.settings import Conditioning, Data, Process, RunSettings, Training


def emoji() -> RunSettings:
    """Emoji from what they are called: `inkwash sample RUN --text "red heart"`. Two cores, forty minutes.

    The images are drawn from an installed font, so nothing is downloaded. inkwash's own choice: a small text encoder
    trained along, whose words the U-Net attends to at its lowest level; v-prediction on the cosine schedule. What a
    word means is decided where there is hardly more than noise, so noisier levels come more often. Words are followed
    better in the same time with `--encoder minilm`, which is a package of its own (docs/conditions.md).
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
