"""CS180/280A at UC Berkeley, project 5, part B (autumn 2025): a one-step denoiser and flow matching on MNIST."""

from inkwash.course_networks import Cs180UNet
from inkwash.settings import Conditioning, Data, Process, RunSettings, Sampler, Training

_BATCHES = 60_000 // 64  # full batches of an epoch


def cs180_denoiser() -> RunSettings:
    """CS180's one-step denoiser of MNIST: σ = 0.5, D = 128, batch 256, 5 epochs, Adam at 1e-4.

    The project's images lie in [0, 1] and inkwash's in [-1, 1], where the same noise is σ = 1. One level with α = σ is
    a schedule of one step, of which the network sees (x₀ + ε)/√2; it is told no time. `inkwash figure denoise RUN`
    draws the project's figure for other noise. The project keeps no average of the weights.
    """
    return RunSettings(
        recipe="cs180-denoiser",
        data=Data(source="mnist"),
        network=Cs180UNet(hidden=128, time=False),
        process=Process(schedule="linear", timesteps=1, beta_low=0.5, beta_high=0.5, prediction="x0"),
        training=Training(
            steps=None, epochs=5, batch_size=256, lr=1e-4, warmup=0, decay="none", beta2=0.999, clip=None, ema=0,
        ),
        sampler=Sampler("ddim", steps=1, limit="none"),
    )  # fmt: skip


def cs180_flow() -> RunSettings:
    """CS180's class-conditioned flow matching: D = 64, batch 64, 10 epochs, Adam at 1e-2, guidance 5.

    The rate falls to a tenth over the training; the project lowers it after each epoch, inkwash at each step. A tenth
    of the images are shown without their class. Time runs from data (0) to noise (1), in the project the other way.
    `--condition none` is its time-conditioned model. After epochs 1, 5 and 10 it draws four samples of each class. The
    project keeps no average of the weights.
    """
    return RunSettings(
        recipe="cs180-flow",
        data=Data(source="mnist"),
        network=Cs180UNet(hidden=64),
        conditioning=Conditioning("class", condition_dropout=0.1, scale=5.0),
        process=Process(schedule="flow", prediction="flow"),
        training=Training(
            steps=None, epochs=10, batch_size=64, lr=1e-2, warmup=0, decay="exponential", beta2=0.999, clip=None,
            ema=0, save_every=_BATCHES, preview_every="1,5,10", preview_images=40,
        ),
        sampler=Sampler("ddim", steps=50, limit="none"),
    )  # fmt: skip
