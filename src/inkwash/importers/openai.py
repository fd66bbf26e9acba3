"""Converts weights of OpenAI's improved- and guided-diffusion, whose UNetModel is diffusers' by other names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from inkwash.errors import UsageError
from inkwash.foreign import say
from inkwash.foreign_networks import DiffusersUNet, Down
from inkwash.importers.saved import check_layers, fill, read, tensors, write_run
from inkwash.recipes.folder import folder as own_images
from inkwash.runs import build
from inkwash.runs.conditions import condition
from inkwash.settings import Conditioning, Data, Process, RunSettings, Sampler

_HELP = "give a state dict of a UNetModel of improved-diffusion or guided-diffusion, such as ema_0.9999_….pt"
_WHAT = "a UNetModel"
_RESNET = {
    "in_layers.0": "norm1", "in_layers.2": "conv1", "emb_layers.1": "time_emb_proj", "out_layers.0": "norm2",
    "out_layers.3": "conv2", "skip_connection": "conv_shortcut",
}  # fmt: skip
_ENDS = {
    "time_embed.0": "time_embedding.linear_1", "time_embed.2": "time_embedding.linear_2",
    "label_emb": "class_embedding", "input_blocks.0.0": "conv_in", "out.0": "conv_norm_out", "out.2": "conv_out",
}  # fmt: skip


def import_openai(
    file: Path,
    out: Path,
    size: int | None = None,
    schedule: Literal["linear", "cosine", "sigmoid"] | None = None,
    timesteps: int = 1000,
    objective: Literal["pred_noise", "pred_x_start"] = "pred_noise",
    num_heads: int | None = None,
    num_head_channels: int | None = None,
    new_attention_order: bool = False,
    rescale_timesteps: bool = False,
) -> RunSettings:
    """Converts a file of weights to a run in `out`; returns its settings.

    The file has no settings: those that its weights' shapes do not tell are the arguments, which have the names of its
    scripts (`size` is image_size, `schedule` noise_schedule, `timesteps` diffusion_steps). Of a network with learned
    variances the part that predicts the image is kept; DDIM is the same without them, and DDPM draws with fixed ones.

    Raises UsageError for another network, or without what the file does not say; InkwashError for a damaged file.
    """
    state = tensors(read(file, _HELP))
    found = _layout(state, file)
    if size is None or schedule not in ("linear", "cosine"):
        raise UsageError(f"{file} does not say the size of its images and its schedule; give `size`, and `schedule` as "
                         "linear or cosine.")  # fmt: skip
    heads = _heads(found, num_heads, num_head_channels, file)
    one = {*heads.values()}  # of all attention, as diffusers has it, or different ones
    network = replace(
        found.network, attention_head_dim=min(one) if len(one) == 1 else None,
        num_attention_heads=None if len(one) == 1 else num_heads,
        time_factor=1000 / timesteps if rescale_timesteps else 1.0,
    )  # fmt: skip
    weights = _renamed(state, found, heads, new_attention_order)
    process = Process(schedule, timesteps, prediction="eps" if objective == "pred_noise" else "x0")
    sampler = Sampler("ddim", min(50, timesteps), spacing="leading")
    names = tuple(map(str, range(found.classes)))
    shape = (found.channels, size, size)
    run = replace(
        own_images(), data=Data(source="", size=size, image_channels=found.channels), network=network,  # type: ignore[arg-type]
        process=process, sampler=sampler if found.learned else Sampler("ddpm", timesteps, variance="large"),
        conditioning=Conditioning("class", condition_dropout=0.0, scale=1.0) if names else Conditioning(),
    )  # fmt: skip
    kind = condition(run, names) if names else None
    before = "net.net." if names else "net."
    wanted = {name.removeprefix(before): sides for name, sides in build.shapes(run, shape, kind).items()}
    check_layers(wanted, weights, file, f"{_WHAT} of these settings")
    denoiser = build.denoiser(run, shape, torch.float32, kind)
    net = denoiser.net.net if names else denoiser.net
    assert isinstance(net, torch.nn.Module)
    fill(net, weights, file, _WHAT)
    write_run(run, denoiser, shape, out, "of OpenAI's diffusion models", classes=names)
    if found.learned:
        say("Its learned variances are left out: DDIM does not use them, and DDPM draws with fixed ones.")
    return run


@dataclass(frozen=True)
class _Layout:
    """What the shapes of a UNetModel's weights say."""

    network: DiffusersUNet  # without its heads
    channels: int
    classes: int
    learned: bool  # whether it also predicts variances
    each: int  # blocks of a level on the way up


