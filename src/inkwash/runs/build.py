"""From settings to objects. The only place that knows both."""

import math
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from shutil import which

import torch
from torch import nn

from inkwash import core, nets, settings
from inkwash.core import Denoise, Plan, Prediction, Schedule
from inkwash.data import Source, load
from inkwash.denoise import Denoiser, clip, dynamic_threshold
from inkwash.errors import UsageError
from inkwash.runs.conditions import ConditionKind
from inkwash.sample import DDIM, DPMpp2M, Heun, Solver
from inkwash.train import SNR, Draw, LogitNormal, LogNormal, MinSNR, Objective, Plain, Stratified, Uniform, Weight

Shape = tuple[int, int, int]  # (C, H, W)
_OTHER = "take another recipe"

_PREDICTIONS: dict[str, Callable[[float], Prediction]] = {
    "eps": lambda _: core.Eps(),
    "x0": lambda _: core.X0(),
    "v": lambda _: core.V(),
    "flow": lambda _: core.FlowVelocity(),
    "edm": core.EDM,
}
_DRAWS: dict[str, Callable[[float], Draw]] = {
    "uniform": Uniform,
    "stratified": Stratified,
    "log-normal": lambda shift: LogNormal(LogNormal.mean + math.log(shift)),
    "logit-normal": lambda shift: LogitNormal(math.log(shift)),
}
_WEIGHTS: dict[str, Weight] = {"plain": Plain(), "min-snr": MinSNR(), "snr": SNR()}
_SPACINGS: dict[str, core.Spacing] = {
    "trailing": core.trailing, "leading": core.leading, "linspace": core.linspace, "karras": core.karras,
}  # fmt: skip
_LIMITS: dict[str, Callable[[Denoise], Denoise]] = {
    "clip": clip,
    "dynamic": dynamic_threshold,
    "none": lambda denoise: denoise,
}


def schedule(process: settings.Process) -> Schedule:
    """The forward process's schedule. Raises UsageError for ends that it cannot have."""
    ends = {"low": process.beta_low, "high": process.beta_high}
    given = {name: value for name, value in ends.items() if value is not None}
    with_ends: dict[str, Callable[[], Schedule]] = {
        "linear": partial(core.linear, process.timesteps, **given),
        "scaled-linear": partial(core.scaled_linear, process.timesteps, **given),
        "ve": partial(core.VE, **given),
    }
    without: dict[str, Callable[[], Schedule]] = {
        "cosine": partial(core.cosine, process.timesteps),
        "sigmoid": partial(core.sigmoid, process.timesteps),
        "continuous-cosine": core.Cosine,
        "flow": core.Flow,
    }
    if given and process.schedule in without:
        raise UsageError(
            f"the {process.schedule} schedule has no free ends; leave out --beta-low and --beta-high, "
            f"or choose one of {', '.join(with_ends)}."
        )
    return (with_ends | without)[process.schedule]()


def prediction(process: settings.Process) -> Prediction:
    """What the network outputs."""
    return _PREDICTIONS[process.prediction](process.sigma_data)


def images(data: settings.Data, split: str, data_dir: Path | None) -> Source:
    """The images of "train" or "test". Raises UsageError where there are none, and what `load` raises."""
    if not data.source:
        raise UsageError("the recipe folder needs images: `inkwash train FOLDER`, or --source FOLDER.")
    return load(
        data.source, split, data_dir=data_dir, size=data.size, channels=data.image_channels,
        unreadable=data.unreadable, font=data.font, language=data.language,
    )  # fmt: skip


def network(run: settings.Run, shape: Shape, condition: ConditionKind | None = None) -> nn.Module:
    """A freshly initialised network for images of `shape`, with its embedder where there is a condition.

    Raises UsageError where it cannot take them.
    """
    embedder = None if condition is None else condition.embedder()
    vector, tokens, concat = (0, 0, 0) if embedder is None else (embedder.vector, embedder.tokens, embedder.concat)
    match run.network:
        case settings.UNet() as unet:
            if any(unet.channels * mult % unet.heads for mult in unet.mults):
                raise UsageError(f"{unet.heads} heads do not divide {unet.channels} channels; choose a divisor.")
            levels = len(unet.mults)
            if any(level >= levels for level in unet.attention):
                raise UsageError(
                    f"attention at {unet.attention} asks for levels that are not there; --mults makes {levels} "
                    f"of them, counted 0 to {levels - 1}."
                )
            built: nn.Module = nets.UNet(
                shape[0], unet.channels, unet.mults, unet.blocks, unet.attention, unet.heads, unet.patch,
                unet.film, unet.dropout, _time_scale(run), vector, tokens, concat,
            )  # fmt: skip
        case settings.TenChannelUNet():
            rows = schedule(run.process).num_timesteps
            if shape[1:] != (28, 28) or rows is None:
                raise UsageError(
                    f"the report's network takes 28×28 images and a discrete schedule (got {shape[1]}×{shape[2]} "
                    f"and {run.process.schedule}); {_OTHER}."
                )
            if embedder is not None:
                raise UsageError(f"the report's network takes no condition; leave out --condition, or {_OTHER}.")
            built = nets.TenChannelUNet(shape[0], rows)
        case settings.AbarankabUNet() as theirs:
            if theirs.norm == "in" and min(shape[1:]) + 2 * theirs.initial_pad <= 2 ** (len(theirs.channel_mults) - 1):
                raise UsageError("--norm in needs more than a pixel at the lowest level; take fewer --channel-mults.")
            facts = {name: value for name, value in vars(theirs).items() if name != "kind"}
            facts["time_emb_scale"] *= _time_scale(run)
            built = nets.AbarankabUNet(shape[0], num_classes=vector, **facts)
        case settings.Cs231nUNet() as course:
            if not vector:
                raise UsageError("CS231n's network draws what it is told; add --condition text, or class.")
            multiple = 2 ** len(course.dim_mults)
            if schedule(run.process).num_timesteps is None or shape[1] % multiple or shape[2] % multiple:
                raise UsageError(
                    f"CS231n's network takes a discrete schedule and sides that are multiples of {multiple} (got "
                    f"{run.process.schedule} and {shape[1]}×{shape[2]}); choose another --schedule, --size or fewer "
                    "--dim-mults."
                )
            built = nets.Cs231nUNet(course.dim, vector, course.dim_mults, shape[0])
    built = built if embedder is None else nets.ConditionedNet(built, embedder)
    layout = torch.contiguous_format if run.training.layout == "contiguous" else torch.channels_last
    return built.to(memory_format=layout)  # type: ignore[call-overload, no-any-return]


