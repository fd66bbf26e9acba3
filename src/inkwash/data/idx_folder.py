"""A folder of IDX files, as MNIST, Fashion-MNIST, KMNIST and EMNIST come, and torchvision keeps them in NAME/raw."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from inkwash.data.idx import AGAIN, read_idx
from inkwash.data.pixels import as_labels, as_pixels, numbered
from inkwash.data.source import Images
from inkwash.errors import InkwashError, UsageError

_NAME = re.compile(r"(.*?)(images|labels)[.-]idx([13])[.-]ubyte(?:\.gz)?", re.IGNORECASE)
_TRAIN, _TEST = re.compile(r"train", re.IGNORECASE), re.compile(r"t10k|test", re.IGNORECASE)


class IdxFolder:
    """Files such as train-images-idx3-ubyte.gz or t10k-labels.idx1-ubyte, in a folder or in its folder raw/."""

    @staticmethod
    def recognises(path: Path) -> bool:
        return path.is_dir() and any(_found(folder) for folder in (path, path / "raw"))

    @staticmethod
    def read(path: Path) -> dict[str, Images]:
        """The images by split. Raises UsageError if several sets lie there, or a file is damaged."""
        folder = path if _found(path) else path / "raw"
        found = _found(folder)
        name = path.resolve().parent.name if path.name == "raw" else path.resolve().name
        parts: dict[str, Images] = {}
        for split, pattern in (("train", _TRAIN), ("test", _TEST)):
            starts = [start for start, kinds in found.items() if pattern.search(start) and "images" in kinds]
            if len(starts) > 1:
                raise UsageError(
                    f"{folder} holds several sets ({', '.join(starts)}); put each set into a folder of its own."
                )
            if starts:
                parts[split] = _images(name, split, found[starts[0]])
        labels = [part.labels for part in parts.values() if part.labels is not None]
        if labels:  # both splits have the same classes
            classes = numbered(torch.cat(labels))
            parts = {split: replace(part, classes=classes) for split, part in parts.items()}
        if "train" not in parts:
            raise UsageError(f"{folder} holds no train-images-idx3-ubyte; {', '.join(found)} are there.")
        return parts if "test" in parts else {"": parts["train"]}


def _found(folder: Path) -> dict[str, dict[str, Path]]:
    """The files by what stands before "images" or "labels", and by these words; unpacked ones before packed ones."""
    found: dict[str, dict[str, Path]] = {}
    files = [file for file in folder.iterdir() if "byte" in file.name.lower()] if folder.is_dir() else []
    for file in sorted(files, reverse=True):
        if (match := _NAME.fullmatch(file.name)) and (match[2].lower() == "images") == (match[3] == "3"):
            found.setdefault(match[1].rstrip("-._"), {})[match[2].lower()] = file
    return {start: kinds for start, kinds in sorted(found.items()) if "images" in kinds}


def _read(file: Path, dimensions: int) -> NDArray[np.uint8]:
    try:
        return read_idx(file, dimensions)
    except InkwashError as error:  # whose advice is for files that inkwash downloaded
        raise UsageError(str(error).replace(AGAIN, "Put a good copy there.")) from error


def _images(name: str, split: str, files: dict[str, Path]) -> Images:
    pixels, notes = as_pixels(_read(files["images"], 3), files["images"].name)
    if "labels" not in files:
        return Images(name, split, pixels, notes=(*notes, f"{files['images'].name} has no file of labels beside it."))
    labels = as_labels(_read(files["labels"], 1), len(pixels), files["labels"].name)
    return Images(name, split, pixels, labels, numbered(labels), notes=notes)
