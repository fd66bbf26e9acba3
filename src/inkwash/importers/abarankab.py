"""Converts checkpoints of abarankab's DDPM (github.com/abarankab/DDPM) to runs."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from inkwash.errors import UsageError
from inkwash.importers.saved import fill, linear_ends, read, tensors, write_run
from inkwash.nets.abarankab import from_original
from inkwash.networks import AbarankabUNet
from inkwash.recipes.cifar import abarankab_cifar10
from inkwash.runs import build
from inkwash.runs.conditions import condition
from inkwash.runs.record import resolved
from inkwash.settings import Conditioning, Data, RunSettings

_HELP = "give a file that its scripts/train_cifar.py saved, …-model.pth"
_CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def import_abarankab(file: Path, out: Path, size: int = 32) -> RunSettings:
    """Converts a state dict of its GaussianDiffusion, or of its UNet alone, to a run in `out`; returns its settings.

    Of a diffusion the averaged network is used, and T and the ends of β are those of its betas, which must rise in a
    line; of a network alone they are the recipe's. Sizes are read from the weights. Raises UsageError for another
    network.
    """
    state = tensors(read(file, _HELP))
    weights = from_original(state)
    run = abarankab_cifar10()
    network, channels, classes = _sizes(weights, file)
    process = run.process
    if "betas" in state:
        steps, low, high = linear_ends(state["betas"], file)
        process = replace(process, timesteps=steps, beta_low=low, beta_high=high)
    names = _CIFAR if classes == len(_CIFAR) else tuple(map(str, range(classes)))
    run = resolved(replace(
        run, data=Data(source="cifar10", size=size, image_channels=1 if channels == 1 else 3), network=network,
        process=process, sampler=replace(run.default_sampler, steps=process.timesteps),
        conditioning=run.conditioning if classes else Conditioning(),
    ))  # fmt: skip
    shape = (channels, size, size)
    told = condition(run, names) if classes else None
    denoiser = build.denoiser(run, shape, torch.float32, told)
    net = denoiser.net.net if classes else denoiser.net
    assert isinstance(net, torch.nn.Module)
    fill(net, weights, file, "abarankab's U-Net")
    write_run(run, denoiser, shape, out, "of abarankab's script", classes=names)
    return run


def _sizes(weights: dict[str, Tensor], file: Path) -> tuple[AbarankabUNet, int, int]:
    """The settings of the network, the channels of its images, and the number of its classes, from shapes."""
    try:
        base, channels = weights["init_conv.weight"].shape[:2]
        time = weights["time_mlp.1.weight"].shape[0]
        classes = weights["mid.0.class_bias.weight"].shape[1] if "mid.0.class_bias.weight" in weights else 0
        places = sorted({int(key.split(".")[1]) for key in weights if key.startswith("downs.")})
        outs, each, attends, level, blocks = list[int](), list[int](), set[int](), 0, 0
        for place in places:
            if f"downs.{place}.downsample.weight" in weights:
                each.append(blocks)
                level, blocks = level + 1, 0
                continue
            width = weights[f"downs.{place}.time_bias.weight"].shape[0]
            if blocks == 0:
                outs.append(width // base)
            blocks += 1
            if f"downs.{place}.attention.to_qkv.weight" in weights:
                attends.add(level)
        each.append(blocks)
    except (LookupError, ValueError, ArithmeticError) as error:
        raise UsageError(f"{file} holds no network of abarankab's layout ({error}); {_HELP}.") from error
    if len(set(each)) != 1 or not outs:
        raise UsageError(f"{file} holds a network whose levels have different numbers of blocks; {_HELP}.")
    norm: Literal["none", "bn", "gn"] = "gn"
    if "out_norm.weight" not in weights:
        norm = "none"
    elif "out_norm.running_mean" in weights:
        norm = "bn"
    settings = AbarankabUNet(
        base_channels=base, channel_mults=tuple(outs), num_res_blocks=each[0], time_emb_dim=time,
        attention_resolutions=tuple(sorted(attends)), norm=norm,
    )  # fmt: skip
    return settings, int(channels), int(classes)
