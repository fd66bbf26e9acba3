"""Images in one .npz file: the format of `inkwash sample`, and of images that a run was given from Python."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inkwash.atomic import replacing
from inkwash.data.arrays import read_arrays
from inkwash.data.hold_out import divide
from inkwash.data.listing import some
from inkwash.data.pixels import as_labels, as_pixels
from inkwash.data.source import Images
from inkwash.errors import UsageError

ENDING = ".npz"
_OTHERS = ("classes", "captions", "kinds", "provenance")  # that inkwash writes
_NAMES = (  # of images and labels, and of those to hold out
    ("images", "labels", "", ""),
    ("arr_0", "arr_1", "", ""),  # ADM's samples
    ("x_train", "y_train", "x_test", "y_test"),  # Keras
    ("train_images", "train_labels", "test_images", "test_labels"),  # MedMNIST
)


class Npz:
    """An .npz file: arrays that inkwash, ADM, Keras or MedMNIST write, by the names in `_NAMES`."""

    @staticmethod
    def recognises(path: Path) -> bool:
        return path.suffix.lower() == ENDING and path.is_file()

    @staticmethod
    def read(path: Path) -> dict[str, Images]:
        """The images by split. Raises UsageError if the file does not hold such arrays."""
        arrays = read_arrays(path)
        names = next((names for names in _NAMES if names[0] in arrays), None)
        if names is None:
            raise UsageError(
                f'{path} must hold "images", uint8 [N,H,W,C] (or {", ".join(each[0] for each in _NAMES[1:])}); it has '
                f"{some(sorted(arrays), 8) or 'nothing'}."
            )
        images, labels, test_images, test_labels = names
        rest = sorted({*arrays} - {*names, *_OTHERS})
        left = (f"Left out: the array(s) {some(rest, 8)} of {path.name}.",) if rest else ()
        train = _images(path, "train", arrays, images, labels)
        train = replace(train, notes=(*train.notes, *left))
        if test_images not in arrays:
            return {"": train}
        return {"train": train, "test": _images(path, "test", arrays, test_images, test_labels)}


def archive(path: str | Path, split: str | None = None, held_out: str = "auto") -> Images:
    """Reads the images of a file: an array "images" uint8 [N,H,W,C], and optionally "labels" int64 [N].

    An optional array "classes" of strings names the labels; without it, each label's number is its name. `split`
    "train" or "test" returns that part of `divide` for `held_out`; None returns all. Raises UsageError if the file
    does not hold such arrays.
    """
    parts = Npz.read(Path(path))
    source = next(iter(parts.values()))
    if split is None:
        return source
    return parts[split] if split in parts else divide(source, held_out)[split == "test"]


def _images(file: Path, split: str, arrays: Mapping[str, NDArray[Any]], images: str, labelled: str) -> Images:
    """The images of one split."""
    pixels, notes = as_pixels(arrays[images], f'{file}, "{images}"')
    labels = None
    if labelled in arrays:
        labels = as_labels(arrays[labelled], len(pixels), f'{file}, "{labelled}"')
    classes = tuple(map(str, arrays["classes"].ravel().tolist())) if "classes" in arrays else ()
    if labels is not None and not classes:
        pairs = [(names[1], names[3]) for names in _NAMES if images in (names[0], names[2])]
        every = [arrays[name] for pair in pairs for name in pair if name in arrays]
        classes = tuple(map(str, range(int(max(each.max() for each in every)) + 1)))
    try:
        captions = json.loads(str(arrays["captions"])) if "captions" in arrays else ()
        if not all(isinstance(wording, str) for wordings in captions for wording in wordings):
            raise ValueError("captions are texts")
        kinds = torch.from_numpy(arrays["kinds"]) if "kinds" in arrays else None
    except (ValueError, TypeError, RecursionError) as error:
        raise UsageError(f"{file} has captions or kinds that are none ({error}).") from error
    return Images(
        file.stem, split, pixels, labels, classes, captions=tuple(map(tuple, captions)), kinds=kinds, notes=notes,
    )  # fmt: skip


def write_archive(path: Path, images: Images) -> None:
    """Writes images in the format of `archive`. Raises InkwashError if the file cannot be written."""
    arrays: dict[str, Any] = {"images": images.pixels.cpu().permute(0, 2, 3, 1).numpy()}
    if images.labels is not None:
        arrays.update(labels=images.labels.cpu().numpy(), classes=np.array(images.classes))
    if images.captions:
        arrays["captions"] = np.array(json.dumps(images.captions))
    if images.kinds is not None:
        arrays["kinds"] = images.kinds.cpu().numpy()
    with replacing(path) as temporary:
        np.savez_compressed(temporary, **arrays)
