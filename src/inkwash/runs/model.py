"""A model ready to draw, and how a run's checkpoint is opened."""

from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from inkwash.core import Schedule
from inkwash.data import Source, is_same
from inkwash.denoise import Denoiser
from inkwash.errors import InkwashError, UsageError
from inkwash.runs import build, machine
from inkwash.runs.conditions import ConditionKind, condition
from inkwash.runs.onnx import Onnx
from inkwash.runs.record import check_code, described, moved, used, whereabouts
from inkwash.settings import Conditioning, Engine, RunSettings
from inkwash.training.checkpoint import BEST, LAST, digest, load


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model ready to draw: all that drawing needs to know, whether it was trained, is to be, or is known exactly."""

    name: str  # what tables and errors call it: a run's folder
    shape: build.Shape
    denoiser: Denoiser
    schedule: Schedule
    device: torch.device
    digest: str  # sha256 hex of all that the denoiser depends on; of a run that of its checkpoint file
    condition: ConditionKind | None = None
    run: RunSettings | None = None  # the settings that it was built from, if there are any

    @property
    def conditioning(self) -> Conditioning:
        """How it was conditioned in training, and how it is guided by default."""
        return Conditioning() if self.run is None else self.run.conditioning

    @property
    def condition_never_dropped(self) -> bool:
        """Whether the condition was never dropped in training, so that the unconditional output is undefined."""
        return self.condition is not None and self.conditioning.condition_dropout == 0


@dataclass(frozen=True, kw_only=True)
class TrainedModel(Model):
    """The model of a checkpoint, and what the checkpoint says of its training."""

    folder: Path
    which: str  # "last" or "best"
    run: RunSettings = field()  # not None here; without field() the None above would be its default
    facts: dict[str, Any]


def open_model(
    folder: str | PathLike[str], which: str = "last", device: str = "auto", precision: torch.dtype | None = None
) -> TrainedModel:
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
    computed_in = precision or getattr(torch, saved.facts["precision"])
    kind = condition(run, saved.facts["classes"], saved.facts.get("data", {}).get("classes", ()))
    if kind is not None and saved.facts.get("encoder") not in (None, kind.digest):
        raise InkwashError(
            f"{path} was trained on texts read by another {run.conditioning.encoder} than is there now; put back the "
            "one it was trained with, or train again."
        )
    denoiser = build.denoiser(run, shape, computed_in, kind)
    try:
        denoiser.load_state_dict(saved.parts["ema"])
    except (KeyError, RuntimeError) as error:
        raise InkwashError(f"{path} is of another network than it describes; train again.") from error
    denoiser = denoiser.to(place).requires_grad_(False).eval()
    machine.cast_weights(denoiser.net, computed_in)
    schedule = build.schedule(run.process)
    return TrainedModel(
        name=str(folder), shape=shape, denoiser=denoiser, schedule=schedule, device=place, digest=digest(path),
        condition=kind, folder=folder, which=which, run=run, facts=saved.facts,
    )  # fmt: skip


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
    given = model.denoiser
    return replace(model, denoiser=Denoiser(Onnx(given.net), given.prediction, given.sigma_data))


def images(model: TrainedModel, split: str, given: Path | None = None) -> Source:
    """The images that a run was trained on, or those of its test split; `given` as in `data_dir`.

    Of a run of a folder, `given` may be where that folder is now.

    Raises UsageError where they are not those that it was trained on.
    """
    if not model.facts["images"]:
        raise UsageError(f"{model.name} was trained elsewhere, on images that are not known here; only sample it.")
    check_code(model.facts, model.folder, model.run.data)
    data = moved(model.run.data, given)
    source = build.images(data, split, data_dir(model, given))
    if split == "train" and not is_same(source, model.facts["fingerprint"]):
        raise UsageError(
            f"{model.name} was trained on other images than {data.source} holds now; "
            "put the old ones back, say with `data_dir` where they are, or train again."
        )
    return source


def data_dir(model: TrainedModel, given: Path | None) -> Path | None:
    """Where a run's images are: as given, else where they were when it was trained, if that is still there."""
    return whereabouts(model.facts) if given is None else given
