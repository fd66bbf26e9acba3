"""Models in other libraries and in inkwash: the largest difference of their walks from the same noise, in and out.

    python benchmarks/exchange.py [--steps 10 50] [--large] [--out table.md]
    python benchmarks/exchange.py --shown RUN [--out picture.png]

Each network has random weights, of the seed 0, as its library initialises them. A pipeline is saved by diffusers and
imported by inkwash; then both walk by DDIM, from the same noise. The run is exported again, and walked by diffusers.
Images lie in [−1, 1], where a grey level is 0.0078. --large adds the layout of google/ddpm-cifar10-32 (35.7 M weights).

--shown takes a run of the network diffusers-unet, exports it, and draws: images by inkwash, the same by diffusers'
DDIMPipeline, and pictures with half of the pixels missing, restored by deepinv's DiffPIR with DiffusersDenoiserWrapper.
"""

import argparse
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMPipeline, DDIMScheduler, DDPMScheduler, UNet2DModel
from torch import Tensor

from inkwash.core import Seeded, prior
from inkwash.importers.diffusers import import_diffusers
from inkwash.runs import build
from inkwash.runs.export import open_exact
from inkwash.runs.export_diffusers import export_diffusers
from inkwash.runs.model import TrainedModel, images
from inkwash.sample import DDIM, last, sample
from inkwash.settings import Sampler
from inkwash.view import grid, write

