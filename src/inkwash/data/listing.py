"""Which files of a folder are meant as images, and what the names of its subfolders say about them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from inkwash.errors import UsageError

_JUNK = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx"}  # what desktops leave behind


def files_below(folder: Path) -> list[Path]:
    """All files at any depth, ordered by name; hidden ones and desktop junk left out.

    Raises UsageError when a folder may not be read.
    """

    def refuse(error: OSError) -> None:
        raise UsageError(f"{error.filename} cannot be listed ({error.strerror}).") from error

    found = []
    for where, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not _is_junk(name)]
        # a path that is neither (a pipe, say) could block for ever; a broken link is a broken image
        paths = (Path(where, name) for name in names if not _is_junk(name))
        found += [path for path in paths if path.is_file() or path.is_symlink()]
    return sorted(found, key=Path.as_posix)


def _is_junk(name: str) -> bool:
    return name.startswith(".") or name.casefold() in _JUNK


def split_folders(root: Path) -> dict[str, Path]:
    """{"train": root/train, "test": root/test or else root/val}, as far as there are; {} without train/."""
    train = root / "train"
    tests = [root / name for name in ("test", "val") if (root / name).is_dir()]
    if not train.is_dir():
        return {}
    return {"train": train, "test": tests[0]} if tests else {"train": train}


def class_of(file: Path, base: Path) -> str:
    """The name of the folder, directly in `base`, that holds the file at any depth; "" for none."""
    inner = file.relative_to(base).parts
    return inner[0] if len(inner) > 1 else ""


def classes(names: Sequence[str], files: Sequence[Path]) -> tuple[str, ...]:
    """The sorted class names of files with these `class_of`s; () where all lie outside folders.

    Raises UsageError when only some lie in a folder.
    """
    known = sorted(set(names))
    if known == [""]:
        return ()
    if "" in known:
        loose = files[list(names).index("")]
        raise UsageError(
            f"{loose} lies beside folders of images ({some(known[1:])}). Folders count as classes, so each "
            "image needs one: move those outside into a folder, or give the path of one folder of images."
        )
    return tuple(known)


def some(items: Sequence[object], at_most: int = 3) -> str:
    """The first few, for a sentence."""
    more = len(items) - at_most
    return ", ".join(map(str, items[:at_most])) + (f" and {more} more" if more > 0 else "")
