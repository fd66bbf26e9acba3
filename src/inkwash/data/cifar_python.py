"""CIFAR's Python batches (cifar-10-batches-py, cifar-100-python): pickles, read without running code."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inkwash.data.regular import open_regular
from inkwash.data.source import Images
from inkwash.errors import UsageError

_LARGEST = 2**28  # bytes of a batch; the largest of CIFAR-100 has 155 MB
_SHAPE = (3, 32, 32)
TEN = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")  # CIFAR-10's classes
_KINDS = {  # the folder's files of meta data, training and test images, and the keys of the names and of the labels
    "batches.meta": (tuple(f"data_batch_{i}" for i in range(1, 6)), ("test_batch",), "label_names", "labels"),
    "meta": (("train",), ("test",), "fine_label_names", "fine_labels"),
}


class CifarPython:
    """The folder cifar-10-batches-py or cifar-100-python."""

    @staticmethod
    def recognises(path: Path) -> bool:
        return _kind_of(path) is not None

    @staticmethod
    def read(path: Path) -> dict[str, Images]:
        """The images by split. Raises UsageError for batches that are cut short, or hold anything else than arrays."""
        meta = _kind_of(path) or "batches.meta"
        train, test, names, labels = _KINDS[meta]
        classes = tuple(map(_text, _load(path / meta).get(names, ()))) if (path / meta).is_file() else TEN
        name = "cifar10" if meta == "batches.meta" else "cifar100"
        parts = {"train": [path / file for file in train if (path / file).is_file()]}
        if len(parts["train"]) < len(train):
            raise UsageError(f"{path} lacks {', '.join(file for file in train if not (path / file).is_file())}.")
        parts["test"] = [path / file for file in test if (path / file).is_file()]
        made = {split: _images(name, split, files, classes, labels) for split, files in parts.items() if files}
        return made if "test" in made else {"": made["train"]}


def _kind_of(path: Path) -> str | None:
    if (path / "data_batch_1").is_file():  # its names of classes may be missing
        return "batches.meta"
    return "meta" if (path / "meta").is_file() and (path / "train").is_file() else None


def _images(name: str, split: str, files: list[Path], classes: tuple[str, ...], key: str) -> Images:
    pixels, labels = [], []
    for file in files:
        batch = _load(file)
        data, numbers = batch.get("data"), batch.get(key)
        rows = data.array() if isinstance(data, _Array) else None
        if rows is None or rows.shape[1:] != (3072,) or not isinstance(numbers, list) or len(numbers) != len(rows):
            raise UsageError(f"{file} is no batch of CIFAR: data uint8 [N,3072] and as many {key} were expected.")
        if not all(isinstance(number, int) and 0 <= number < len(classes) for number in numbers):
            raise UsageError(f"{file} has labels outside of 0..{len(classes) - 1}.")
        pixels.append(rows)
        labels += numbers
    images = np.concatenate(pixels).reshape(-1, *_SHAPE)
    return Images(name, split, torch.from_numpy(images), torch.tensor(labels, dtype=torch.int64), classes)


def _load(file: Path) -> dict[str, Any]:
    try:
        with open_regular(file, _LARGEST) as opened:
            found = _Unpickler(io.BytesIO(opened.read())).load()
        if not isinstance(found, dict):
            raise ValueError("no dictionary")
    except Exception as error:  # damaged pickles make the reader raise anything
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UsageError(f"{file} cannot be read as a batch of CIFAR ({reason}).") from error
    return {_text(key): value for key, value in found.items()}


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


class _Type:
    """Stands for numpy.dtype. Of its arguments only the name of the type is kept."""

    def __init__(self, name: Any = "", *others: Any) -> None:
        self.name = _text(name)

    def __setstate__(self, state: Any) -> None:
        pass


class _Array:
    """Stands for numpy.ndarray: keeps what its pickle says of it."""

    def __init__(self, *arguments: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def array(self) -> NDArray[np.uint8] | None:
        """The array, if it is one of bytes with two axes."""
        try:
            _, (rows, columns), kind, fortran, content = self.state
        except (TypeError, ValueError):
            return None
        if not isinstance(kind, _Type) or kind.name not in ("u1", "|u1") or not isinstance(content, bytes):
            return None
        if not isinstance(rows, int) or not isinstance(columns, int) or rows * columns != len(content):
            return None
        return np.frombuffer(content, np.uint8).reshape((rows, columns), order="F" if fortran else "C").copy()


def _encoded(text: Any, encoding: Any = "latin1") -> bytes:
    """Stands for _codecs.encode, by which Python 3 writes bytes in old protocols."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError("bytes in another encoding")
    return text.encode("latin1")


_STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _encoded,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): lambda *_: _Array() for core in ("core", "_core")},
}


class _Unpickler(pickle._Unpickler):  # the one in Python: its memo is a dict, so that no number in a file takes memory
    """Reads a pickle of dictionaries, lists, numbers, texts and arrays. Nothing that a file names is imported."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, encoding="bytes")  # Python 2 wrote them

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _STAND_INS:
            raise pickle.UnpicklingError(f"it names {module}.{name}, and no code is run from files")
        return _STAND_INS[module, name]
