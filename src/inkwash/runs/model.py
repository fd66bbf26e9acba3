"""A model that images can be drawn from, and the function that opens the checkpoint of a run."""

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
from inkwash.runs.conditions import ConditionKind, condition, rests_on
from inkwash.runs.onnx import Onnx
from inkwash.runs.record import check_code, check_encoder, described, moved, used, whereabouts
from inkwash.settings import Conditioning, Engine, RunSettings
from inkwash.training.checkpoint import FILES, PARTS, TEXTS, Checkpoint, load


@dataclass(frozen=True, kw_only=True)
class Model:
    """Everything that sampling needs from a model, whether it is trained, still in training or known in closed form."""

    name: str  # name in tables and errors: the folder of a run
    shape: build.Shape
    denoiser: Denoiser
    schedule: Schedule
    device: torch.device
    digest: str  # sha256 hex of everything that the denoiser depends on; for a run, of its checkpoint file
    condition: ConditionKind | None = None
    run: RunSettings | None = None  # the settings of the run, if there is one

    @property
    def conditioning(self) -> Conditioning:
        """The conditioning in training, and the default guidance."""
        return Conditioning() if self.run is None else self.run.conditioning

    @property
    def condition_never_dropped(self) -> bool:
        """Whether the condition was never dropped in training, so that the unconditional output is undefined."""
        return self.condition is not None and self.conditioning.condition_dropout == 0


@dataclass(frozen=True, kw_only=True)
class TrainedModel(Model):
    """The model of a checkpoint, and the facts that the checkpoint records about its training."""

    folder: Path
    which: str  # "last" or "best"
    run: RunSettings = field()  # not None here; without field() the None above would be its default
    facts: dict[str, Any]
    weights: str = "ema"  # or "raw"


def open_model(
    folder: str | PathLike[str],
    which: str = "last",
    device: str = "auto",
    precision: torch.dtype | None = None,
    weights: str = "ema",
) -> TrainedModel:
    """Opens a run's checkpoint, "last" or "best", with its averaged weights ("ema") or those of its last step ("raw").

    Raises UsageError or InkwashError if the folder contains no run, or its checkpoint is damaged or of a newer format.
    """
    folder = Path(folder)
    path = folder / FILES[which]
    saved = load(path)
    run = described(path, saved.facts)
    check_code(saved.facts, path, *used(run))
    texts = saved.parts.get(TEXTS)
    if texts is None:
        check_encoder(run, path)
    place = machine.device(device)
    shape: build.Shape = tuple(saved.facts["shape"])
    computed_in = precision or getattr(torch, saved.facts["precision"])
    try:
        kind = condition(run, saved.facts["classes"], saved.facts.get("data", {}).get("classes", ()), texts, shape)
    except (KeyError, ValueError) as error:
        raise InkwashError(f"{path} holds a table of texts that is damaged; import the run again.") from error
    recorded = saved.facts.get("encoder")  # None for imported runs; the encoder is not opened where it need not be
    if kind is not None and recorded is not None and recorded != kind.digest:
        told = rests_on(kind, run)
        raise InkwashError(
            f"{path} was trained on {told} than is there now; put back the one it was trained with, or train again."
        )
    check_weights(path, saved, run, shape, kind)
    denoiser = build.denoiser(run, shape, computed_in, kind)
    if PARTS[weights] not in saved.parts:
        raise UsageError(f"{path} holds averaged weights only; leave out `weights`.")
    try:
        denoiser.load_state_dict(saved.parts[PARTS[weights]])
    except RuntimeError as error:
        raise _other_network(path) from error
    denoiser = denoiser.to(place).requires_grad_(False).eval()
    machine.cast_weights(denoiser.net, computed_in)
    schedule = build.schedule(run.process)
    return TrainedModel(
        name=str(folder), shape=shape, denoiser=denoiser, schedule=schedule, device=place, digest=saved.sha256,
        condition=kind, folder=folder, which=which, run=run, facts=saved.facts,
        weights=weights,
    )  # fmt: skip


def check_weights(
    path: Path, saved: Checkpoint, run: RunSettings, shape: build.Shape, kind: ConditionKind | None
) -> None:
    """Raises InkwashError unless the weights in a checkpoint have the shapes that its settings give. Builds nothing."""
    try:
        build.check_weights(run, shape, kind, saved.parts["ema"])
    except (KeyError, ValueError) as error:
        raise _other_network(path) from error


def _other_network(path: Path) -> InkwashError:
    return InkwashError(f"{path} is of another network than it describes; train again.")


def computed_by(model: Model, engine: Engine) -> Model:
    """Switches the model to an engine: "torch", "compiled" (torch.compile in place) or "onnx" (float32).

    Raises UsageError if this machine lacks the requirements of the engine.
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
    """The images of a split of the data that a run was trained on; `given` as in `data_dir`.

    For a run trained on a folder, `given` may be the new location of that folder.

    Raises UsageError if the images are not the ones that the run was trained on.
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
    """The folder of a run's images: as given, or else the one used in training, if it still exists."""
    return whereabouts(model.facts) if given is None else given
