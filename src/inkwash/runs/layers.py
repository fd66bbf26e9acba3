"""The layers of a network: what each computes, the shape of its output, and its parameters."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from inkwash import __version__
from inkwash.errors import UsageError
from inkwash.nets import ConditionedNet
from inkwash.runs.model import Model, TrainedModel
from inkwash.view import check_out, write
from inkwash.view.network import network_figure


@dataclass(frozen=True)
class Layer:
    """A module that has parameters of its own."""

    name: str  # its place in the network, such as down.0.blocks.1.conv
    kind: str  # its class
    shape: tuple[int, ...] | None  # of its output for one image, without the batch; None if it was never called
    parameters: int  # its own, without those of modules inside it


def layers(model: Model) -> list[Layer]:
    """The layers of a model's network in the order in which they are called; those that are never called come last.

    The network is called once, with one image of zeros in the middle of the schedule, and without a condition.
    """
    found: dict[nn.Module, tuple[int, ...]] = {}
    net = model.denoiser.net

    def note(module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(output, Tensor) and module not in found:
            found[module] = tuple(output.shape[1:])

    own = {name: module for name, module in net.named_modules() if any(True for _ in module.parameters(recurse=False))}
    hooks = [module.register_forward_hook(note) for module in own.values()]
    try:
        with torch.no_grad():
            x = torch.zeros(1, *model.shape, device=model.device)
            model.denoiser.given(None)(x, model.schedule.at(_middle(model)))
    finally:
        for hook in hooks:
            hook.remove()
    order = {module: i for i, module in enumerate(found)}
    return [
        Layer(name, type(module).__name__, found.get(module), sum(p.numel() for p in module.parameters(recurse=False)))
        for name, module in sorted(own.items(), key=lambda item: order.get(item[1], len(order)))
    ]


def _middle(model: Model) -> float:
    steps = model.schedule.num_timesteps
    return 0.5 if steps is None else steps // 2


def tables(model: Model) -> list[tuple[str, tuple[int, ...]]]:
    """The fixed tensors of a network, which are not trained: their names and shapes."""
    return [(name, tuple(buffer.shape)) for name, buffer in model.denoiser.net.named_buffers() if buffer.ndim]


def lines(model: Model) -> list[str]:
    """The layers as a table of text, with the total."""
    each = layers(model)
    wide, kind = max(len(layer.name) for layer in each), max(len(layer.kind) for layer in each)
    text = [f"{'layer':{wide}}  {'kind':{kind}}  {'output':>14}  {'parameters':>11}"]
    text += [
        f"{layer.name:{wide}}  {layer.kind:{kind}}  {_words(layer.shape):>14}  {layer.parameters:>11,}"
        for layer in each
    ]
    text.append(f"{'all':{wide}}  {'':{kind}}  {'':>14}  {sum(layer.parameters for layer in each):>11,}")
    for name, shape in tables(model):
        text.append(f"besides these, {name} is a fixed table of {'×'.join(map(str, shape))}")
    return text


def _words(shape: Sequence[int] | None) -> str:
    """A shape [C,H,W] as C×H×W; of other layers as it is."""
    return "never called" if shape is None else "×".join(map(str, shape))


def draw_network(model: TrainedModel, out: Path) -> None:
    """Draws the network as a PNG: the resolution and the channels of each layer, in the order of calls.

    Raises UsageError for a network without images inside, such as the one for points.
    """
    if out.suffix.lower() != ".png":
        raise UsageError(f"the network is drawn as a PNG; give `out` a name ending in .png (got {out}).")
    check_out(out)
    images = [layer for layer in layers(model) if layer.shape is not None and len(layer.shape) == 3]
    if not images:
        raise UsageError(f"the network of {model.name} has no layer whose output is an image; leave out `out`.")
    about = {"inkwash": __version__, "command": "info", "checkpoint": model.digest}
    net = model.denoiser.net
    kind = type(net.net if isinstance(net, ConditionedNet) else net).__name__
    title = f"{kind}, {sum(p.numel() for p in model.denoiser.parameters()):,} parameters"
    write(out, network_figure([layer.shape for layer in images if layer.shape], title)[None], about)
