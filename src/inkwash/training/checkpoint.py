"""Checkpoints of tensors and JSON; loading runs no code. Each is one file, so that replacing it is atomic.

A file is a safetensors container. The part prefixes the name of each tensor, as in "ema.net.first.weight"; the
metadata holds one JSON object under "inkwash".
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from inkwash import __version__
from inkwash.atomic import replacing
from inkwash.errors import InkwashError, UsageError

# 2: norms have groups of 16 channels; 3: the conditioning modules were renamed; 4: the default ends of linear schedules
# are scaled by 1000/T
FORMAT = 4
_READABLE = (2, 3, FORMAT)
_RENAMED = (  # parameter names of format 2 -> names of format 3
    (re.compile(r"\.told\.told\."), ".cross_attention.key_value."),
    (re.compile(r"\.(downs|middle|ups)\.(\d+)\.told\."), r".\1.\2.cross_attention."),
    (re.compile(r"\.told\.(\d+)\."), r".cond_embed.\1."),
)
LAST, BEST = "last.safetensors", "best.safetensors"
FILES = {"last": LAST, "best": BEST}  # by the values of --checkpoint


@dataclass(frozen=True)
class Checkpoint:
    """The contents of a file: parts ("model", "ema", "exp_avg", …) of named tensors, and JSON-serialisable facts."""

    parts: dict[str, dict[str, Tensor]]
    facts: dict[str, Any]


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint atomically. Raises InkwashError if the file cannot be written."""
    tensors: dict[str, Tensor] = {}
    held = set()  # storages; safetensors refuses shared storage, so tied tensors are cloned
    for part, named in checkpoint.parts.items():
        for name, tensor in named.items():
            plain = tensor.detach().contiguous()
            tensors[f"{part}.{name}"] = plain.clone() if plain.untyped_storage().data_ptr() in held else plain
            held.add(plain.untyped_storage().data_ptr())
    about = json.dumps({"format": FORMAT, "version": __version__, **checkpoint.facts})
    with replacing(path) as temporary:
        temporary.write_bytes(safetensors.torch.save(tensors, metadata={"inkwash": about}))


def facts(path: Path) -> dict[str, Any]:
    """The JSON facts of a checkpoint, without reading its tensors. Raises as `load`."""
    return _opened(path, tensors=False).facts


def load(path: Path) -> Checkpoint:
    """Reads a checkpoint.

    Raises UsageError if the file does not exist or its format is not supported, InkwashError if it is damaged.
    """
    return _opened(path, tensors=True)


def digest(path: Path) -> str:
    """The sha256 of a checkpoint file, in hexadecimal; provenance records identify the file by it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _opened(path: Path, tensors: bool) -> Checkpoint:
    if not path.is_file():
        raise UsageError(f"there is no checkpoint at {path}; give the folder that `inkwash train` wrote.")
    parts: dict[str, dict[str, Tensor]] = {}
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["inkwash"])
            found = int(about["format"])
            for key in file.keys() if tensors else ():
                part, name = _renamed(key, found).split(".", 1)
                parts.setdefault(part, {})[name] = file.get_tensor(key)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        other = path.with_name(BEST if path.name == LAST else LAST)
        advice = f"{other.name} beside it can take its place" if other.is_file() else "train again"
        raise InkwashError(f"{path} is damaged or no checkpoint of inkwash ({error}); {advice}.") from error
    if found not in _READABLE:
        advice = "Upgrade inkwash" if found > FORMAT else "Its networks were others; train again"
        raise UsageError(
            f"{path} was written by inkwash {about['version']} in format {found}; this inkwash {__version__} reads "
            f"formats {_READABLE[0]} to {FORMAT}. {advice}."
        )
    return Checkpoint(parts, about)


def _renamed(key: str, found: int) -> str:
    """The name in the current format of a tensor from a file of format `found`."""
    if found == 2:
        for old, new in _RENAMED:
            key = old.sub(new, key)
    return key
