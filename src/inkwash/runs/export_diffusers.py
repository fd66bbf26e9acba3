"""A run as the folder of a pipeline that diffusers opens. Writing it does not need diffusers; checking it does."""

import json
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from inkwash import __version__
from inkwash.atomic import replacing
from inkwash.core import Denoise, Discrete, Seeded, prior
from inkwash.errors import UsageError
from inkwash.foreign_networks import DiffusersUNet
from inkwash.nets import ConditionedNet
from inkwash.runs import build
from inkwash.runs.conditions.by_class import requested_class
from inkwash.runs.model import TrainedModel
from inkwash.sample import DDIM, last, sample
from inkwash.settings import Process, Sampler, Sampling

COMPARED = 4  # images whose walks are compared
_VERSION = "0.30.0"  # of diffusers, whose format this is
_SCHEDULES = {
    "linear": ("linear", False), "scaled-linear": ("scaled_linear", False), "cosine": ("squaredcos_cap_v2", False),
    "linear-zero-snr": ("linear", True), "scaled-linear-zero-snr": ("scaled_linear", True),
}  # fmt: skip
_PREDICTIONS = {"eps": "epsilon", "x0": "sample", "v": "v_prediction"}
_LIMITS: dict[str, dict[str, Any]] = {
    "clip": {"clip_sample": True}, "none": {"clip_sample": False},
    "dynamic": {"clip_sample": False, "thresholding": True, "sample_max_value": 1e6},
}  # fmt: skip
_SPACINGS = ("trailing", "leading")  # its linspace steps to other levels than it visits


