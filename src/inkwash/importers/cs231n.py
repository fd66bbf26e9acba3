"""Models trained in CS231n's assignment 3, read from its checkpoints and kept as runs."""

import pickle
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from inkwash import core
from inkwash.denoise import Denoiser
from inkwash.errors import InkwashError, UsageError
from inkwash.nets.cs231n import Cs231nUNet
from inkwash.networks import Cs231nUNet as Cs231nSettings
from inkwash.recipes.cs231n import cs231n_emoji
from inkwash.runs import build
from inkwash.runs.conditions import condition
from inkwash.runs.record import resolved
from inkwash.settings import Conditioning, Data, Process, RunSettings
from inkwash.training.checkpoint import LAST, Checkpoint, save

ScheduleName = Literal["linear", "cosine", "sigmoid"]
ObjectiveName = Literal["pred_noise", "pred_x_start"]

_HELP = "give one that the assignment's trainer saved, model-….pt"


@dataclass(frozen=True)
class CourseModel:
    """What a checkpoint of the course says. What it may be silent about is None."""

    dim: int
    condition_dim: int
    dim_mults: tuple[int, ...]
    channels: int
    timesteps: int | None
    schedule: ScheduleName | None
    ends: tuple[float, float] | None  # the first and the last β of a linear schedule
    objective: ObjectiveName | None
    step: int  # of the training; 0 where it is not told
    averaged: bool  # whether the weights are an average over the training
    weights: dict[str, Tensor]  # of a Cs231nUNet, float32

    def process(
        self,
        timesteps: int | None = None,
        schedule: ScheduleName | None = None,
        objective: ObjectiveName | None = None,
    ) -> Process:
        """The forward process. What is given fills what the checkpoint does not say.

        Raises UsageError for what neither says, and for what is given otherwise than the checkpoint says.
        """
        T = Process(timesteps=_agreed("timesteps", self.timesteps, timesteps)).timesteps  # 1 or more
        name = _agreed("schedule", self.schedule, schedule)
        target = _agreed("objective", self.objective, objective)
        low, high = self.ends or ((0.1 / T, 20 / T) if name == "linear" else (None, None))
        return Process(name, T, low, high, "eps" if target == "pred_noise" else "x0")


def read_course_checkpoint(path: Path) -> CourseModel:
    """Reads a checkpoint of the assignment's trainer: {"step", "model", "opt"}, "model" of a GaussianDiffusion.

    The course keeps no average; where a student's file has one under "ema", its weights are taken. The state_dict of
    a GaussianDiffusion or a Unet alone will do. Nothing but tensors and numbers is loaded, and so no code is run.
    Raises UsageError for a file that is no such checkpoint, InkwashError for a damaged one.
    """
    saved = _loaded(path)
    model = _tensors(saved["model"] if isinstance(saved.get("model"), dict) else saved)
    average = _tensors(saved["ema"]) if isinstance(saved.get("ema"), dict) else {}
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
) -> RunSettings:
    """Makes a run of the course's checkpoint in `out`, and says what it is.

    `encoder` is what the course read texts with, or another of the same width; the rest as in `CourseModel.process`.
    Raises what these raise, and UsageError where the encoder's vectors are not of the checkpoint's width.
    """
    model = read_course_checkpoint(file)
    process = model.process(timesteps, schedule, objective)
    run = replace(
        cs231n_emoji(),
        data=Data(source="emoji", size=size, image_channels=1 if model.channels == 1 else 3),
        network=Cs231nSettings(model.dim, model.dim_mults),
        conditioning=Conditioning("text", encoder, condition_dropout=0.2, scale=1.0),
        process=process,
    )
    run = resolved(run)
    told = condition(run, ())
    width = 0 if told is None else told.embedder().vector
    if width != model.condition_dim:
        raise UsageError(
            f"{file} was trained on text vectors of {model.condition_dim} numbers, and `encoder={encoder!r}` gives "
            f"{width}; name the encoder that it was trained with (the course's is clip)."
        )
    denoiser = build.denoiser(run, (model.channels, size, size), torch.float32, told)
    save_course_run(model, run, denoiser, size, out)
    return run


