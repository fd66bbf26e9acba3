"""Converts pipelines of diffusers with a UNet2DModel, unconditional or by class, to runs. Does not need diffusers."""

from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from inkwash.errors import UsageError
from inkwash.foreign import harmless, say
from inkwash.foreign_networks import DiffusersUNet
from inkwash.importers import saved
from inkwash.importers.diffusers_config import Beside, UNetConfig, read, unet
from inkwash.importers.diffusers_scheduler import scheduled
from inkwash.importers.saved import check_layers, fill, read_json, read_safetensors, tensors, write_run
from inkwash.nets.diffusers_unet import timesteps
from inkwash.recipes.folder import folder as own_images
from inkwash.runs import build
from inkwash.runs.conditions import condition
from inkwash.settings import Conditioning, Data, RunSettings

_HELP = "give the folder that save_pretrained of a DDPMPipeline or DDIMPipeline wrote"
_WEIGHTS = "diffusion_pytorch_model"
_OLD_NAMES = {".query.": ".to_q.", ".key.": ".to_k.", ".value.": ".to_v.", ".proj_attn.": ".to_out.0."}


def import_diffusers(file: Path, out: Path, size: int | None = None, classes: int | None = None) -> RunSettings:
    """Converts a pipeline's folder, `file`, to a run in `out`; returns its settings.

    The network is in unet/ or in the folder itself, as config.json and diffusion_pytorch_model.safetensors (a .bin is
    read without running code). The run samples as its scheduler does, DDPM or DDIM; where inkwash does not have what
    the scheduler says, this is told. `size` and `classes` are what the configuration leaves out.

    Raises UsageError for what is not supported, by its name, and for layers that differ; InkwashError if damaged.
    """
    _check_components(file)
    place = file / "unet" if (file / "unet").is_dir() else file
    described = place / "config.json"
    about = read_json(described, _HELP)
    if (name := about.get("_class_name", "UNet2DModel")) != "UNet2DModel":
        raise UsageError(f"{described} describes a {harmless(str(name))}; inkwash reads UNet2DModel: {_HELP}.")
    config, network = unet(about, described)
    count = _count(config, described, classes)
    path = _scheduler(file)
    process, sampler, told = scheduled(read_json(path, _HELP), path)
    height, width = _sides(config, described, size)
    path, weights = _weights(place)
    beside = _beside(file)
    table = weights.get("class_embedding.weight")
    if none := beside.no_class and table is not None and len(table) == count > 2 and not bool(table[-1].any()):
        weights["class_embedding.weight"], count = table[:-1], count - 1
    names = tuple(beside.classes) if len(beside.classes) == count else tuple(map(str, range(count)))
    shape = (config.in_channels, height, width)
    by_class = Conditioning(
        "class", condition_dropout=0.1 if none else 0.0, scale=beside.scale if none else 1.0,
        interval=beside.interval if none else None,
    )  # fmt: skip
    run = replace(
        own_images(),
        data=Data(source="", size=height if height == width else None, image_channels=config.in_channels),
        network=network,
        process=process,
        sampler=replace(sampler, steps=min(beside.steps or sampler.steps, process.timesteps)),
        conditioning=by_class if count else Conditioning(),
    )
    kind = condition(run, names) if count else None
    if config.class_embed_type == "timestep":
        _fold_classes(weights, count, network, path)
    before = "net.net." if count else "net."
    wanted = {name.removeprefix(before): sides for name, sides in build.shapes(run, shape, kind).items()}
    check_layers(wanted, weights, path, f"{described} describes")
    denoiser = build.denoiser(run, shape, torch.float32, kind)
    net = denoiser.net.net if count else denoiser.net
    assert isinstance(net, torch.nn.Module)
    fill(net, weights, path, f"{described} describes")
    write_run(run, denoiser, shape, out, "of a pipeline of diffusers", classes=names)
    for line in told:
        say(line)
    return run


