"""Imports of denoising-diffusion-pytorch and of OpenAI's models: how far their own walks are from inkwash's.

    git clone https://github.com/openai/guided-diffusion; git clone https://github.com/openai/improved-diffusion
    pip install denoising-diffusion-pytorch
    PYTHONPATH=guided-diffusion:improved-diffusion python benchmarks/exchange_others.py [--steps 10 50] [--out table.md]

Each network has random weights of the seed 0, as its library initialises them; what begins as zeros is drawn from
N(0, 0.02²). Its weights are saved as the library saves them and imported; then the library samples by its own DDIM, and
inkwash walks from the same noise. Images lie in [−1, 1]. A library that is not on the path is named, and left out.
"""

import argparse
import importlib
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from inkwash.importers.denoising_diffusion import import_denoising_diffusion
from inkwash.importers.openai import import_openai
from inkwash.runs import build
from inkwash.runs.export import open_exact
from inkwash.sample import DDIM, last, sample
from inkwash.settings import Sampler

IMAGES, SIDE = 2, 32
Case = tuple[nn.Module, Callable[[int], Tensor], Callable[[Path], Any], Tensor | None, str]


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    lines = [
        f"| network | parameters | {' | '.join(f'{n} steps' for n in asked.steps)} |",
        "|---|---|" + "---|" * len(asked.steps),
    ]
    print("\n".join(lines), flush=True)
    for name, make in CASES.items():
        torch.manual_seed(0)
        try:
            lines.append(row(name, make(), asked.steps))
        except ImportError as error:
            lines.append(f"| {name} | not measured: {error} |")
        print(lines[-1], flush=True)
    if asked.out is not None:
        asked.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def row(name: str, case: Case, steps: list[int]) -> str:
    net, theirs, convert, labels, spacing = case
    with tempfile.TemporaryDirectory() as folder:
        convert(Path(folder))
        model = open_exact(Path(folder) / "run")
    found = []
    for n in steps:
        sampler = Sampler("ddim", n, spacing=spacing)
        denoise = build.limit(sampler, model.denoiser.given(labels))
        plan = build.plan(sampler, model.schedule)
        ours = last(sample(denoise, noise(model.shape[0]), plan, DDIM(), torch.zeros_like))
        with torch.no_grad():
            found.append(float((ours - theirs(n)).abs().max()))
    count = sum(each.numel() for each in net.parameters())
    return f"| {name} | {count:,} | {' | '.join(f'{each:.1e}' for each in found)} |"


def noise(channels: int) -> Tensor:
    return torch.randn(IMAGES, channels, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def drawn(net: nn.Module) -> nn.Module:
    """The network, where what begins as zeros is random."""
    for parameter in net.parameters():
        if not bool(parameter.any()):
            nn.init.normal_(parameter, std=0.02)
    return net.eval()


def denoising_diffusion(schedule: str, objective: str) -> Case:
    library = importlib.import_module("denoising_diffusion_pytorch")
    net = drawn(library.Unet(dim=32, dim_mults=(1, 2, 4), channels=3))

    def made(steps: int) -> Any:
        return library.GaussianDiffusion(
            net, image_size=SIDE, sampling_timesteps=steps, beta_schedule=schedule, objective=objective
        )  # fmt: skip

    def theirs(steps: int) -> Tensor:
        diffusion, start = made(steps), noise(3)
        with mock.patch("torch.randn", return_value=start):
            return 2 * diffusion.sample(batch_size=IMAGES) - 1  # type: ignore[no-any-return]

    def convert(folder: Path) -> None:
        state = made(1000).state_dict()
        torch.save({"step": 0, "model": state, "ema": {f"ema_model.{k}": v for k, v in state.items()}}, folder / "m.pt")
        import_denoising_diffusion(folder / "m.pt", folder / "run", SIDE)

    return net, theirs, convert, None, "trailing"


def openai(package: str, schedule: Any, learned: bool, flags: dict[str, Any], **given: Any) -> Case:
    unet, respace, gaussian = (
        importlib.import_module(f"{package}.{part}") for part in ("unet", "respace", "gaussian_diffusion")
    )
    size = {"image_size": SIDE} if package == "guided_diffusion" else {}
    net = drawn(unet.UNetModel(**size, in_channels=3, model_channels=64, out_channels=6 if learned else 3,
                               num_res_blocks=2, **given))  # fmt: skip
    labels = torch.tensor([3, 8]) if "num_classes" in given else None

    def theirs(steps: int) -> Tensor:
        kind = gaussian.ModelVarType
        diffusion = respace.SpacedDiffusion(
            respace.space_timesteps(1000, f"ddim{steps}"), betas=gaussian.get_named_beta_schedule(schedule, 1000),
            model_mean_type=gaussian.ModelMeanType.EPSILON, rescale_timesteps=False, loss_type=gaussian.LossType.MSE,
            model_var_type=kind.LEARNED_RANGE if learned else kind.FIXED_LARGE,
        )  # fmt: skip
        told = {} if labels is None else {"y": labels}
        found: Tensor = diffusion.ddim_sample_loop(
            net, (IMAGES, 3, SIDE, SIDE), noise(3), model_kwargs=told, device="cpu"
        )
        return found

    def convert(folder: Path) -> None:
        torch.save(net.state_dict(), folder / "m.pt")
        import_openai(folder / "m.pt", folder / "run", SIDE, schedule, **flags)

    return net, theirs, convert, labels, "leading"


CASES: dict[str, Callable[[], Case]] = {
    "denoising-diffusion-pytorch, sigmoid, v": lambda: denoising_diffusion("sigmoid", "pred_v"),
    "denoising-diffusion-pytorch, linear, ε": lambda: denoising_diffusion("linear", "pred_noise"),
    "guided-diffusion, as its 64: by class, new order of attention, cosine, learned variances": lambda: openai(
        "guided_diffusion", "cosine", True, {"num_head_channels": 64, "new_attention_order": True},
        channel_mult=(1, 2, 3), attention_resolutions=(2, 4), resblock_updown=True, num_head_channels=64,
        use_scale_shift_norm=True, use_new_attention_order=True, num_classes=10,
    ),
    "guided-diffusion, as its 128: 4 heads, linear, learned variances": lambda: openai(
        "guided_diffusion", "linear", True, {"num_heads": 4}, channel_mult=(1, 2, 3), attention_resolutions=(2, 4),
        resblock_updown=True, num_heads=4, use_scale_shift_norm=True,
    ),
    "improved-diffusion, as its CIFAR-10: 4 heads, cosine": lambda: openai(
        "improved_diffusion", "cosine", True, {"num_heads": 4}, channel_mult=(1, 2, 2, 2),
        attention_resolutions=(2, 4), num_heads=4, use_scale_shift_norm=True,
    ),
}  # fmt: skip


if __name__ == "__main__":
    main()
