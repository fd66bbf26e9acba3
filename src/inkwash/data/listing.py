"""Lists the files of a folder that may be images, and their classes from the names of subfolders."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from inkwash.data.packed import is_archive_of_files, is_junk, members_below
from inkwash.errors import UsageError
from inkwash.foreign import harmless

Identity = tuple[int, int]  # of a folder: device and inode


def files_below(folder: Path) -> tuple[list[Path], list[Path]]:
    """(all files at any depth, sorted by name; everything else: pipes, sockets, devices).

    Hidden files and desktop junk are left out. Links to files and folders are followed; a broken link counts as a
    file, and so as an unreadable image. Cyclic links terminate: each subfolder of `folder` visits every folder once,
    and never one that contains `folder`. `folder` may be an archive, or lie in one.

    Raises UsageError if a folder cannot be read.
    """
    if is_archive_of_files(folder):
        packed, links, _ = members_below(folder)
        return packed, links
    root = folder.resolve()
    above = {_identity(each) for each in (root, *root.parents)}
    files: list[Path] = []
    others: list[Path] = []
    for inner in _sorted_in(folder, files, others):
        if (here := _identity(inner)) not in above:
            _walk(inner, above | {here}, files, others)
    return sorted(files, key=Path.as_posix), sorted(others)


def _walk(folder: Path, seen: set[Identity], files: list[Path], others: list[Path]) -> None:
    folders, links = [folder], list[Path]()
    while folders or links:  # no recursion: folders may be nested more deeply than Python's recursion limit
        for inner in _sorted_in(folders.pop() if folders else links.pop(), files, others):
            if inner.is_symlink():
                links.append(inner)  # later, so that a folder is listed under its real path if possible
            elif (here := _identity(inner)) not in seen:
                seen.add(here)
                folders.append(inner)
        while not folders and links:
            if (here := _identity(links[-1])) not in seen:
                seen.add(here)
                break
            links.pop()


def _sorted_in(folder: Path, files: list[Path], others: list[Path]) -> list[Path]:
    """The direct subfolders, in reverse order; files and others are appended to these lists."""
    folders = []
    for entry in _entries(folder):
        if _is_folder(entry):
            folders.append(Path(entry))
        elif entry.is_file(follow_symlinks=False) or (entry.is_symlink() and _leads_to_file(entry)):
            files.append(Path(entry))
        else:
            others.append(Path(entry))
    return sorted(folders, reverse=True)


def folders_in(folder: Path) -> list[Path]:
    """The direct subfolders, including links to folders, sorted by name, without junk."""
    if is_archive_of_files(folder):
        return members_below(folder)[2]
    return sorted(Path(entry) for entry in _entries(folder) if _is_folder(entry))


def files_in(folder: Path) -> list[Path]:
    """The files directly in a folder, without hidden ones."""
    if is_archive_of_files(folder):
        return [file for file in members_below(folder)[0] if file.parent == folder]
    return [each for each in folder.iterdir() if each.is_file() and not each.name.startswith(".")]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not is_junk(entry.name)]
    except OSError as error:
        raise UsageError(f"{folder} cannot be listed ({error.strerror}). Make it readable, or move it away.") from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False) or (entry.is_symlink() and stat.S_ISDIR(_mode(entry)))


def _leads_to_file(link: os.DirEntry[str]) -> bool:
    return _mode(link) == 0 or stat.S_ISREG(_mode(link))


def _mode(link: os.DirEntry[str]) -> int:
    """The `st_mode` of a link's target; 0 if it cannot be reached."""
    try:
        return Path(link).stat().st_mode
    except OSError:
        return 0


def _identity(folder: Path) -> Identity:
    found = folder.stat()
    return found.st_dev, found.st_ino


def class_of(file: Path, base: Path) -> str:
    """The name of the direct subfolder of `base` that contains the file at any depth; "" if there is none."""
    inner = file.relative_to(base).parts
    return inner[0] if len(inner) > 1 else ""


def classes(names: Sequence[str], files: Sequence[Path]) -> tuple[str, ...]:
    """The sorted class names, from the `class_of` of each file; () if no file lies in a subfolder.

    Raises UsageError if only some of the files lie in a subfolder.
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
    """The first few items as a list in a sentence."""
    more = len(items) - at_most
    return ", ".join(harmless(str(item)) for item in items[:at_most]) + (f" and {more} more" if more > 0 else "")
