"""Pictures that a user gives to a run: files or images of its data set, with the facts that a replay checks."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inkwash.data import to_float
from inkwash.data.picture import UnreadableError, decode, read_header
from inkwash.errors import UsageError
from inkwash.inverse.operator import Shape
from inkwash.runs.model import TrainedModel, images

_OF_DATA = re.compile(r"(train|test):(\d+)")


@dataclass(frozen=True, eq=False)
class Picture:
    """x [1,C,H,W] float32 in [−1, 1], where it came from, and the facts that a replay checks."""

    name: str
    x: Tensor
    facts: dict[str, Any]


def read_picture(name: str, shape: Shape | None, resize: bool, model: TrainedModel | None = None) -> Picture:
    """A picture from a file, or image N of the run's data set if `name` is "train:N" or "test:N".

    `shape` (C, H, W) is the one it must have; None takes any. With `resize`, other sizes are scaled and cropped, and
    other colours converted. Raises UsageError for a picture that cannot be read or has another shape.
    """
    found = _OF_DATA.fullmatch(name)
    if found is not None and model is not None:
        source, at = images(model, found[1]), int(found[2])
        if at >= len(source):
            raise UsageError(f"{name} is not there: the {found[1]} images of {model.name} are 0 to {len(source) - 1}.")
        facts = {"name": name, "fingerprint": source.fingerprint}
        return Picture(name, to_float(source.take(torch.tensor([at]))), facts)
    path = Path(name)
    if not path.is_file():
        also = "; test:7 is image 7 of the run's held-out data" if model is not None else ""
        raise UsageError(f"there is no picture {name}{also}.")
    try:
        header = read_header(path)
        with_alpha = shape is not None and shape[0] == 4 and header.transparent
        size = (4 if with_alpha else 1 if header.grey else 3, header.height, header.width)
        channels, side = size[0], None
        if shape is not None and size != shape:
            if not resize:
                raise UsageError(
                    f"{name} is a picture of {_words(size)}, and {_words(shape)} is needed; `resize=True` scales and "
                    "crops it."
                )
            channels, side = shape[0], _side(shape, size)
        pixels = torch.from_numpy(decode(path, side, channels))
    except UnreadableError as error:
        raise UsageError(f"{name} cannot be read as a picture: {error}.") from error
    return Picture(name, to_float(pixels)[None], {"name": str(path.absolute()), "sha256": sha256(path)})


def sha256(path: Path) -> str:
    """The digest of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_facts(recorded: list[dict[str, Any]], now: list[dict[str, Any]], of: str) -> None:
    """Raises UsageError if pictures have changed since an artifact was made from them."""
    for before, after in zip(recorded, now, strict=True):
        if before != after:
            raise UsageError(f"{of} was made from another picture {before['name']} than is there now; put it back.")


def _side(shape: Shape, size: Shape) -> int | None:
    """The side to scale to; None if the size is right and only the colours are not."""
    if size[1:] == shape[1:]:
        return None
    if shape[1] != shape[2]:
        raise UsageError(f"pictures are scaled to squares only, and {_words(shape)} is needed; scale it yourself.")
    return shape[1]


_COLOURS = {1: "grey", 3: "colour", 4: "colour with transparency"}


def _words(shape: Shape) -> str:
    return f"{shape[1]}×{shape[2]} pixels (height × width) in {_COLOURS[shape[0]]}"
