"""Converts checkpoints of denoising-diffusion-pytorch's trainer to runs."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from inkwash.errors import UsageError
from inkwash.foreign_networks import DenoisingDiffusionUNet
from inkwash.importers.saved import check_layers, fill, read, schedule_of, tensors, write_run
from inkwash.recipes.folder import folder as own_images
from inkwash.runs import build
from inkwash.settings import Data, Process, RunSettings, Sampler

_HELP = "give a file that its Trainer saved, model-….pt"
_WHAT = "denoising-diffusion-pytorch's Unet (version 2)"


def import_denoising_diffusion(file: Path, out: Path, size: int | None = None) -> RunSettings:
    """Converts a checkpoint {"step", "model", "ema", …}, or the state dict of a GaussianDiffusion, to a run in `out`.

    The averaged weights are used where there are some. Schedule and objective are those of its tables. `size` is the
    side of its images, which the file does not say. The run samples as the library does by default: DDPM, all steps.

    Raises UsageError for another network or schedule, and without `size`; InkwashError for a damaged file.
    """
    saved = read(file, _HELP)
    model = tensors(saved["model"] if isinstance(saved.get("model"), dict) else saved)
    average = tensors(saved["ema"]) if isinstance(saved.get("ema"), dict) else {}
    weights = _network(average, "ema_model.model.") or _network(model, "model.")
    if not weights or "betas" not in model or "loss_weight" not in model:
        raise UsageError(f"{file} holds no GaussianDiffusion of denoising-diffusion-pytorch; {_HELP}.")
    network, channels = _sizes(weights, file)
    if size is None:
        raise UsageError(f"{file} does not say the size of its images; give `size`.")
    betas = model["betas"]
    if betas.ndim != 1 or model["loss_weight"].shape != betas.shape:
        raise UsageError(f"{file} has betas of the shape {list(betas.shape)}, where a list was expected; {_HELP}.")
    name, ends = schedule_of(betas, file)
    low, high = ends or (None, None)
    process = Process(name, len(betas), low, high, _objective(betas, model["loss_weight"], file))
    run = replace(
        own_images(), data=Data(source="", size=size, image_channels=channels), network=network, process=process,  # type: ignore[arg-type]
        sampler=Sampler("ddpm", len(betas)),
    )  # fmt: skip
    shape = (channels, size, size)
    wanted = {name.removeprefix("net."): sides for name, sides in build.shapes(run, shape, None).items()}
    check_layers(wanted, weights, file, _WHAT)
    denoiser = build.denoiser(run, shape, torch.float32)
    fill(denoiser.net, weights, file, _WHAT)
    step = saved.get("step")
    write_run(run, denoiser, shape, out, "of denoising-diffusion-pytorch", step if isinstance(step, int) else 0)
    return run


def _network(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _sizes(weights: Mapping[str, Tensor], file: Path) -> tuple[DenoisingDiffusionUNet, int]:
    """The settings of the network and the channels of its images, from the shapes of its weights."""
    if "time_mlp.0.weights" in weights:
        raise UsageError(f"{file} has learned or random sinusoids of time, which inkwash does not have.")
    try:
        init_dim, taken = weights["init_conv.weight"].shape[:2]
        channels = weights["final_conv.weight"].shape[0]
        dim = weights["time_mlp.1.weight"].shape[1]
        levels = len({name.split(".")[1] for name in weights if name.startswith("downs.")})
        last = [f"downs.{i}.3.{'1.' if i < levels - 1 else ''}weight" for i in range(levels)]
        mults = tuple(weights[name].shape[0] // dim for name in last)
        full = tuple(i for i in range(levels) if f"downs.{i}.2.to_out.weight" in weights)
        _, heads, memories, width = weights["mid_attn.mem_kv"].shape
    except (LookupError, ValueError, ArithmeticError) as error:
        raise UsageError(f"{file} holds another network than {_WHAT} ({error}); {_HELP}.") from error
    if taken != channels:
        why = {2 * channels: "self-conditioning", channels / 2: "a learned variance"}.get(taken, "other channels")
        raise UsageError(f"{file} takes {taken} channels and gives {channels}: {why}, which inkwash does not have.")
    if channels not in (1, 3, 4):
        raise UsageError(f"{file} is of images of {channels} channels, where inkwash's have 1, 3 or 4.")
    try:
        return DenoisingDiffusionUNet(
            dim, mults, None if init_dim == dim else init_dim, full, heads, width, memories
        ), channels  # fmt: skip
    except UsageError as error:
        plain = str(error).replace("`", "")  # these are no arguments of an import
        raise UsageError(f"{file} holds another network than {_WHAT} ({plain}); {_HELP}.") from error


def _objective(betas: Tensor, weight: Tensor, file: Path) -> str:
    """The prediction whose loss has these weights, with or without min-SNR's bound of 5."""
    abar = torch.cumprod(1 - betas.double(), 0)
    snr = abar / (1 - abar)
    for name, of in (("eps", snr), ("x0", torch.ones_like(snr)), ("v", snr + 1)):
        for bounded in (snr, snr.clamp(max=5)):
            if torch.allclose(weight.double(), bounded / of, rtol=1e-2, atol=1e-6):
                return name
    raise UsageError(f"{file} was trained with a loss weight of its own: what its network predicts is not known.")
