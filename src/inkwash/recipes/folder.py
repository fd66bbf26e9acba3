"""The user's own images."""

from inkwash.networks import UNet
from inkwash.settings import Data, Process, RunSettings, Training


def folder() -> RunSettings:
    """Your own images: a folder, .zip, .tar, .npz, .npy, .csv, .parquet, IDX, CIFAR or shards.

    `inkwash train PATH`; photographs of several sizes need one: `--size 64`. `inkwash data PATH` describes the images.

    inkwash's own choice, the shape of mnist's: v-prediction on the cosine schedule, a U-Net on 2×2 patches
    with attention at the two lowest of its four levels. It trains for 20,000 steps, 2,000 passes over the images, or an
    hour of this machine, whichever is shortest.
    """
    return RunSettings(
        recipe="folder",
        data=Data(source=""),
        network=UNet(channels=64, mults=(1, 2, 4, 4), blocks=2, attention=(2, 3), heads=4, patch=2),
        process=Process(schedule="continuous-cosine", prediction="v"),
        training=Training(
            draw="stratified",
            steps=20_000,
            epochs=2000,
            minutes=60,
            batch_size=64,
            lr=3e-4,
            ema=0.999,
            save_every=100,
        ),
    )
