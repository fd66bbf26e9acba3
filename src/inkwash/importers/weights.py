"""Converts a file of `inkwash export --safetensors` to a run."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open

from inkwash.errors import InkwashError, UsageError
from inkwash.importers.saved import check_layers, fill, read_safetensors, write_run
from inkwash.runs import build
from inkwash.runs.conditions import condition
from inkwash.runs.record import check_encoder
from inkwash.settings import RunSettings

_HELP = "give a file that `inkwash export RUN --safetensors` wrote"
_Side = Annotated[int, Field(ge=1, le=16384)]
_SETTINGS = TypeAdapter(RunSettings)


class _About(BaseModel):
    """The entry "inkwash" of the file's metadata."""

    format: Literal["inkwash weights 1"]
    run: dict[str, Any]
    shape: tuple[Annotated[int, Field(ge=1, le=4096)], _Side, _Side]
    classes: Annotated[list[Annotated[str, Field(max_length=4096)]], Field(max_length=2**20)]
    step: Annotated[int, Field(ge=0, lt=2**31)] = 0


def import_weights(file: Path, out: Path) -> RunSettings:
    """Converts the file to a run in `out`; returns its settings. A run of the user's own code is refused.

    Raises UsageError for a file without inkwash's metadata, or with other layers; InkwashError for a damaged one.
    """
    weights = read_safetensors(file, _HELP)
    about, run = _described(file)
    check_encoder(run, file)
    kind = condition(run, about.classes, shape=about.shape) if run.conditioning.condition != "none" else None
    wanted = {name.removeprefix("net."): sides for name, sides in build.shapes(run, about.shape, kind).items()}
    check_layers(wanted, weights, file, "it describes")
    denoiser = build.denoiser(run, about.shape, torch.float32, kind)
    assert isinstance(denoiser.net, torch.nn.Module)
    fill(denoiser.net, weights, file, "it describes")
    write_run(run, denoiser, about.shape, out, "of an export of inkwash", about.step, about.classes)
    return run


def _described(file: Path) -> tuple[_About, RunSettings]:
    try:
        with safe_open(file, "pt") as opened:
            said = (opened.metadata() or {}).get("inkwash")
    except (OSError, SafetensorError) as error:
        raise InkwashError(f"{file} is damaged or no safetensors file ({error}); {_HELP}.") from error
    if said is None:
        raise UsageError(f"{file} says nothing of a run of inkwash in its metadata; {_HELP}.")
    try:
        about = _About.model_validate(json.loads(said))
        if about.run.get("network", {}).get("kind") == "own":
            raise UsageError(f"{file} is of a network of your own, whose code it does not have; export the run itself.")
        return about, _SETTINGS.validate_python(about.run)
    except (ValueError, RecursionError, ValidationError, AttributeError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"{file} does not describe a run that inkwash can make ({reason}); {_HELP}.") from error