def save_course_run(model: CourseModel, run: RunSettings, denoiser: Denoiser, side: int, out: Path) -> None:
    """Writes the checkpoint of a run with the model's weights in `denoiser`, which is built from `run`.

    Raises UsageError where `out` holds a run, or where the denoiser's network is another.
    """
    if (out / LAST).exists():
        raise UsageError(f"{out} already holds a run; choose another `out`.")
    networks = [module for module in denoiser.modules() if isinstance(module, Cs231nUNet)]
    try:
        (network,) = networks
        network.load_state_dict(model.weights)
    except (ValueError, RuntimeError) as error:  # torch's words run over many lines
        raise UsageError(
            f"the run's network is not that of the checkpoint, with dim {model.dim}, dim_mults {model.dim_mults}, "
            f"condition_dim {model.condition_dim} and {model.channels} channels; give it these."
        ) from error
    facts = {
        "run": asdict(run), "shape": [model.channels, side, side], "classes": [], "images": 0,
        "fingerprint": "of CS231n", "precision": "float32", "data_dir": None, "images_seen": 0,
        "step": model.step, "steps": model.step, "seconds": 0.0, "history": [], "held_out": [], "best": None,
    }  # fmt: skip
    save(out / LAST, Checkpoint({"ema": denoiser.state_dict()}, facts))  # what is drawn from; it is not trained on


def _loaded(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UsageError(f"there is no file {path}; {_HELP}.")
    try:
        with warnings.catch_warnings(action="ignore"):  # of pickles that torch did not write
            saved = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UsageError(
            f"{path} is no checkpoint, or holds more than tensors and numbers, so that opening it may run code; "
            f"it was not opened: {_HELP}, or the state_dict() of the network."
        ) from error
    except Exception as error:  # a damaged pickle may raise anything
        raise InkwashError(f"{path} is damaged or no checkpoint of torch; {_HELP}.") from error
    if not isinstance(saved, dict):
        raise UsageError(f"{path} holds a {type(saved).__name__} and no checkpoint of the course; {_HELP}.")
    return saved


def _tensors(state: dict[Any, Any]) -> dict[str, Tensor]:
    return {key: value for key, value in state.items() if isinstance(key, str) and isinstance(value, Tensor)}


def _prefix(state: dict[str, Tensor]) -> str | None:
    """What stands before the network's own names, as "model." does in a GaussianDiffusion; None for no network."""
    last = "init_conv.weight"
    return next((key.removesuffix(last) for key in sorted(state) if key.endswith(last)), None)


def _network(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value.float() for key, value in state.items() if key.startswith(prefix)}


def _sizes(path: Path, weights: dict[str, Tensor]) -> tuple[int, int, tuple[int, ...], int]:
    """(dim, condition_dim, dim_mults, channels) from the weights' shapes, which are held to the course's layout."""
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
    """The schedule whose β are these, and its ends if it is linear."""
    T, given = len(betas), betas.double()
    low, high = (float(f"{end:.7g}") for end in (given[0], given[-1]))  # as they were before they became float32
    known: dict[ScheduleName, Callable[[], core.Discrete]] = {
        "linear": lambda: core.linear(T, low, high),
        "cosine": lambda: core.cosine(T),
        "sigmoid": lambda: core.sigmoid(T),
    }
    for name, make in known.items():
        try:
            if torch.allclose(make().betas, given, rtol=1e-3, atol=0):
                return name, (low, high) if name == "linear" else None
        except UsageError:  # no β between 0 and 1
            continue
    raise UsageError(
        f"{path} was trained with betas that are neither linear, cosine nor sigmoid ({T} of them, from {low:g} to "
        f"{high:g}); inkwash has no name for such a schedule, so the model cannot become a run."
    )


def _agreed(name: str, told: Any, given: Any) -> Any:
    if told is None and given is None:
        raise UsageError(f"the checkpoint does not say its {name}; give --{name}.")
    if None not in (told, given) and told != given:
        raise UsageError(f"the checkpoint says that its {name} is {told} (got {given}); leave out --{name}.")
    return given if told is None else told
