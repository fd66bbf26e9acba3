"""Converts checkpoints of CS231n's assignment 3 to runs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from inkwash import core
from inkwash.denoise import Denoiser
from inkwash.errors import InkwashError, UsageError
from inkwash.importers.cs231n_texts import read_texts
from inkwash.importers.saved import read, tensors, write_run
from inkwash.nets.cs231n import Cs231nUNet
from inkwash.networks import Cs231nUNet as Cs231nSettings
from inkwash.recipes.cs231n import cs231n_emoji
from inkwash.runs import build
from inkwash.runs.conditions import condition
from inkwash.runs.record import resolved
from inkwash.settings import Conditioning, Data, Process, RunSettings, Sampler

ScheduleName = Literal["linear", "cosine", "sigmoid"]
ObjectiveName = Literal["pred_noise", "pred_x_start"]

_HELP = "give one that the assignment's trainer saved, model-….pt"


@dataclass(frozen=True)
class CourseModel:
    """The contents of a course checkpoint. Fields that the checkpoint does not determine are None."""

    dim: int
    condition_dim: int
    dim_mults: tuple[int, ...]
    channels: int
    timesteps: int | None
    schedule: ScheduleName | None
    ends: tuple[float, float] | None  # first and last β of a linear schedule
    objective: ObjectiveName | None
    step: int  # training step; 0 if the checkpoint does not record it
    averaged: bool  # whether the weights are an exponential moving average
    weights: dict[str, Tensor]  # of a Cs231nUNet, float32

    def process(
        self,
        timesteps: int | None = None,
        schedule: ScheduleName | None = None,
        objective: ObjectiveName | None = None,
    ) -> Process:
        """The forward process. The arguments fill in values that the checkpoint does not record.

        Raises UsageError for a value that is neither recorded nor given, or that contradicts the checkpoint.
        """
        T = Process(timesteps=_agreed("timesteps", self.timesteps, timesteps)).timesteps  # 1 or more
        name = _agreed("schedule", self.schedule, schedule)
        target = _agreed("objective", self.objective, objective)
        low, high = self.ends or ((0.1 / T, 20 / T) if name == "linear" else (None, None))
        return Process(name, T, low, high, "eps" if target == "pred_noise" else "x0")


def read_course_checkpoint(path: Path) -> CourseModel:
    """Reads a checkpoint of the assignment's trainer: {"step", "model", "opt"}, "model" of a GaussianDiffusion.

    The course saves no averaged weights; if a file has some under "ema", they are used. The file may also be the
    bare state_dict of a GaussianDiffusion or of a Unet. Only tensors and numbers are loaded, so no code is run.
    Raises UsageError for a file that is not such a checkpoint, InkwashError for a damaged one.
    """
    saved = read(path, _HELP)
    model = tensors(saved["model"] if isinstance(saved.get("model"), dict) else saved)
    average = tensors(saved["ema"]) if isinstance(saved.get("ema"), dict) else {}
    prefix = _prefix(average)
    weights = _network(average, prefix) if prefix is not None else _network(model, _prefix(model) or "")
    dim, condition_dim, mults, channels = _sizes(path, weights)
    betas, weight = model.get("betas"), model.get("loss_weight")
    if betas is not None and (betas.ndim != 1 or not len(betas)):
        raise UsageError(f"{path} has betas of the shape {list(betas.shape)}, where a list was expected; {_HELP}.")
    name, ends = (None, None) if betas is None else _schedule(path, betas)
    step = saved.get("step")
    return CourseModel(
        dim, condition_dim, mults, channels,
        timesteps=None if betas is None else len(betas),
        schedule=name,
        ends=ends,
        objective=None if weight is None else ("pred_noise" if bool((weight == 1).all()) else "pred_x_start"),
        step=step if isinstance(step, int) else 0,
        averaged=prefix is not None,
        weights=weights,
    )  # fmt: skip


def import_cs231n(
    file: Path,
    out: Path,
    encoder: str = "clip",
    size: int = 32,
    timesteps: int | None = None,
    schedule: ScheduleName | None = None,
    objective: ObjectiveName | None = None,
    embeddings: Path | None = None,
) -> RunSettings:
    """Converts a course checkpoint to a run in `out`; returns the run's settings.

    `encoder` names the text encoder that the model was trained with, or another of the same width. It is opened when
    a text is asked for. With `embeddings`, the course's file of precomputed vectors, it is not needed: the run keeps
    the vectors, and their texts are those that can be asked for. `timesteps`, `schedule` and `objective` are those of
    `CourseModel.process`. Raises what `read_course_checkpoint`, `read_texts` and `CourseModel.process` raise, and
    UsageError if the encoder's width differs from the checkpoint's.
    """
    model = read_course_checkpoint(file)
    texts = None if embeddings is None else read_texts(embeddings, model.condition_dim, encoder).tensors()
    process = model.process(timesteps, schedule, objective)
    run = replace(
        cs231n_emoji(),
        data=Data(source="emoji", size=size, image_channels=1 if model.channels == 1 else 3),
        network=Cs231nSettings(model.dim, model.dim_mults),
        conditioning=Conditioning("text", encoder, condition_dropout=0.2, scale=1.0),
        process=process,
        sampler=Sampler("ddpm", steps=process.timesteps),
    )
    run = resolved(run)
    cond = condition(run, (), texts=texts)
    width = 0 if cond is None else cond.embedder().vector
    if width != model.condition_dim:
        raise UsageError(
            f"{file} was trained on text vectors of {model.condition_dim} numbers, and `encoder={encoder!r}` gives "
            f"{width}; name the encoder that it was trained with (the course's is clip)."
        )
    denoiser = build.denoiser(run, (model.channels, size, size), torch.float32, cond)
    save_course_run(model, run, denoiser, size, out, texts)
    return run


def save_course_run(
    model: CourseModel,
    run: RunSettings,
    denoiser: Denoiser,
    side: int,
    out: Path,
    texts: dict[str, Tensor] | None = None,
) -> None:
    """Loads the model's weights into `denoiser`, which is built from `run`, and writes the run's checkpoint.

    `texts` are the tensors of a `Table`, which the run then keeps.

    Raises UsageError if `out` already holds a run, or if the denoiser's network does not match the weights.
    """
    networks = [module for module in denoiser.modules() if isinstance(module, Cs231nUNet)]
    try:
        (network,) = networks
        network.load_state_dict(model.weights)
    except (ValueError, RuntimeError) as error:  # torch's own message runs over many lines
        raise UsageError(
            f"the run's network is not that of the checkpoint, with dim {model.dim}, dim_mults {model.dim_mults}, "
            f"condition_dim {model.condition_dim} and {model.channels} channels; give it these."
        ) from error
    write_run(run, denoiser, (model.channels, side, side), out, "of CS231n", model.step, texts=texts)


def _prefix(state: dict[str, Tensor]) -> str | None:
    """The prefix of the network's parameter names, such as "model." in a GaussianDiffusion; None if absent."""
    last = "init_conv.weight"
    return next((key.removesuffix(last) for key in sorted(state) if key.endswith(last)), None)


