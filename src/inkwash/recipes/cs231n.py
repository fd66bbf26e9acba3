"""Stanford CS231n, assignment 3: emoji from text, as the course sets it."""

from inkwash.networks import Cs231nUNet
from inkwash.settings import Conditioning, Data, Process, RunSettings, Sampler, Training


def cs231n_emoji() -> RunSettings:
    """CS231n's assignment: emoji from text, T = 100, CLIP, batch 256, 50,000 steps of Adam at 1e-3.

    The numbers are those of the course's notebook DDPM.ipynb and its ddpm_trainer.py: 32×32 pixels, dim 48 times
    1, 2, 4, 8, the sigmoid schedule (`--schedule linear` or `cosine` are its others), pred_noise (`--prediction x0` is
    its pred_x_start) with its loss weights, a fifth of the texts withheld, the gradient held at 1, no average of the
    weights. The emoji are drawn here from a font; the course hands out a file of several fonts' drawings.

    Samples of training texts are drawn every 1000 steps, as its trainer does.

    Its sampler draws from the posterior in all 100 steps and clips x̂₀; its cfg_scale w is --scale 1 + w. On a CPU, and
    without CLIP: `inkwash train cs231n-emoji --encoder minilm --steps 800`, or `--encoder joint`, which needs nothing.
    """
    return RunSettings(
        recipe="cs231n-emoji",
        data=Data(source="emoji", size=32),
        network=Cs231nUNet(dim=48, dim_mults=(1, 2, 4, 8)),
        conditioning=Conditioning("text", encoder="clip", condition_dropout=0.2, scale=1.0),
        process=Process(schedule="sigmoid", timesteps=100, prediction="eps"),
        training=Training(
            steps=50_000, batch_size=256, lr=1e-3, warmup=0, decay="none", clip=1.0, ema=0, weight="snr",
            save_every=1000, preview_every=1000,
        ),
        sampler=Sampler("ddpm", steps=100),
    )  # fmt: skip
