"""Checkpoints of tensors and JSON; loading runs no code. Each is one file, so that replacing it is atomic.

A file is a safetensors container. The part prefixes the name of each tensor, as in "ema.net.first.weight"; the
metadata holds one JSON object under "inkwash". Its first entry, "digest", is the sha256 of the whole file with that
entry's 64 characters replaced by zeros. `load` reads a file once, and checks the digest of the bytes that it read.
"""

import hashlib
import io
import json
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from inkwash import __version__
from inkwash.atomic import replacing
from inkwash.data.regular import open_regular
from inkwash.errors import InkwashError, UsageError

# 2: norms have groups of 16 channels; 3: the conditioning modules were renamed; 4: the default ends of linear schedules
# are scaled by 1000/T; 5: with a digest
FORMAT = 5
_READABLE = (2, 3, 4, FORMAT)
_WITHOUT_DIGEST = 4  # the last such format
_ZEROS = b"0" * 64
# unescaped quotes occur in no string of the header, so this is found in one place only
_BEFORE_DIGEST = b'"inkwash":"{\\"digest\\": \\"'
_LARGEST, _LARGEST_HEADER = 2**40, 2**26  # bytes
_DEEPEST = 32  # nested lists and objects in the facts
_RENAMED = (  # parameter names of format 2 -> names of format 3
    (re.compile(r"\.told\.told\."), ".cross_attention.key_value."),
    (re.compile(r"\.(downs|middle|ups)\.(\d+)\.told\."), r".\1.\2.cross_attention."),
    (re.compile(r"\.told\.(\d+)\."), r".cond_embed.\1."),
)
LAST, BEST = "last.safetensors", "best.safetensors"
TEXTS = "texts"  # the part with the tensors of a `text.Table`, in a run that keeps one
PARTS = {"ema": "ema", "raw": "model"}  # the weights to draw with, by the values of --weights
EARLY = "early"  # the folder, in that of a run, with a copy from early in the training
FILES = {"last": LAST, "best": BEST}  # by the values of --checkpoint


@dataclass(frozen=True)
class Checkpoint:
    """The contents of a file: parts ("model", "ema", "exp_avg", …) of named tensors, and JSON-serialisable facts."""

    parts: dict[str, dict[str, Tensor]]
    facts: dict[str, Any]
    sha256: str = ""  # of the file that it was read from, in hexadecimal; provenance records identify the file by it
    checked: bool = False  # whether the file had a digest, which was right


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint atomically. Raises InkwashError if the file cannot be written."""
    tensors: dict[str, Tensor] = {}
    held = set()  # storages; safetensors refuses shared storage, so tied tensors are cloned
    for part, named in checkpoint.parts.items():
        for name, tensor in named.items():
            plain = tensor.detach().contiguous()
            tensors[f"{part}.{name}"] = plain.clone() if plain.untyped_storage().data_ptr() in held else plain
            held.add(plain.untyped_storage().data_ptr())
    own = {"digest": _ZEROS.decode(), "format": FORMAT, "version": __version__}
    about = json.dumps({**own, **checkpoint.facts, **own})
    content = memoryview(safetensors.torch.save(tensors, metadata={"inkwash": about}))
    at = _digest_place(content)
    assert at is not None
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.writelines((content[:at], hashlib.sha256(content).hexdigest().encode(), content[at + 64 :]))


def facts(path: Path) -> dict[str, Any]:
    """The JSON facts of a checkpoint, from the header of its file alone, whose digest is not checked.

    Raises as `load`.
    """
    with _reading(path), open_regular(path, _LARGEST) as file:
        return _about(path, _header(file))


def load(path: Path) -> Checkpoint:
    """Reads a checkpoint, and checks its digest.

    Raises UsageError if the file does not exist or its format is not supported, InkwashError if it is damaged.
    """
    with _reading(path):
        with open_regular(path, _LARGEST) as file:
            content = file.read()
        header = _header(io.BytesIO(content))
        about = _about(path, header)
        hashes = _hashes(content)
        if hashes.recorded is None and about["format"] > _WITHOUT_DIGEST:
            raise ValueError("its digest is missing")
        if hashes.recorded != hashes.found:
            raise ValueError("its digest differs from that of its content")
        parts: dict[str, dict[str, Tensor]] = {}
        for key, tensor in safetensors.torch.load(content).items():
            part, name = _renamed(key, about["format"]).split(".", 1)
            parts.setdefault(part, {})[name] = tensor
    return Checkpoint(parts, about, hashes.file, hashes.recorded is not None)


def digest(path: Path) -> str:
    """The sha256 of a checkpoint file, in hexadecimal; `Checkpoint.sha256` if the file is read too."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Hashes(NamedTuple):
    """The sha256 of a file; the digest that it records, or None; and the digest of its content, in hexadecimal."""

    file: str
    recorded: str | None
    found: str | None


