"""A trained run, opened."""

from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from inkwash.core import Schedule
from inkwash.data import Source
from inkwash.denoise import Denoiser
from inkwash.errors import InkwashError, UsageError
from inkwash.runs import build, machine
from inkwash.runs.conditions import ConditionKind, condition
from inkwash.runs.onnx import Onnx
from inkwash.runs.record import check_code, described, used
from inkwash.settings import Engine, RunSettings
from inkwash.training.checkpoint import BEST, LAST, digest, load


@dataclass(frozen=True)
class Model:
    """A trained model, ready to draw."""

    folder: Path
    which: str  # "last" or "best"
    digest: str  # of the checkpoint file, sha256
    run: RunSettings
    shape: build.Shape
    facts: dict[str, Any]
    denoiser: Denoiser
    schedule: Schedule
    device: torch.device
    condition: ConditionKind | None = None

    @property
    def condition_never_dropped(self) -> bool:
        """Whether the condition was never dropped in training, so the unconditional output is undefined."""
        return self.condition is not None and self.run.conditioning.condition_dropout == 0


def open_model(
    folder: str | PathLike[str], which: str = "last", device: str = "auto", precision: torch.dtype | None = None
) -> Model:
    """The averaged weights of a run's checkpoint, "last" or "best".

    Raises UsageError or InkwashError where the folder holds no run, or a damaged or a newer one.
    """
    folder = Path(folder)
    path = folder / (BEST if which == "best" else LAST)
    saved = load(path)
    run = described(path, saved.facts)
    check_code(saved.facts, path, *used(run))
    place = machine.device(device)
    shape: build.Shape = tuple(saved.facts["shape"])
    kind = precision or getattr(torch, saved.facts["precision"])
    told = condition(run, saved.facts["classes"])
    if told is not None and saved.facts.get("encoder") not in (None, told.digest):
        raise InkwashError(
            f"{path} was trained on texts read by another {run.conditioning.encoder} than is there now; put back the "
            "one it was trained with, or train again."
        )
    denoiser = build.denoiser(run, shape, kind, told)
    try:
        denoiser.load_state_dict(saved.parts["ema"])
    except (KeyError, RuntimeError) as error:
        raise InkwashError(f"{path} is of another network than it describes; train again.") from error
    denoiser = denoiser.to(place).requires_grad_(False).eval()
    machine.cast_weights(denoiser.net, kind)
    schedule = build.schedule(run.process)
    return Model(folder, which, digest(path), run, shape, saved.facts, denoiser, schedule, place, told)


def computed_by(model: Model, engine: Engine) -> Model:
    """The model as another engine computes it: "torch", "compiled" by torch.compile in place, or "onnx" in float32.

    Raises UsageError where the machine lacks what the engine needs.
    """
    if engine == "torch":
        return model
    if engine == "compiled":
        machine.compile_network(model.denoiser.net, "yes", model.device)
        return model
    if model.device.type != "cpu":
        raise UsageError(f"`engine='onnx'` computes on the CPU (this is {model.device.type}); add `device='cpu'`.")
    told = model.denoiser
    return replace(model, denoiser=Denoiser(Onnx(told.net), told.prediction, told.sigma_data))


def images(model: Model, split: str, given: Path | None = None) -> Source:
    """The images that a run was trained on, or those of its test split; `given` as in `data_dir`.

    Raises UsageError where they are not those that it was trained on.
    """
    if not model.facts["images"]:
        raise UsageError(f"{model.folder} was trained elsewhere, on images that are not known here; only sample it.")
    check_code(model.facts, model.folder, model.run.data)
    source = build.images(model.run.data, split, data_dir(model, given))
    if split == "train" and source.fingerprint != model.facts["fingerprint"]:
        raise UsageError(
            f"{model.folder} was trained on other images than {model.run.data.source} holds now; "
            "put the old ones back, or train again."
        )
    return source


def data_dir(model: Model, given: Path | None) -> Path | None:
    """Where a run's images are: as given, else where they were when it was trained, if that is still there."""
    told = model.facts["data_dir"]
    return Path(told) if given is None and told is not None and Path(told).is_dir() else given
