"""Loads a data set by name or path: built-in sets, user-defined sets, folders and files."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inkwash import choices, own
from inkwash.data.collect import Asked, Pages, Unreadable
from inkwash.data.formats import fitted, read
from inkwash.data.picture import Fit
from inkwash.data.source import Source, check_split
from inkwash.data.splits import Splits
from inkwash.errors import UsageError


def load(
    name_or_path: str | Path,
    split: str,
    *,
    data_dir: str | Path | None = None,
    size: int | None = None,
    channels: int | None = None,
    unreadable: Unreadable = "refuse",
    splits: Splits = "auto",
    held_out: str = "auto",
    background: str = "white",
    fit: Fit = "cut",
    pages: Pages = "first",
    font: str | Path | None = None,
    language: str = "en",
) -> Source:
    """Loads a set of `choices.SOURCES`, a user-defined set, or a folder or file of a format of `choices.FORMATS`.

    Write ./mnist for a folder that has the name of a set. `split` is "train" or "test". A set of fixed size is padded
    with black to `size`, as are arrays; image files are fitted to it. See `folder` for `channels`, `unreadable`,
    `splits`, `held_out`, `background`, `fit` and `pages`. `font` and `language` apply to `emoji`. `data_dir` is the
    folder of downloads: see `find_or_fetch`.

    Raises UsageError for a name that is neither a known set nor a path, for a `size` below that of a known set, for
    `channels` other than its own, and for options that apply to folders alone; and what the called functions raise.
    """
    check_split(split)
    name = str(name_or_path)
    if not _is_known(name):
        path = Path(name_or_path).expanduser()
        if not path.exists():
            raise UsageError(_unknown(name))
        asked = Asked(split, size, channels, unreadable, splits, held_out, background, fit, pages)
        return read(path, asked)
    _only_folders(name, splits=splits, held_out=held_out, background=background, fit=fit, pages=pages)
    function = choices.SOURCES.load(name)
    offered = {"data_dir": data_dir, "size": size, "font": font, "language": language}
    given = {key: value for key, value in offered.items() if value is not None}
    images: Source = choices.call(function, split=split, **given)
    if own.is_reference(name):
        _check(images, name)
    return fitted(images, None if choices.takes(function, "size") else size, channels)


def _only_folders(name: str, **given: str) -> None:
    """Raises UsageError if options for folders of images were given, since `name` is not a folder."""
    asked = [f"`{key}`" for key, value in given.items() if value not in ("auto", "white", "cut", "first")]
    if asked:
        raise UsageError(f"{' and '.join(asked)} is for folders of images, and {name} is none; leave it out.")


def is_folder(name_or_path: str | Path) -> bool:
    """Whether `load` treats this as a folder of images."""
    return str(name_or_path) != "" and not _is_known(str(name_or_path)) and Path(name_or_path).expanduser().is_dir()


def _check(images: Source, name: str) -> None:
    """Raises UsageError unless the return value of a user-defined function is a valid source of images."""
    what = f"the data set {name}"
    members = ("name", "split", "shape", "classes", "labels", "captions", "kinds", "fingerprint", "take")
    choices.expect(images, what, *members)
    count, shape, labels = len(images), list(images.shape), images.labels
    if count < 1 or len(shape) != 3 or shape[0] not in (1, 3, 4):
        raise UsageError(f"{what} has {count} images of shape {shape}; [1, 3 or 4, height, width] is expected.")
    first: Any = images.take(torch.tensor([0]))
    if not isinstance(first, Tensor) or first.dtype != torch.uint8 or list(first.shape) != [1, *shape]:
        got = f"{first.dtype} {list(first.shape)}" if isinstance(first, Tensor) else type(first).__name__
        raise UsageError(f"{what} gives {got} for its first image; torch.uint8 {[1, *shape]} is expected.")
    if labels is not None and (labels.dtype != torch.int64 or list(labels.shape) != [count]):
        raise UsageError(f"{what} has labels {labels.dtype} {list(labels.shape)}; torch.int64 [{count}] is expected.")


def is_path(name_or_path: str | Path) -> bool:
    """Whether `load` treats this as a folder or a file of images, and it is there."""
    name = str(name_or_path)
    return name != "" and not _is_known(name) and Path(name).expanduser().exists()


def _is_known(name: str) -> bool:
    return name in choices.SOURCES or own.is_reference(name)


def _unknown(name: str) -> str:
    near = get_close_matches(name.lower(), choices.SOURCES.names, n=1)
    guess = f" Did you mean {near[0]}?" if near else ""
    return f"{name!r} is neither a folder or file nor one of the sets {', '.join(choices.SOURCES.names)}.{guess}"
