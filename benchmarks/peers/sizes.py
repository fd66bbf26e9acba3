"""The peers, the sizes of their networks, and inkwash's U-Net of the same size for each.

Sizes were searched for so that parameters and arithmetic of a forward pass agree within 3 %; the table that
`benchmarks/peers.py` prints counts both anew. All take 28×28 pixels, which three levels halve twice.

diffusers: the network of Hugging Face's diffusion course for MNIST (unit 1), which inkwash's U-Net can be to the last
parameter. denoising-diffusion-pytorch: its README's Unet with three levels and half the width. smalldiffusion: its
Fashion-MNIST example's Unet with attention at 14×14; at width 1 with 32 channels, as the others.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Peer:
    """`theirs` and `ours` are the networks' settings by width; `recipe` is what a documented training of it takes."""

    name: str
    package: str  # as the index calls it, with its version
    needs: tuple[str, ...]  # installed with their dependencies
    bare: tuple[str, ...]  # installed without theirs, which name torchvision
    theirs: dict[int, dict[str, Any]]
    ours: dict[int, dict[str, Any]]
    batch: int  # of its documented training
    steps: int  # of its documented sampler
    recipe: dict[str, Any]  # its network there
    notes: tuple[str, ...] = field(default=())


_COURSE = {
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
}
_SMALL = {"ch_mult": (1, 2, 2), "attn_resolutions": (14,)}
_PLAIN = {"mults": (1, 2, 2), "blocks": 2, "film": False}

PEERS = (
    Peer(
        "diffusers",
        "diffusers==0.42.1",
        ("diffusers==0.42.1", "accelerate", "datasets", "numpy", "pillow"),
        (),
        {1: {"block_out_channels": (32, 64, 64), **_COURSE}, 2: {"block_out_channels": (64, 128, 128), **_COURSE}},
        {1: {"channels": 32, "attention": (1, 2), **_PLAIN}, 2: {"channels": 64, "attention": (1, 2), **_PLAIN}},
        batch=16,
        steps=50,
        recipe={"block_out_channels": (32, 64, 64), **_COURSE},
        notes=(
            "its unconditional training example: `datasets` reads PNG files and decodes them in the loop, no workers; "
            "AdamW, clipping, EMAModel without foreach, `loss.item()` and a progress bar at every step",
            "images are read as grey (the example says RGB), without its optional mirroring",
            "its recipe: batch 16, rate 1e-4 with 500 steps of warm-up, cosine to the last step that fits the time "
            "(the example: 100 epochs), EMA to 0.9999; sampled with DDIMPipeline's 50 steps",
        ),
    ),
    Peer(
        "denoising-diffusion-pytorch",
        "denoising-diffusion-pytorch==2.3.4",
        ("accelerate", "einops", "numpy", "pillow", "scipy", "tqdm"),
        ("denoising-diffusion-pytorch==2.3.4", "ema-pytorch==0.8.3"),
        {1: {"dim": 32, "dim_mults": (1, 2, 4)}, 2: {"dim": 64, "dim_mults": (1, 2, 4)}},
        {
            1: {"channels": 32, "mults": (1, 2, 3), "blocks": 2, "film": True},
            2: {"channels": 60, "mults": (1, 2, 3), "blocks": 2, "film": True, "attention": (2,)},
        },
        batch=16,
        steps=250,
        recipe={"dim": 32, "dim_mults": (1, 2, 4)},
        notes=(
            "its own Trainer.train(): PNG files decoded by as many worker processes as cores, Adam, clipping, EMA at "
            "every 10th step, `loss.item()` and a progress bar at each; its sampling and checkpoint every 1,000 steps "
            "and its FID are kept out",
            "images are not mirrored (its default would be); `ema-pytorch` is its own average",
            "asked for bf16 its Trainer trains in it and samples in float32: here its sampling is in autocast too",
            "a part of its arithmetic is linear attention at 28×28 and 14×14, of inkwash's only convolutions",
            "its recipe: the Trainer's defaults (batch 16, rate 1e-4, EMA 0.995); sampled with its README's 250 steps",
        ),
    ),
    Peer(
        "smalldiffusion",
        "smalldiffusion==0.5.0",
        ("accelerate", "einops", "numpy", "pillow", "tqdm"),
        ("smalldiffusion==0.5.0", "torch-ema==0.3"),
        {1: {"ch": 32, **_SMALL}, 2: {"ch": 64, **_SMALL}},
        {1: {"channels": 32, "attention": (1,), **_PLAIN}, 2: {"channels": 64, "attention": (1,), **_PLAIN}},
        batch=128,
        steps=20,
        recipe={"ch": 64, "ch_mult": (1, 1, 2), "attn_resolutions": (14,)},
        notes=(
            "its training_loop as its Fashion-MNIST example drives it: images from memory through PIL in the loop, no "
            "workers; AdamW, no clipping, torch-ema, `loss.item()` and a progress bar at every step",
            "images are not mirrored (its example's are)",
            "its recipe: that example's network, rate 7e-4, EMA 0.999 and sampler (20 steps, gam 1.6), but batch 128 "
            "instead of 1,024, of which few steps would fit the time",
        ),
    ),
)  # fmt: skip