def _check_components(folder: Path) -> None:
    """Raises UsageError for a pipeline that is made of other things than a UNet2DModel and a scheduler."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder; {_HELP}.")
    if not (folder / "model_index.json").exists():
        return
    index = read_json(folder / "model_index.json", _HELP)
    parts = {name: value for name, value in index.items() if isinstance(value, list) and len(value) == 2}
    if others := sorted(name for name in parts if name not in ("unet", "scheduler") and parts[name][0] is not None):
        kind = harmless(str(index.get("_class_name", "pipeline")))
        raise UsageError(
            f"{folder} is a {kind} with {harmless(', '.join(others))}; inkwash reads pipelines of a UNet2DModel and a "
            f"scheduler alone: {_HELP}."
        )


def _count(config: UNetConfig, path: Path, given: int | None) -> int:
    """The number of classes, 0 without."""
    said = config.num_class_embeds
    if said is None and config.class_embed_type is None:
        if given is not None:
            raise UsageError(f"{path} describes a network without classes (got `classes` {given}); leave it out.")
        return 0
    if said is None and given is None:
        raise UsageError(f"{path} does not say the number of its classes; give `classes`.")
    if None not in (said, given) and said != given:
        raise UsageError(f"{path} says that there are {said} classes (got `classes` {given}); leave it out.")
    count = said or given or 0
    if not 2 <= count <= 2**20:
        raise UsageError(f"a network by class has 2 classes or more (got `classes` {count}).")
    return count


def _sides(config: UNetConfig, path: Path, given: int | None) -> tuple[int, int]:
    said = config.sample_size
    if said is None and given is None:
        raise UsageError(f"{path} does not say the size of its images; give `size`.")
    if None not in (said, given) and said != given:
        raise UsageError(f"{path} says that images have the size {said} (got `size` {given}); leave it out.")
    sides = said or given or 0
    return sides if isinstance(sides, tuple) else (sides, sides)


def _beside(folder: Path) -> Beside:
    path = folder / "inkwash.json"
    about = read_json(path, _HELP) if path.exists() else {}
    return read(Beside, about, path)


def _scheduler(folder: Path) -> Path:
    nested, flat = folder / "scheduler" / "scheduler_config.json", folder / "scheduler_config.json"
    return flat if flat.exists() and not nested.exists() else nested


def _weights(place: Path) -> tuple[Path, dict[str, Tensor]]:
    """The file of the weights, and these under today's names."""
    path, old = place / f"{_WEIGHTS}.safetensors", place / f"{_WEIGHTS}.bin"
    if path.with_name(f"{path.name}.index.json").exists():
        raise UsageError(f"{place} holds weights in several files; save it again with max_shard_size='100GB'.")
    if old.exists() and not path.exists():
        path, found = old, tensors(saved.read(old, _HELP))
    else:
        found = read_safetensors(path, _HELP)
    return path, {_renamed(name): tensor for name, tensor in found.items()}


def _renamed(name: str) -> str:
    for old, new in _OLD_NAMES.items() if ".attentions." in name else ():
        name = name.replace(old, new)
    return name


def _fold_classes(weights: dict[str, Tensor], count: int, network: DiffusersUNet, path: Path) -> None:
    """Replaces the two layers that embed a class's number, as if it were a time, by the table of their outputs."""
    channels = network.block_out_channels[0]
    width = network.time_embedding_dim or 4 * channels
    shapes = {"linear_1.weight": [width, channels], "linear_1.bias": [width],
              "linear_2.weight": [width, width], "linear_2.bias": [width]}  # fmt: skip
    wanted = {f"class_embedding.{name}": shape for name, shape in shapes.items()}
    check_layers(wanted, {name: weights[name] for name in wanted if name in weights}, path, "class_embed_type timestep")
    first, first_bias, second, second_bias = (weights.pop(name).float() for name in wanted)
    times = timesteps(torch.arange(count).float(), channels, network.flip_sin_to_cos, network.freq_shift)
    weights["class_embedding.weight"] = F.linear(F.silu(F.linear(times, first, first_bias)), second, second_bias)
