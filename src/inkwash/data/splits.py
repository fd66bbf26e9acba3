"""Which folders hold a set's splits: train/ and test/, training/ and validation/, Train/ and val/, and the like."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from inkwash.data.listing import folders_in, some
from inkwash.errors import UsageError

Splits = Literal["auto", "folders", "none"]

# Names are compared in lower case, without spaces, hyphens, underscores and dots, and without such an ending or a year.
_ENDING = re.compile(r"[ ._-]|(?:set|split|data|images|imgs)$|(?:19|20)\d\d$")
_ROLES = {
    "train": ("train", "training", "trn"),
    "test": ("test", "testing", "tst"),
    "validation": ("val", "valid", "validation", "validate", "validating", "dev", "devel", "eval", "evaluation"),
    "held out": ("heldout", "holdout"),
}
_ROLE_OF = {name: role for role, names in _ROLES.items() for name in names}
_ORDER = ("test", "validation", "held out")  # which one is held out, where there are several


@dataclass(frozen=True)
class Found:
    """The folders of the splits; without `train`, the folder is one whole, and its folders are classes."""

    train: Path | None = None
    test: Path | None = None
    unused: tuple[Path, ...] = ()  # other folders that hold images, which are left out


def role_of(name: str) -> str | None:
    """What a folder's name says that it is: "train", "test", "validation", "held out"; None for another name."""
    plain = name.casefold()
    while (shorter := _ENDING.sub("", plain)) not in ("", plain):
        plain = shorter
    return _ROLE_OF.get(plain)


def find_splits(root: Path, asked: Splits, holds_images: Callable[[Path], bool]) -> Found:
    """The splits of a folder of images.

    With `asked` "none" there are none, and with "folders" they are those named so. With "auto" they are, where nothing
    else can be meant: where no other folder beside them holds images. `holds_images` says whether a folder does.

    Raises UsageError, with both readings and the flag that decides, where two are possible.
    """
    if asked == "none":
        return Found()
    folders = folders_in(root)
    roles = {folder: role for folder in folders if (role := role_of(folder.name))}
    train = _only(root, [folder for folder, role in roles.items() if role == "train"], holds_images)
    held = [_only(root, [f for f, role in roles.items() if role == each], holds_images) for each in _ORDER]
    tests = [folder for folder in held if folder is not None]
    if len(tests) > 1:
        tests = sorted(tests, key=lambda folder: not holds_images(folder))  # an empty one gives way
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
    """The one folder of a role. Raises UsageError where several with images have it."""
    if len(folders) > 1:
        folders = [folder for folder in folders if holds_images(folder)] or folders[:1]
    if len(folders) > 1:
        raise UsageError(
            f"{root} has {_listed(_names(folders))}, which could be the same split or classes. Give `splits='none'` "
            "for classes, or move the images of one into the other."
        )
    return folders[0] if folders else None


def _check_deeper(root: Path, folders: list[Path], tests: list[Path], holds_images: Callable[[Path], bool]) -> None:
    """Raises UsageError for splits that images would be trained on as classes, or inside of classes."""
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