def _time_scale(run: settings.Run) -> float:
    """What brings the schedule's t to the range 0..1000 that sinusoids resolve."""
    return 1000.0 if schedule(run.process).num_timesteps is None else 1.0


def denoiser(
    run: settings.Run, shape: Shape, precision: torch.dtype, condition: ConditionKind | None = None
) -> Denoiser:
    """The recipe's network with its prediction, freshly initialised from the run's seed."""
    process = run.process
    sigma_data = process.sigma_data if process.prediction == "edm" else 1.0
    with torch.random.fork_rng(devices=[]):  # the caller's own random numbers go on as they were
        torch.manual_seed(run.training.seed)
        net = network(run, shape, condition)
    return Denoiser(net, prediction(process), sigma_data, precision)


def cast_weights(net: nn.Module, precision: torch.dtype) -> None:
    """Keeps the weights that autocast would cast to `precision` at every call in it: for sampling, to the same bits."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.to(precision)


def compile_network(net: nn.Module, compiled: settings.Compile, device: torch.device) -> None:
    """Compiles a network in place, if asked to; its weights keep their names. The first call takes a minute or more.

    Raises UsageError where CUDA graphs are asked for without CUDA, or a compiler for the CPU is missing.
    """
    if compiled == "no":
        return
    if compiled == "graphs" and device.type != "cuda":
        raise UsageError(f"--compile graphs needs a CUDA device (this is {device.type}); take --compile yes.")
    if device.type == "cpu" and not any(which(name) for name in (os.environ.get("CXX", ""), "g++", "clang++", "cl")):
        raise UsageError("--compile on a CPU needs a C++ compiler, such as g++; install one, or leave it out.")
    net.compile(mode="reduce-overhead" if compiled == "graphs" else "default")


def objective(run: settings.Run) -> Objective:
    """The recipe's training objective."""
    training = run.training
    return Objective(
        schedule(run.process),
        prediction(run.process),
        _DRAWS[training.draw](training.shift),
        _WEIGHTS[training.weight],
        training.loss,
        run.conditioning.condition_dropout,
    )


def solver(sampling: settings.Sampling) -> Solver:
    """The sampler. Raises UsageError for an η or a variance that it does not have."""
    name, eta, large = sampling.solver, sampling.eta, 1.0 if sampling.variance == "large" else 0.0
    if name in ("ddpm", "heun") and eta is not None:
        raise UsageError(f"{name} has no η; leave out --eta, or use --solver ddim or dpmpp2m.")
    if name == "heun" and large:
        raise UsageError(f"{name} adds no noise; leave out --variance, or use ddpm, or ddim or dpmpp2m with --eta.")
    if name == "heun":
        return Heun()
    if name == "ddpm":
        return DDIM(1.0, large)
    ddim = replace(DDIM.lab(eta or 0.0) if name == "ddim-lab" else DDIM(eta or 0.0), large=large)
    return DPMpp2M(ddim) if name == "dpmpp2m" else ddim


def plan(sampling: settings.Sampling, of: Schedule) -> Plan:
    """The levels that the sampler walks. Raises UsageError for more steps than the schedule has rows."""
    levels = _SPACINGS[spacing(sampling)](of, sampling.steps)
    if sampling.solver == "heun" and levels[0].alpha == 0:
        raise UsageError(f"heun cannot begin at pure noise, as {spacing(sampling)} spacing does here; use karras.")
    return levels


def spacing(sampling: settings.Sampling) -> settings.Spacing:
    """The spacing asked for, or the one that suits the solver."""
    return sampling.spacing or ("karras" if sampling.solver == "heun" else "trailing")


def limit(sampling: settings.Sampling, denoise: Denoise) -> Denoise:
    """The denoiser with its x̂₀ held in range."""
    return _LIMITS[sampling.limit](denoise)


def precision(training: settings.Training, device: torch.device) -> torch.dtype:
    """float32, or bfloat16 where asked for, or where "auto" finds that the processor computes in it."""
    if training.precision != "auto":
        return torch.bfloat16 if training.precision == "bfloat16" else torch.float32
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    has = device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if has else torch.float32


def device(wanted: str) -> torch.device:
    """The device of that name, or the best one for "auto". Raises UsageError where it is not there."""
    there = devices()
    if wanted != "auto" and wanted not in there:
        found = ", ".join(there)
        raise UsageError(f"this machine has no {wanted} that torch can use (found: {found}); choose --device auto.")
    return torch.device(there[0] if wanted == "auto" else wanted)


def devices() -> list[str]:
    """The devices that torch can use here, the fastest first."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return [name for name, found in there.items() if found]
