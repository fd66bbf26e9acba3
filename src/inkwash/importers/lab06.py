"""Converts a student's weights of lab 6 (计算摄影学), whose unet.py has labml.ai's layout, to runs."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from inkwash.course_networks import LabmlUNet
from inkwash.errors import UsageError
from inkwash.importers.saved import fill, read, tensors, write_run
from inkwash.recipes.lab06 import lab06_eps
from inkwash.runs import build
from inkwash.runs.record import resolved
from inkwash.settings import Process, RunSettings

_HELP = "give the state_dict() of the lab's UNet, as torch.save wrote it"


def import_lab06(
    file: Path,
    out: Path,
    size: int = 32,
    timesteps: int | None = None,
    predicts: Literal["eps", "v"] = "eps",
    unit: bool = True,
    normed: bool = False,
) -> RunSettings:
    """Converts weights of the lab's network to a run in `out`; returns its settings.

    Channels, levels, attention and blocks follow from the weights. The file does not say the rest:

    Args:
        size: the side of the images.
        timesteps: T, None for 1000; β runs from 1e-4 to 0.02, as in the lab.
        predicts: what the network returns.
        unit: whether it saw images in [0, 1], as ToTensor gives them and the lab's clamp expects, or in [−1, 1].
        normed: whether its attention applies the norm that it has.

    Raises UsageError for a file that holds another network.
    """
    state = tensors(read(file, _HELP))
    network = replace(_sizes(file, state), unit_range=unit, velocity=unit and predicts == "v", normed=normed)
    schedule, prediction = ("linear-unit", "eps") if unit else ("linear", predicts)
    steps = Process(timesteps=1000 if timesteps is None else timesteps).timesteps  # 1 or more
    run = replace(
        lab06_eps(), network=network, process=Process(schedule, steps, 1e-4, 0.02, prediction),
        sampler=replace(lab06_eps().sampler, steps=steps),
    )  # fmt: skip
    run = resolved(replace(run, data=replace(run.data, size=size)))
    shape = (state["image_proj.weight"].shape[1], size, size)
    denoiser = build.denoiser(run, shape, torch.float32)
    net = denoiser.net.net if unit else denoiser.net
    assert isinstance(net, torch.nn.Module)
    fill(net, state, file, "the lab's")
    write_run(run, denoiser, shape, out, "of lab 6")
    return run


def _sizes(file: Path, state: dict[str, Tensor]) -> LabmlUNet:
    """The network's settings, from the names and shapes of its weights."""
    try:
        channels = state["image_proj.weight"].shape[0]
        widths, attention, blocks, here = [], [], 0, 0
        for i in range(len({key.split(".")[1] for key in state if key.startswith("down.")})):
            if f"down.{i}.conv.weight" in state:
                blocks, here = here, 0
                continue
            here += 1
            if here == 1:
                widths.append(state[f"down.{i}.res.conv1.weight"].shape[0])
                attention.append(f"down.{i}.attn.projection.weight" in state)
        return LabmlUNet(
            channels, tuple(widths), tuple(i for i, attends in enumerate(attention) if attends), blocks or here
        )
    except (KeyError, IndexError, ValueError) as error:
        raise UsageError(f"{file} holds no network of the lab's layout; {_HELP}.") from error
