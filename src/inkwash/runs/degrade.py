"""Measurements of pictures: making them, and reading those that were made before."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inkwash import __version__, choices, own
from inkwash.core import mix
from inkwash.core.noise import VERSION as NOISE_VERSION
from inkwash.data import to_uint8
from inkwash.errors import UsageError
from inkwash.inverse import Measurement, Operator, make_operator, measure
from inkwash.inverse.operator import Shape
from inkwash.inverse.spec import reference
from inkwash.runs.model import TrainedModel
from inkwash.runs.pictures import Picture, check_facts, read_picture, sha256
from inkwash.settings import Measuring
from inkwash.view import check_out, read_provenance, write
from inkwash.view.out import FOLDER, PathLike, form

Own = tuple[Operator, float]  # the operator that a run was trained with, and its noise
ARRAY = "measurements"  # of an .npz: float32 [N,…]


@dataclass(frozen=True, eq=False)
class Measured:
    """One measurement y [1,…], and the picture [1,C,H,W] that it is of, where that is known."""

    measurement: Measurement
    truth: Tensor | None
    facts: dict[str, Any]

    @property
    def picture(self) -> Tensor:
        """The measurement as a picture [1,C,H',W']."""
        return self.measurement.operator.picture(self.measurement.y)


def operator_of(asked: Measuring, shape: Shape, seed: int) -> Operator:
    """The operator of a request. Raises UsageError if none is given."""
    if asked.operator is None:
        raise UsageError(f"say what the pictures went through with `operator`: {choices.OPERATORS.help}.")
    return make_operator(asked.operator, shape, seed)


def code_of(asked: Measuring, method: str | None = None) -> dict[str, Any]:
    """{"code": …} as `runs.record.code` has it, for an operator and a method of the user's own."""
    found = () if asked.operator is None else reference(choices.OPERATORS, asked.operator)
    found += () if method is None else reference(choices.METHODS, method)
    return {"code": own.digests(found)} if found else {}


def measurements(
    names: Sequence[str],
    asked: Measuring,
    seed: int,
    shape: Shape | None,
    model: TrainedModel | None,
    done: bool,
    made_for: Own | None = None,
) -> list[Measured]:
    """The measurement of each picture, in float32. With `done`, the pictures are measurements already.

    `made_for` is the operator and the noise that the model was trained with, in place of those that are asked for.

    A file that `degrade` wrote as .npz always is one, and brings its operator and noise. Raises UsageError for
    pictures, operators or noise that do not fit.
    """
    if not names:
        raise UsageError("no picture was given.")
    found: list[Measured] = []
    for name in names:
        if Path(name).suffix.lower() == ".npz":
            found += _read(Path(name), asked if made_for is None else Measuring(), shape)
        elif done:
            assert shape is not None
            picture = read_picture(name, None, False, model)
            operator, noise = made_for or (operator_of(asked, shape, seed), asked.noise)
            y = operator.from_picture(_in_colours_of(picture, shape[0]))
            found.append(Measured(Measurement(operator, y, noise), None, picture.facts))
        else:
            picture = read_picture(name, shape, asked.resize, model)
            size: Any = tuple(picture.x.shape[1:])
            operator, noise = made_for or (operator_of(asked, size, seed), asked.noise)
            made = measure(operator, picture.x, noise, mix(seed, len(found)))
            found.append(Measured(made, picture.x, picture.facts))
    return found


def degrade(names: Sequence[str], asked: Measuring, seed: int, out: PathLike) -> list[Measured]:
    """Measures pictures and writes the measurements with their provenance: .npz exactly, .png or a folder to 8 bits.

    Raises UsageError for pictures of several sizes, or an output of another kind.
    """
    check_out(out)
    if form(out) not in (".npz", ".png", FOLDER):
        raise UsageError(f"measurements are written as .npz, .png or a folder of PNGs (got {out}).")
    found = measurements(names, asked, seed, None, None, done=False)
    sizes = {tuple(each.measurement.operator.shape) for each in found}
    if len(sizes) > 1:
        raise UsageError("pictures that are degraded together have one size; give one at a time.")
    if form(out) == ".png" and len(found) > 1:
        raise UsageError(f"{out} holds one measurement, and {len(found)} pictures are given; name a folder or an .npz.")
    pictures = to_uint8(torch.cat([each.picture for each in found])).permute(0, 2, 3, 1).numpy()
    y = torch.cat([each.measurement.y for each in found]).numpy()
    about = {
        "inkwash": __version__,
        "command": "degrade",
        "noise": NOISE_VERSION,
        "measuring": asdict(asked),
        "seed": seed,
        "shape": list(sizes.pop()),
        "pictures": [each.facts for each in found],
        **files_of([each.measurement.operator for each in found]),
        **code_of(asked),
    }
    scale = 1 if form(out) == ".png" else None  # pixel by pixel, so that it can be restored
    write(out, pictures, about, arrays={ARRAY: y}, scale=scale)
    return found


def files_of(operators: Sequence[Operator]) -> dict[str, Any]:
    """{"files": {path: sha256}} of the files that operators were read from; {} if there are none."""
    found = {str(Path(file).absolute()): sha256(Path(file)) for each in operators for file in each.files}
    return {"files": found} if found else {}


def check_files(about: dict[str, Any], of: str) -> None:
    """Raises UsageError if a mask or kernel has changed since an artifact was made."""
    for name, digest in about.get("files", {}).items():
        if not Path(name).is_file() or sha256(Path(name)) != digest:
            raise UsageError(f"{of} was made with another {name} than is there now; put it back.")


def again(about: dict[str, Any], of: str, out: PathLike) -> None:
    """Makes the measurements of an artifact again."""
    own.check_recorded(about.get("code", {}), of)
    check_files(about, of)
    names = [each["name"] for each in about["pictures"]]
    found = degrade(names, Measuring(**about["measuring"]), int(about["seed"]), out)
    check_facts(about["pictures"], [each.facts for each in found], of)


def _in_colours_of(picture: Picture, channels: int) -> Tensor:
    x = picture.x
    return x if x.shape[1] <= channels or channels != 1 else x.mean(1, keepdim=True)


def _read(path: Path, asked: Measuring, shape: Shape | None) -> list[Measured]:
    about = read_provenance(path)
    if about.get("command") != "degrade" or shape is None:
        raise UsageError(f"{path} holds no measurements that `inkwash degrade` wrote.")
    if tuple(about["shape"]) != tuple(shape):
        raise UsageError(
            f"{path} holds measurements of images of {'×'.join(map(str, about['shape']))} (channels, height, "
            f"width), and this run draws {'×'.join(map(str, shape))}."
        )
    before = Measuring(**about["measuring"])
    if asked.operator not in (None, before.operator) or asked.noise not in (0.0, before.noise):
        raise UsageError(
            f"{path} was measured by {before.operator} with noise {before.noise:g}; leave out `operator` and `noise`."
        )
    own.check_recorded(about.get("code", {}), str(path))
    check_files(about, str(path))
    operator = operator_of(before, shape, int(about["seed"]))
    with np.load(path, allow_pickle=False) as archive:
        y = torch.from_numpy(archive[ARRAY])
    facts = {"name": str(path.absolute()), "sha256": sha256(path)}
    return [Measured(Measurement(operator, row[None], before.noise), None, facts) for row in y]
