"""Restorations and edits of a picture that a client painted, one at a time, with the methods of `inkwash restore`."""

import base64
import binascii
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import numpy as np
import torch
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from inkwash import choices
from inkwash.data import to_float, to_uint8
from inkwash.errors import UsageError
from inkwash.inverse import make_operator, measure
from inkwash.play.engine import Full
from inkwash.play.request import SEED, named
from inkwash.runs.degrade import Measured
from inkwash.runs.edit import edit
from inkwash.runs.model import TrainedModel
from inkwash.runs.pictures import Picture
from inkwash.runs.restore import WHITE_SD, restore
from inkwash.settings import RESTORING_SAMPLER, Editing, Restoring, Sampling

_WAITING = 4  # restorations that may wait

Task = Literal["inpaint", "downsample", "blur", "sdedit"]
_OPERATORS = {"downsample": "downsample:4", "blur": "blur:1.5"}
_Bytes = Annotated[str, Field(max_length=400_000)]


class PaintRequest(BaseModel):
    """A picture of the model's size, what happened to it, and how to restore it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    picture: _Bytes = Field(description="Base64 of height·width·channels bytes.")
    hole: _Bytes | None = Field(None, description="Base64 of height·width bytes, not 0 in the hole; for inpaint.")
    task: Task = "inpaint"
    method: Annotated[str, named(choices.METHODS)] = (
        "pigdm"  # as good as moment for holes and 1 to 2 dB below it elsewhere, in a third of its time
    )
    strength: Annotated[float, Field(gt=0, le=1, strict=False)] = 0.5
    n: Annotated[int, Field(ge=1, le=8)] = 8
    steps: Annotated[int, Field(ge=2, le=100)] = 30
    seed: Annotated[int, Field(ge=0, le=SEED)] = 0
    label: Annotated[str, Field(max_length=500)] | None = Field(None, description="What it shows; null: not said.")
    scale: Annotated[float, Field(ge=0, le=100, strict=False)] | None = None


class Painter:
    """Restores for one client at a time; a few may wait."""

    def __init__(self) -> None:
        self._turn, self._places = threading.Lock(), threading.Semaphore(_WAITING + 1)
        self._took = 5.0  # seconds of the last restoration

    def paint(self, model: TrainedModel, asked: PaintRequest) -> dict[str, Any]:
        """The answers as JSON: images are base64 of uint8 [n,H,W,C]. Raises UsageError, and Full."""
        picture = _picture(asked.picture, model.shape)
        sampling = _sampling(model, asked)
        if not self._places.acquire(blocking=False):
            raise Full(max(1, round(_WAITING * self._took)))
        try:
            with self._turn:
                began = time.monotonic()
                given, answers = _answers(model, picture, sampling, asked)
                self._took = time.monotonic() - began
        finally:
            self._places.release()
        std = answers.std(0) if len(answers) > 1 else torch.zeros_like(answers[0])
        return {
            "shape": list(model.shape), "n": len(answers), "seconds": self._took, "input": _text(given),
            "answers": _text(answers), "mean": _text(answers.mean(0, keepdim=True)),
            "sd": _text((std / WHITE_SD).clamp(0, 1)[None] * 2 - 1),
        }  # fmt: skip


def _sampling(model: TrainedModel, asked: PaintRequest) -> Sampling:
    told = asked.label is not None
    scale = asked.scale if told or model.condition is None else 0.0
    usual = RESTORING_SAMPLER.over(steps=asked.steps, scale=scale)
    return Sampling(**vars(usual) | {"n": asked.n, "seed": asked.seed, "label": asked.label})


def _answers(model: TrainedModel, x: Tensor, sampling: Sampling, asked: PaintRequest) -> tuple[Tensor, Tensor]:
    """(what the model was given, its answers), float32 [n,C,H,W]."""
    if asked.task == "sdedit":
        return x, edit(model, [Picture("painted", x, {})], Editing(strength=asked.strength), sampling)
    with TemporaryDirectory(prefix="inkwash-play-") as folder:
        spec = _OPERATORS.get(asked.task) or f"mask:{_hole(asked.hole, model.shape, Path(folder))}"
        operator = make_operator(spec, model.shape)
    made = Measured(measure(operator, x, 0.0), None, {})
    (restored,) = restore(model, [made], Restoring(method=asked.method), sampling)
    shown = operator.picture(made.measurement.y).float()
    return torch.nn.functional.interpolate(shown, model.shape[1:], mode="nearest-exact"), restored.images


def _picture(text: str, shape: tuple[int, int, int]) -> Tensor:
    channels, height, width = shape
    pixels = _bytes(text, height * width * channels, "`picture`").reshape(1, height, width, channels)
    return to_float(torch.from_numpy(pixels).permute(0, 3, 1, 2))


def _hole(text: str | None, shape: tuple[int, int, int], folder: Path) -> Path:
    """The hole as a picture, which is how operators read a painted mask."""
    if text is None:
        raise UsageError("`inpaint` needs a `hole`.")
    hole = _bytes(text, shape[1] * shape[2], "`hole`").reshape(shape[1:]) > 0
    file = folder / "hole.png"
    Image.fromarray(hole.astype(np.uint8) * 255).save(file)
    return file


def _bytes(text: str, size: int, what: str) -> Any:
    """The decoded bytes, which must be `size`; their number is known before they are decoded."""
    if len(text) != 4 * -(-size // 3):
        raise UsageError(f"{what} is base64 of {size:,} bytes.")
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UsageError(f"{what} is no base64.") from error
    if len(found) != size:
        raise UsageError(f"{what} is base64 of {size:,} bytes (got {len(found):,}).")
    return np.frombuffer(found, np.uint8).copy()


def _text(images: Tensor) -> str:
    pixels = to_uint8(images).permute(0, 2, 3, 1).contiguous().numpy()
    return base64.b64encode(pixels.tobytes()).decode()
