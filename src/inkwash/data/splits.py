"""Finds the folders of a data set's splits: train/ and test/, training/ and validation/, Train/ and val/, etc."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from inkwash.data.listing import folders_in, some
from inkwash.errors import UsageError

Splits = Literal["auto", "folders", "none"]

# Names are compared in lower case, without spaces, hyphens, underscores, dots, and without these endings or a year.
_ENDING = re.compile(r"[ ._-]|(?:set|split|data|images|imgs)$|(?:19|20)\d\d$")
_ROLES = {
    "train": ("train", "training", "trn"),
    "test": ("test", "testing", "tst"),
    "validation": ("val", "valid", "validation", "validate", "validating", "dev", "devel", "eval", "evaluation"),
    "held out": ("heldout", "holdout"),
}
_ROLE_OF = {name: role for role, names in _ROLES.items() for name in names}
_ORDER = ("test", "validation", "held out")  # the first of these that exists is held out


@dataclass(frozen=True)
class Found:
    """The folders of the splits. If `train` is None, there are no splits, and the subfolders are classes."""

    train: Path | None = None
    test: Path | None = None
    unused: tuple[Path, ...] = ()  # other folders with images, which are left out


def role_of(name: str) -> str | None:
    """The split that a folder's name denotes: "train", "test", "validation" or "held out"; None for other names."""
    plain = name.casefold()
    while (shorter := _ENDING.sub("", plain)) not in ("", plain):
        plain = shorter
    return _ROLE_OF.get(plain)


def find_splits(root: Path, asked: Splits, holds_images: Callable[[Path], bool]) -> Found:
    """The splits of a folder of images.

    If `asked` is "none", there are no splits; if "folders", folders with the name of a split are splits. "auto" is as
    "folders", but requires that no other folder holds images. `holds_images` tests whether a folder holds images.

    Raises UsageError if the folder is ambiguous; the message states both readings and the option that decides.
    """
    if asked == "none":
        return Found()
    folders = folders_in(root)
    roles = {folder: role for folder in folders if (role := role_of(folder.name))}
    train = _only(root, [folder for folder, role in roles.items() if role == "train"], holds_images)
    held = [_only(root, [f for f, role in roles.items() if role == each], holds_images) for each in _ORDER]
    tests = [folder for folder in held if folder is not None]
    if len(tests) > 1:
        tests = sorted(tests, key=lambda folder: not holds_images(folder))  # prefer one with images
    if train is None:
        if asked == "folders":
            raise UsageError(f"{root} has no folder train/ (or training/, …) to take as a split; leave out `splits`.")
        _check_deeper(root, folders, tests, holds_images)
        return Found()
    images = [folder for folder in folders if folder not in roles and holds_images(folder)]
    if asked == "auto" and images:
        named = [folder.name for folder in (train, *tests)]
        splits = f"{_listed(named)} as split{'s' * bool(tests)}, and then {_listed(_names(images))} would be left out"
        raise UsageError(
            f"{root} can be read in two ways: {splits}; or each of the {len(roles) + len(images)} folders as a class. "
            "Give `splits='none'` for classes, or `splits='folders'` for splits."
        )
    return Found(train, tests[0] if tests else None, (*filter(holds_images, tests[1:]), *images))


def _only(root: Path, folders: list[Path], holds_images: Callable[[Path], bool]) -> Path | None:
    """The folder of a role, or None. Raises UsageError if several folders with images have the role."""
    if len(folders) > 1:
        folders = [folder for folder in folders if holds_images(folder)] or folders[:1]
    if len(folders) > 1:
        raise UsageError(
            f"{root} has {_listed(_names(folders))}, which could be the same split or classes. Give `splits='none'` "
            "for classes, or move the images of one into the other."
        )
    return folders[0] if folders else None


def _check_deeper(root: Path, folders: list[Path], tests: list[Path], holds_images: Callable[[Path], bool]) -> None:
    """Raises UsageError if folders of splits would be trained on as classes, or lie inside of classes."""
    filled = [folder for folder in folders if holds_images(folder)]
    if len(tests) > 1 and all(role_of(folder.name) for folder in filled):
        raise UsageError(
            f"{root} has {_listed(_names(filled))} and no train/: as splits there is nothing to train on, as classes "
            "there are these. Give `splits='none'` for classes."
        )
    for folder in filled:
        inner = [each for each in folders_in(folder) if role_of(each.name)]
        roles = {role_of(each.name) for each in inner}
        if "train" not in roles or len(roles) < 2:
            continue
        splits = _listed([f"{folder.name}/{each.name}" for each in inner])
        advice = (
            f"give the folder {folder}"
            if len(filled) == 1
            else "put the splits outside, as in train/CLASS/ and test/CLASS/"
        )
        raise UsageError(
            f"{root} holds {splits}: as splits, {advice}; or all images below {folder.name}/ are one class, those of "
            "its test images included: then give `splits='none'`."
        )


def _names(folders: list[Path]) -> list[str]:
    return [folder.name for folder in folders]


def _listed(names: list[str]) -> str:
    return some([f"{name}/" for name in names], 4)