def _hashes(content: bytes) -> _Hashes:
    view, at = memoryview(content), _digest_place(content)
    if at is None:
        return _Hashes(hashlib.sha256(view).hexdigest(), None, None)

    def without_digest() -> str:
        hashed = hashlib.sha256(view[:at])
        hashed.update(_ZEROS)
        hashed.update(view[at + 64 :])
        return hashed.hexdigest()

    recorded = content[at : at + 64].decode("latin-1")
    if len(content) < 2**20:
        return _Hashes(hashlib.sha256(view).hexdigest(), recorded, without_digest())
    with ThreadPoolExecutor(1) as pool:  # hashing releases the interpreter's lock
        found = pool.submit(without_digest)
        return _Hashes(hashlib.sha256(view).hexdigest(), recorded, found.result())


def _digest_place(content: bytes | memoryview) -> int | None:
    """Where the digest of a file's content begins; None if it has none."""
    length = int.from_bytes(content[:8], "little")
    at = bytes(content[: 8 + min(length, _LARGEST_HEADER)]).find(_BEFORE_DIGEST)
    return None if at < 0 else at + len(_BEFORE_DIGEST)


def _header(file: BinaryIO) -> dict[str, Any]:
    """The header of a safetensors file. Raises ValueError, LookupError or TypeError."""
    length = int.from_bytes(file.read(8), "little")
    content = file.read(min(length, _LARGEST_HEADER))
    if len(content) < length:
        raise ValueError(f"its header is longer than the file, or than {_LARGEST_HEADER:,} bytes")
    header = json.loads(content)
    if not isinstance(header, dict):
        raise ValueError("its header is no JSON object")
    end = max((entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0)
    size = file.seek(0, os.SEEK_END)
    if 8 + length + end != size:
        raise ValueError(f"its {size:,} bytes are not the {8 + length + end:,} of its tensors")
    return header


def _about(path: Path, header: dict[str, Any]) -> dict[str, Any]:
    """The facts in a header. Raises ValueError, LookupError or TypeError if it is not inkwash's."""
    about = json.loads(header["__metadata__"]["inkwash"])
    if not isinstance(about, dict) or not isinstance(about["format"], int):
        raise ValueError("it does not say its format")
    _check_strings(about)
    found = about["format"]
    if found not in _READABLE:
        advice = "Upgrade inkwash" if found > FORMAT else "Its networks were others; train again"
        raise UsageError(
            f"{path} was written by inkwash {about['version']} in format {found}; this inkwash {__version__} reads "
            f"formats {_READABLE[0]} to {FORMAT}. {advice}."
        )
    return {name: value for name, value in about.items() if name != "digest"}


def _check_strings(value: Any, depth: int = 0) -> None:
    """Raises ValueError for JSON that is nested too deep, and for text that no file name or terminal can take."""
    if depth > _DEEPEST:
        raise ValueError(f"its facts are nested more than {_DEEPEST} deep")
    if isinstance(value, dict):
        for name in value:
            _check_strings(name)
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            _check_strings(each, depth + 1)
    if isinstance(value, str) and not value.isascii():
        value.encode("utf-8", "surrogateescape")
    if isinstance(value, str) and "\0" in value:
        raise ValueError("a text in its facts holds a zero byte")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Raises UsageError if there is no such file, and InkwashError in place of errors from a damaged one."""
    if not path.is_file():
        raise UsageError(
            f"there is no checkpoint at {path}; give the folder that `inkwash train` wrote, or a name that "
            "`inkwash models` lists."
        )
    try:
        yield
    except (OSError, SafetensorError, ValueError, LookupError, TypeError, RecursionError) as error:
        reason = f"without {error}" if isinstance(error, KeyError) else str(error)
        raise InkwashError(f"{path} is damaged or no checkpoint of inkwash ({reason}); {_instead(path)}.") from error


def _instead(path: Path) -> str:
    """What to do about a damaged checkpoint."""
    other = path.with_name(BEST if path.name == LAST else LAST)
    try:
        with open_regular(other, _LARGEST) as file:
            step = _about(other, _header(file)).get("step")
    except (OSError, ValueError, LookupError, TypeError, RecursionError, InkwashError):
        return "train again"
    instead = f"{other.name} beside it, of step {step}, can take its place: open it with `checkpoint={other.stem!r}`"
    return f"{instead}, or rename it to {LAST} to go on training from there" if path.name == LAST else instead


def _renamed(key: str, found: int) -> str:
    """The name in the current format of a tensor from a file of format `found`."""
    if found == 2:
        for old, new in _RENAMED:
            key = old.sub(new, key)
    return key