def export_diffusers(model: TrainedModel, out: Path, sampler: Sampler, label: str | None = None) -> float | None:
    """Writes the folder `out`, which DDIMPipeline.from_pretrained opens; returns how far it is from the run.

    `sampler` becomes the scheduler, with ddpm as DDPMScheduler and every other solver as DDIMScheduler. `label` makes
    a run by class into an unconditional pipeline of this class: its row of the class table is added to the bias of
    the time embedding. Without it the network takes class_labels, and the number of classes stands for no class, if
    classes were withheld in training.

    Returns the largest difference, in units of images in [−1, 1], of the DDIM walks of 4 images by diffusers and by
    inkwash from the same noise; None where diffusers is not installed.

    Raises UsageError for a run that UNet2DModel and the two schedulers cannot express, before anything is written.
    """
    network, count = _checked(model, label)
    scheduler = _scheduler(model, sampler)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} exists and is no empty folder; choose another name.")
    weights = _weights(model, None if label is None else requested_class(label, model.facts["classes"]))
    classes = len(weights["class_embedding.weight"]) if "class_embedding.weight" in weights else None
    channels, height, width = model.shape
    config = {
        "_class_name": "UNet2DModel", "_diffusers_version": _VERSION,
        "sample_size": height if height == width else [height, width], "in_channels": channels,
        "out_channels": channels, **network.config(), "num_class_embeds": classes,
    }  # fmt: skip
    index = {
        "_class_name": "DDPMPipeline" if sampler.solver == "ddpm" else "DDIMPipeline", "_diffusers_version": _VERSION,
        "scheduler": ["diffusers", scheduler["_class_name"]], "unet": ["diffusers", "UNet2DModel"],
    }  # fmt: skip
    about = {
        "inkwash": __version__, "checkpoint": model.digest, "weights": model.weights, "recipe": model.run.recipe,
        "classes": list(model.facts["classes"]) if classes else [], "label": label,
        "no_class": classes is not None and classes > count, "steps": sampler.steps,
        "scale": model.run.conditioning.scale, "interval": model.run.conditioning.interval,
    }  # fmt: skip
    with replacing(out, folder=True) as temporary:
        for name, content in (
            ("model_index.json", index), ("inkwash.json", about), ("unet/config.json", config),
            ("scheduler/scheduler_config.json", scheduler),
        ):  # fmt: skip
            path = temporary / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        tensors = safetensors.torch.save(weights, {"format": "pt"})
        (temporary / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(tensors)
        return difference(model, temporary, sampler, label)


def _checked(model: TrainedModel, label: str | None) -> tuple[DiffusersUNet, int]:
    """The network's settings and the number of classes. Raises UsageError where UNet2DModel is another network."""
    network, kind = model.run.network, model.run.conditioning.condition
    if not isinstance(network, DiffusersUNet):
        raise UsageError(
            f"the network of {model.name} is no UNet2DModel of diffusers (the group norms of inkwash's have "
            "16 channels a group, and diffusers' one number of groups at all levels), so diffusers cannot open it. "
            "Train the network diffusers-unet, export with `onnx` or `safetensors`, or use it there by "
            "inkwash.adapters.diffusers, in Python."
        )
    if network.num_attention_heads or network.time_factor != 1:
        raise UsageError(
            f"the network of {model.name} has `num_attention_heads` or a `time_factor`, and UNet2DModel has none; "
            "export with `onnx`."
        )
    if kind not in ("none", "class"):
        raise UsageError(f"diffusers' UNet2DModel takes classes, and {model.name} a {kind}; export with `onnx`.")
    count = len(model.facts["classes"]) if kind == "class" else 0
    if label is not None and (not count or requested_class(label, model.facts["classes"]) is None):
        raise UsageError(f"`label` names one class of a run by class (got {label!r}); leave it out.")
    return network, count


def _scheduler(model: TrainedModel, sampler: Sampler) -> dict[str, Any]:
    """The scheduler's configuration. Raises UsageError for what diffusers' two schedulers do not have."""
    process, spacing = model.run.process, build.spacing(sampler)
    if not isinstance(model.schedule, Discrete):
        raise UsageError(
            f"{model.name} was trained on the continuous schedule {process.schedule}, and diffusers' schedulers have a "
            "table of times; train with `schedule='linear'`, scaled-linear or cosine, or export with `onnx`."
        )
    if process.prediction not in _PREDICTIONS:
        raise UsageError(f"diffusers' DDIM has no prediction {process.prediction}; export with `onnx`.")
    if spacing not in _SPACINGS or sampler.limit not in _LIMITS:
        name, value, known = ("spacing", spacing, _SPACINGS) if spacing not in _SPACINGS else (
            "limit", sampler.limit, tuple(_LIMITS))  # fmt: skip
        raise UsageError(f"diffusers' DDIM has no {name} {value}; give `{name}` as {', '.join(known)}.")
    of_ddpm = {"variance_type": f"fixed_{sampler.variance}"}
    is_ddpm = sampler.solver == "ddpm"
    return {
        "_class_name": "DDPMScheduler" if is_ddpm else "DDIMScheduler", "_diffusers_version": _VERSION,
        "num_train_timesteps": len(model.schedule.betas), **_betas(process, model.schedule),
        "prediction_type": _PREDICTIONS[process.prediction], "timestep_spacing": spacing, "steps_offset": 0,
        "clip_sample_range": 1.0, **_LIMITS[sampler.limit],
        **(of_ddpm if is_ddpm else {"set_alpha_to_one": True}),
    }  # fmt: skip


def _betas(process: Process, schedule: Discrete) -> dict[str, Any]:
    """β by the name of diffusers' schedule; as numbers where it has none."""
    if process.schedule not in _SCHEDULES:
        return {"trained_betas": schedule.betas.tolist(), "beta_schedule": "linear"}
    name, rescaled = _SCHEDULES[process.schedule]
    if name == "squaredcos_cap_v2":
        return {"beta_schedule": name}
    plain = build.schedule(Process(process.schedule.removesuffix("-zero-snr"), process.timesteps, process.beta_low,
                                   process.beta_high))  # fmt: skip
    assert isinstance(plain, Discrete)
    ends = {"beta_start": float(plain.betas[0]), "beta_end": float(plain.betas[-1])}
    return {"beta_schedule": name, **ends, "rescale_betas_zero_snr": rescaled}


def _weights(model: TrainedModel, label: int | None) -> dict[str, Tensor]:
    """The weights under diffusers' names, float32 on the CPU; with `label`, those of its class alone."""
    net = model.denoiser.net
    weights = {
        name: tensor.detach().float().cpu().contiguous()
        for name, tensor in (net.net if isinstance(net, ConditionedNet) else net).state_dict().items()
    }
    table = weights.get("class_embedding.weight")
    if table is None:
        return weights
    if label is not None:
        del weights["class_embedding.weight"]
        weights["time_embedding.linear_2.bias"] = weights["time_embedding.linear_2.bias"] + table[label]
    elif not model.condition_never_dropped:
        weights["class_embedding.weight"] = torch.cat([table, torch.zeros_like(table[:1])])
    return weights


def difference(model: TrainedModel, folder: Path, sampler: Sampler, label: str | None) -> float | None:
    """The largest difference of two DDIM walks of a few images, by diffusers from `folder` and by the run; or None."""
    try:
        from diffusers import DDIMScheduler, UNet2DModel
    except ImportError:
        return None
    unet = UNet2DModel.from_pretrained(str(folder), subfolder="unet").eval()
    scheduler = DDIMScheduler.from_pretrained(str(folder), subfolder="scheduler")
    labels, classes = None, model.facts["classes"]
    if model.condition is not None:
        one = requested_class(label, classes)
        labels = torch.arange(COMPARED) % len(classes) if one is None else torch.full((COMPARED,), one)
    walked = Sampling("ddim", compared_steps(sampler), spacing=build.spacing(sampler), limit=sampler.limit)
    plan, noise = build.plan(walked, model.schedule), Seeded(0, range(COMPARED))
    start = x = prior(noise, plan[0], torch.empty(COMPARED, *model.shape))
    scheduler.set_timesteps(walked.steps)
    with torch.no_grad():
        for t in scheduler.timesteps:
            output = unet(x, t, class_labels=labels if label is None else None).sample
            # they leave ε̂ as it was before clipping unless asked
            x = scheduler.step(output, t, x, use_clipped_model_output=True).prev_sample
    denoise: Denoise = build.limit(walked, model.denoiser.given(labels))
    return float((x - last(sample(denoise, start, plan, DDIM(), noise))).abs().max())


def compared_steps(sampler: Sampler) -> int:
    """The number of steps of the walks that are compared: the sampler's, but no more than 50."""
    return min(sampler.steps, 50)