IMAGES = 2
SMALL = {
    "block_out_channels": (32, 64),
    "norm_num_groups": 8,
    "sample_size": 16,
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
}
OLD = {"downsample_padding": 0, "flip_sin_to_cos": False, "freq_shift": 1, "norm_eps": 1e-6, "attention_head_dim": None}
CIFAR = OLD | {
    "sample_size": 32,
    "block_out_channels": (128, 256, 256, 256),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
}
ADM = {
    "resnet_time_scale_shift": "scale_shift",
    "attn_norm_num_groups": 8,
    "num_class_embeds": 10,
    "downsample_type": "resnet",
    "upsample_type": "resnet",
    "down_block_types": ("ResnetDownsampleBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "ResnetUpsampleBlock2D"),
}
CASES: list[tuple[str, dict[str, Any], Any]] = [
    ("plain, ε, linear, clipped", SMALL, DDIMScheduler()),
    ("plain, ε, linear, not clipped", SMALL, DDIMScheduler(clip_sample=False)),
    ("as google's ddpm, ε, DDPMScheduler", SMALL | OLD, DDPMScheduler(variance_type="fixed_large")),
    ("as ADM, by class, v, cosine", SMALL | ADM,
     DDIMScheduler(beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction")),
    ("by class, v, zero terminal SNR, trailing", SMALL | {"num_class_embeds": 10},
     DDIMScheduler(rescale_betas_zero_snr=True, prediction_type="v_prediction", timestep_spacing="trailing")),
    ("plain, x₀, scaled-linear", SMALL,
     DDIMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, prediction_type="sample")),
]  # fmt: skip


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--shown", type=Path, metavar="RUN")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    if asked.shown is not None:
        show(asked.shown, asked.out or Path("exchange.png"))
        return
    large = ("google/ddpm-cifar10-32's layout", CIFAR, DDPMScheduler())
    columns = [*(f"in, {n} steps" for n in asked.steps), f"out, {asked.steps[0]} steps", "largest value"]
    lines = [f"| network | parameters | {' | '.join(columns)} |", "|---|---|" + "---|" * len(columns)]
    print("\n".join(lines), flush=True)
    for name, config, scheduler in [*CASES, *([large] if asked.large else [])]:
        with tempfile.TemporaryDirectory() as folder:
            lines.append(row(name, config, scheduler, asked.steps, Path(folder)))
        print(lines[-1], flush=True)
    if asked.out is not None:
        asked.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def row(name: str, config: dict[str, Any], scheduler: Any, steps: list[int], folder: Path) -> str:
    """A line of the table: the differences of an imported pipeline for each number of steps, and of its export."""
    torch.manual_seed(0)
    unet = UNet2DModel(**config).eval()
    DDIMPipeline(unet, scheduler).save_pretrained(folder / "in")
    scheduler.save_pretrained(folder / "in" / "scheduler")  # the pipeline makes DDIM's of it
    import_diffusers(folder / "in", folder / "run")
    model = open_exact(folder / "run")
    found, largest = zip(*(apart(model, folder / "in", n) for n in steps), strict=True)
    out = export_diffusers(model, folder / "out", replace(model.run.sampler, steps=steps[0]))
    count = sum(each.numel() for each in unet.parameters())
    return f"| {name} | {count:,} | {' | '.join(f'{each:.1e}' for each in [*found, out or 0.0])} | {max(largest):.0f} |"


def apart(model: TrainedModel, folder: Path, steps: int) -> tuple[float, float]:
    """The largest difference of the walks of an imported pipeline and of diffusers' own, and the largest value."""
    unet = UNet2DModel.from_pretrained(folder / "unet").eval()
    scheduler = DDIMScheduler.from_pretrained(folder / "scheduler")
    labels = None if model.condition is None else torch.arange(IMAGES)
    sampler = Sampler("ddim", steps, spacing=build.spacing(model.run.sampler), limit=model.run.sampler.limit)
    plan, noise = build.plan(sampler, model.schedule), Seeded(0, range(IMAGES))
    start = x = prior(noise, plan[0], torch.empty(IMAGES, *model.shape))
    scheduler.set_timesteps(steps)
    with torch.no_grad():
        for t in scheduler.timesteps:
            x = scheduler.step(
                unet(x, t, class_labels=labels).sample, t, x, use_clipped_model_output=True
            ).prev_sample  # fmt: skip
    ours = last(sample(build.limit(sampler, model.denoiser.given(labels)), start, plan, DDIM(), noise))
    return float((ours - x).abs().max()), float(x.abs().max())


def show(run: Path, out: Path) -> None:
    """Rows of eight: inkwash, diffusers, pictures of the data, their measurements, and deepinv's restorations."""
    import deepinv
    from deepinv.models import DiffusersDenoiserWrapper

    model, steps, n = open_exact(run), 50, 8
    start = torch.randn(n, *model.shape, generator=torch.Generator().manual_seed(3))
    sampler = Sampler("ddim", steps, spacing="trailing")
    plan = build.plan(sampler, model.schedule)
    ours = last(sample(build.limit(sampler, model.denoiser.given(None)), start, plan, DDIM(), torch.zeros_like))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "out"
        export_diffusers(model, folder, sampler)
        pipe = DDIMPipeline.from_pretrained(folder)
        pipe.set_progress_bar_config(disable=True)
        theirs = pipe(n, torch.Generator().manual_seed(3), num_inference_steps=steps, output_type="np",
                      use_clipped_model_output=True).images  # fmt: skip
        theirs = torch.from_numpy(theirs).permute(0, 3, 1, 2) * 2 - 1
        denoiser = DiffusersDenoiserWrapper(str(folder))
    print(f"diffusers' pipeline and inkwash: at most {float((theirs - ours.clamp(-1, 1)).abs().max()):.1e} apart")
    clean = images(model, "test").pixels[:n].float() / 255
    mask = (torch.rand(model.shape, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    physics = deepinv.physics.Inpainting(model.shape, mask=mask, noise_model=deepinv.physics.GaussianNoise(0.02))
    measured = physics(clean)
    restore = deepinv.sampling.DiffPIR(denoiser, deepinv.optim.L2(), sigma=0.02, max_iter=100)
    torch.manual_seed(0)
    restored = restore(measured, physics).clamp(0, 1)
    print(f"restored, mean squared error {float((restored - clean).square().mean()):.4f}; the measurement's "
          f"{float((measured - clean).square().mean()):.4f}")  # fmt: skip
    rows = [ours, theirs, *(each.clamp(0, 1) * 2 - 1 for each in (clean, measured, restored))]
    write(out, grid(_bytes(torch.cat(rows)), columns=n)[None], {"command": "benchmarks/exchange.py --shown"})
    print(out)


def _bytes(x: Tensor) -> Any:
    return ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


if __name__ == "__main__":
    main()
