"""Images in one .npz file: the format of `inkwash sample`, and of images that a run was given from Python."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inkwash.atomic import replacing
from inkwash.data.arrays import read_arrays
from inkwash.data.hold_out import divide
from inkwash.data.source import Images
from inkwash.errors import UsageError

ENDING = ".npz"
_CLASSES = 1_000_000  # at most


def archive(path: str | Path, split: str | None = None, held_out: str = "auto") -> Images:
    """Reads the images of a file: an array "images" uint8 [N,H,W,C], and optionally "labels" int64 [N].

    An optional array "classes" of strings names the labels; without it, each label's number is its name. `split`
    "train" or "test" returns that part of `divide` for `held_out`; None returns all. Raises UsageError if the file
    does not hold such arrays.
    """
    file = Path(path)
    arrays = read_arrays(file)
    pixels = arrays.get("images")
    if pixels is None or pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] not in (1, 3):
        what = "no array of that name" if pixels is None else f"{pixels.dtype} {list(pixels.shape)}"
        raise UsageError(f'{file} must hold "images", uint8 [N,H,W,C] with C 1 or 3; it has {what}.')
    labels = None if "labels" not in arrays else _labels(file, arrays["labels"], len(pixels))
    classes = tuple(map(str, arrays["classes"].ravel().tolist())) if "classes" in arrays else ()
    if labels is not None and not classes:
        classes = tuple(map(str, range(int(labels.max()) + 1)))
    try:
        captions = json.loads(str(arrays["captions"])) if "captions" in arrays else ()
        if not all(isinstance(wording, str) for wordings in captions for wording in wordings):
            raise ValueError("captions are texts")
        kinds = torch.from_numpy(arrays["kinds"]) if "kinds" in arrays else None
    except (ValueError, TypeError, RecursionError) as error:
        raise UsageError(f"{file} has captions or kinds that are none ({error}).") from error
    source = Images(
        file.stem, split or "train", torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), labels, classes,
        captions=tuple(map(tuple, captions)), kinds=kinds,
    )  # fmt: skip
    return source if split is None else divide(source, held_out)[split == "test"]


def _labels(file: Path, labels: NDArray[Any], images: int) -> Tensor:
    """int64 [N]. Raises UsageError for anything else than small whole numbers, one for each image."""
    if labels.dtype.kind not in "iu" or labels.shape != (images,) or labels.min() < 0 or labels.max() >= _CLASSES:
        raise UsageError(
            f'{file} must hold "labels", a whole number from 0 to {_CLASSES - 1:,} for each of the {images:,} images; '
            f"it has {labels.dtype} {list(labels.shape)}."
        )
    return torch.from_numpy(labels.astype(np.int64))


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