def _layout(state: Mapping[str, Tensor], file: Path) -> _Layout:
    try:
        first, channels = state["input_blocks.0.0.weight"].shape[:2]
        base, outs = state["time_embed.0.weight"].shape[1], state["out.2.weight"].shape[0]
        blocks = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("output_blocks."))
        ups = [i for i in range(blocks) if _up(state, i)]
        each = ups[0] + 1 if ups else blocks
        levels = blocks // each
        starts = [1 + level * each for level in range(levels)]
        widths = tuple(state[f"input_blocks.{i}.0.out_layers.3.weight"].shape[0] for i in starts)
        attends = [f"input_blocks.{i}.1.qkv.weight" in state for i in starts]
        film = state["middle_block.0.emb_layers.1.weight"].shape[0] == 2 * widths[-1]
        by_resnet = levels > 1 and f"input_blocks.{each}.0.in_layers.0.weight" in state
        classes = state["label_emb.weight"].shape[0] if "label_emb.weight" in state else 0
    except (LookupError, ValueError) as error:
        raise UsageError(f"{file} holds no UNetModel ({error}); {_HELP}.") from error
    if first != base or widths[0] != base:
        raise UsageError(f"{file} has {widths[0]} channels at its first level and {base} of time; inkwash has as many.")
    if channels not in (1, 3, 4) or outs not in (channels, 2 * channels):
        raise UsageError(
            f"{file} takes {channels} channels and gives {outs}: inkwash has networks from images to such images (or "
            "twice as many, with learned variances), and no super-resolution of OpenAI's."
        )
    if classes == 1:
        raise UsageError(f"{file} has one class, where 2 or more are needed.")
    plain: Down = "ResnetDownsampleBlock2D" if by_resnet else "DownBlock2D"
    blocks_of: list[Down] = ["AttnDownBlock2D" if attend else plain for attend in attends]
    kind: Literal["conv", "resnet"] = "resnet" if by_resnet else "conv"
    try:
        network = DiffusersUNet(
            widths, tuple(blocks_of),
            layers_per_block=each - 1, attn_norm_num_groups=32, downsample_type=kind, upsample_type=kind,
            resnet_time_scale_shift="scale_shift" if film else "default",
        )  # fmt: skip
    except UsageError as error:
        plainly = str(error).replace("`", "")
        raise UsageError(f"{file} holds no UNetModel ({plainly}); {_HELP}.") from error
    return _Layout(network, channels, classes, outs != channels, each)


def _up(state: Mapping[str, Tensor], i: int) -> bool:
    """Whether the i-th block of the way up ends by doubling the sides."""
    later = [name for name in state if re.match(rf"output_blocks\.{i}\.[12]\.(conv|in_layers)\.", name)]
    return bool(later)


def _heads(found: _Layout, count: int | None, width: int | None, file: Path) -> dict[int, int]:
    """The channels of a head at each width that has attention. Raises UsageError unless one of the two is given."""
    network = found.network
    widths = {each for each, kind in zip(network.block_out_channels, network.downwards, strict=True) if "Attn" in kind}
    widths.add(network.block_out_channels[-1])
    if (count is None) == (width is None):
        raise UsageError(f"{file} does not say the heads of its attention; give `num_heads` or `num_head_channels`.")
    number = count or width or 0
    if number < 1 or any(each % number for each in widths):
        raise UsageError(
            f"{number} does not divide the channels {sorted(widths)} of its attention; give another number."
        )
    return {each: width or each // number for each in sorted(widths)}


def _renamed(
    state: Mapping[str, Tensor], found: _Layout, heads: Mapping[int, int], new_order: bool
) -> dict[str, Tensor]:
    """The weights under the names of DiffusersUNet; what has no such name keeps its own."""
    weights: dict[str, Tensor] = {}
    for name, tensor in state.items():
        for ours, value in _named(name, tensor, state, found, heads, new_order):
            weights[ours] = value.float()
    return weights


def _named(
    name: str, tensor: Tensor, state: Mapping[str, Tensor], found: _Layout, heads: Mapping[int, int], new_order: bool
) -> list[tuple[str, Tensor]]:
    module, _, part = name.rpartition(".")
    if module in _ENDS:
        return [(f"{_ENDS[module]}.{part}", tensor[: found.channels] if module == "out.2" else tensor)]
    match = re.fullmatch(r"(input_blocks|output_blocks)\.(\d+)\.(\d)\.(.+)|(middle_block)\.(\d)\.(.+)", module)
    if match is None:
        return [(name, tensor)]
    if match[5]:
        place, inner = int(match[6]), match[7]
        to = "mid_block.attentions.0" if place == 1 else f"mid_block.resnets.{place // 2}"
    else:
        up, inner = match[1] == "output_blocks", match[4]
        level, i = divmod(int(match[2]) - (not up), found.each)
        side, sampler = ("up_blocks", "upsamplers.0") if up else ("down_blocks", "downsamplers.0")
        attends = inner.split(".")[0] in ("norm", "qkv", "proj_out")
        doubles = match[3] != "0" and not attends if up else i == found.each - 1
        to = f"{side}.{level}.{sampler}" if doubles else f"{side}.{level}.{'attentions' if attends else 'resnets'}.{i}"
    if inner in ("op", "conv"):
        return [(f"{to}.conv.{part}", tensor)]
    if inner in _RESNET:
        return [(f"{to}.{_RESNET[inner]}.{part}", tensor)]
    if inner == "norm":
        return [(f"{to}.group_norm.{part}", tensor)]
    flat = tensor.flatten(1) if part == "weight" else tensor  # kernels of one pixel
    if inner == "proj_out":
        return [(f"{to}.to_out.0.{part}", flat)]
    if inner == "qkv" and len(flat) % 3 == 0 and len(flat) // 3 in heads:
        rest, width = flat.shape[1:], heads[len(flat) // 3]
        each = flat.view(3, -1, *rest) if new_order else flat.view(-1, 3, width, *rest).transpose(0, 1)
        return [(f"{to}.to_{letter}.{part}", each[n].reshape(-1, *rest)) for n, letter in enumerate("qkv")]
    return [(name, tensor)]
