"""Converts weights of the MNIST report's network, as B. Pulfer's walk-through saves them, to runs."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from inkwash.errors import UsageError
from inkwash.importers.saved import fill, read, tensors, write_run
from inkwash.recipes.sysu import sysu_mnist
from inkwash.runs import build
from inkwash.runs.record import resolved
from inkwash.settings import RunSettings

_HELP = "give the state_dict() of the report's MyUNet or MyDDPM, as torch.save wrote it"
_LEVELS = {  # ours: their time embedding and blocks
    "down1": ("te1", "b1"), "down2": ("te2", "b2"), "down3": ("te3", "b3"), "middle": ("te_mid", "b_mid"),
    "up3": ("te4", "b4"), "up2": ("te5", "b5"), "up1": ("te_out", "b_out"),
}  # fmt: skip
_REST = {
    "shrink1": "down1", "shrink2": "down2", "shrink3": "down3", "grow3": "up1", "grow2": "up2", "grow1": "up3",
    "last": "conv_out",
}  # fmt: skip
_PARTS = {"0": "ln", "1": "conv1", "3": "conv2"}  # of a block
_UNUSED = "b_out.2.ln."  # a norm that the original makes and never calls


def import_sysu(file: Path, out: Path) -> RunSettings:
    """Converts weights of the MNIST report to a run in `out`; returns its settings.

    T is the number of rows of the network's table of time. β runs from 1e-4 to 0.02, as in the report, since the file
    does not record it. Raises UsageError for a file that holds another network.
    """
    state = tensors(read(file, _HELP))
    if "network.conv_out.weight" in state:  # of a MyDDPM
        state = {key.removeprefix("network."): value for key, value in state.items() if key.startswith("network.")}
    table = state.pop("time_embed.weight", None)
    if table is None or "conv_out.weight" not in state or table.ndim != 2:
        raise UsageError(f"{file} holds no network of the MNIST report; {_HELP}.")
    run = sysu_mnist()
    steps = len(table)
    run = replace(run, process=replace(run.process, timesteps=steps), sampler=replace(run.default_sampler, steps=steps))
    run = resolved(run)
    shape = (state["conv_out.weight"].shape[0], 28, 28)
    denoiser = build.denoiser(run, shape, torch.float32)
    times = denoiser.net.get_buffer("times")
    if table.shape != times.shape or not torch.allclose(table.float(), times, atol=1e-4):
        raise UsageError(
            f"{file} has another table of time than the report's sinusoids; the network would see other t."
        )
    fill(denoiser.net, _named(state), file, "the MNIST report's")
    write_run(run, denoiser, shape, out, "of the MNIST report")
    return run


def _named(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights under the names of TenChannelUNet; what it does not know keeps its name."""
    names = {theirs: ours for ours, theirs in _REST.items()}
    for ours, (time, blocks) in _LEVELS.items():
        names[time] = f"{ours}.time"
        names |= {
            f"{blocks}.{n}.{part}": f"{ours}.blocks.{n}.{place}" for n in range(3) for place, part in _PARTS.items()
        }
    found = {}
    for key, value in state.items():
        if key.startswith(_UNUSED):
            continue
        module = next((name for name in names if key.startswith(f"{name}.")), None)
        found[key if module is None else names[module] + key.removeprefix(module)] = value
    return found