def _network(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value.float() for key, value in state.items() if key.startswith(prefix)}


def _sizes(path: Path, weights: dict[str, Tensor]) -> tuple[int, int, tuple[int, ...], int]:
    """(dim, condition_dim, dim_mults, channels) from the weights' shapes, checked against the course's layout."""
    try:
        dim, channels = weights["init_conv.weight"].shape[:2]
        condition_dim = weights["condition_mlp.0.weight"].shape[1]
        outs: list[int] = []
        while (key := f"downs.{len(outs)}.2.weight") in weights:
            outs.append(weights[key].shape[0])
        mults = tuple(out // dim for out in outs)
        with torch.device("meta"):
            wanted = Cs231nUNet(dim, condition_dim, mults, channels).state_dict()
    except (LookupError, ValueError, ArithmeticError, RuntimeError) as error:
        raise UsageError(f"{path} holds no network of CS231n's assignment 3; {_HELP}.") from error
    same = {key: key in wanted and tensor.shape == wanted[key].shape for key, tensor in weights.items()}
    other = [key for key in wanted if key not in same] + [key for key, alike in same.items() if not alike]
    if other:
        raise UsageError(
            f"{path} holds a network that is not the course's: {other[0]} and {len(other) - 1} more are missing, "
            f"new or of another shape; {_HELP}."
        )
    if not all(bool(tensor.isfinite().all()) for tensor in weights.values()):
        raise InkwashError(f"{path} holds weights that are no numbers: its training had failed; give an earlier one.")
    return dim, condition_dim, mults, channels


def _schedule(path: Path, betas: Tensor) -> tuple[ScheduleName, tuple[float, float] | None]:
    """The schedule with these β, and its first and last β if it is linear."""
    T, given = len(betas), betas.double()
    low, high = (float(f"{end:.7g}") for end in (given[0], given[-1]))  # undo the rounding to float32
    known: dict[ScheduleName, Callable[[], core.Discrete]] = {
        "linear": lambda: core.linear(T, low, high),
        "cosine": lambda: core.cosine(T),
        "sigmoid": lambda: core.sigmoid(T),
    }
    for name, make in known.items():
        try:
            if torch.allclose(make().betas, given, rtol=1e-3, atol=0):
                return name, (low, high) if name == "linear" else None
        except UsageError:  # some β lies outside (0, 1]
            continue
    raise UsageError(
        f"{path} was trained with betas that are neither linear, cosine nor sigmoid ({T} of them, from {low:g} to "
        f"{high:g}); inkwash has no name for such a schedule, so the model cannot become a run."
    )


def _agreed(name: str, recorded: Any, given: Any) -> Any:
    if recorded is None and given is None:
        raise UsageError(f"the checkpoint does not say its {name}; give --{name}.")
    if None not in (recorded, given) and recorded != given:
        raise UsageError(f"the checkpoint says that its {name} is {recorded} (got {given}); leave out --{name}.")
    return given if recorded is None else recorded
