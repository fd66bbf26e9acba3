"""Files inside archives. Their paths lead through the archive, as in photos.zip/cats/1.png, and nothing is written.

A kind of archive is a class with the interface of `Packed`: see `zipped` and `tarred`.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol, cast

from inkwash.data.regular import LARGEST, open_regular
from inkwash.errors import UsageError
from inkwash.foreign import harmless

ENDINGS = {  # of archives, and the class that reads them
    ".zip": "inkwash.data.zipped:Zip",
    ".tar": "inkwash.data.tarred:Tar",
    ".tar.gz": "inkwash.data.tarred:Tar",
    ".tgz": "inkwash.data.tarred:Tar",
    ".tar.bz2": "inkwash.data.tarred:Tar",
    ".tar.xz": "inkwash.data.tarred:Tar",
    ".parquet": "inkwash.data.columns:Columns",
    ".arrow": "inkwash.data.columns:Columns",
}

_JUNK = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx"}  # files that desktops create
_JUNK |= {"provenance.json"}  # inkwash's own, beside the images of `sample --out FOLDER/`

_DRIVE = re.compile(r"[A-Za-z]:/")  # of Windows
_PAGE = re.compile(r"#(\d{1,9})")

Identity = tuple[int | str, ...]


class Packed(Protocol):
    """The members of an archive. Called with its path; raises UsageError if that is no such archive."""

    def __init__(self, path: Path) -> None: ...

    @property
    def names(self) -> Sequence[str]: ...  # of the files, as they are written in the archive

    @property
    def others(self) -> Sequence[str]: ...  # of links and devices, which are not read

    def open(self, name: str) -> BinaryIO: ...  # raises OSError


def ending_of(path: Path) -> str | None:
    """The ending of an archive that inkwash reads; None for other names."""
    name = path.name.casefold()
    return max((each for each in ENDINGS if name.endswith(each)), key=len, default=None)


def is_archive_of_files(path: Path) -> bool:
    """Whether a path is a file with the ending of an archive, or leads into one."""
    return _within(path) is not None


def page(path: Path, number: int) -> Path:
    """The path of a page of a file, as in stack.tif/#3, counted from 0."""
    return path / f"#{number}"


def page_of(path: Path) -> tuple[Path, int | None]:
    """The file and the number of a path that `page` made; other paths and None."""
    match = _PAGE.fullmatch(path.name)
    if match is None or path.parent.is_dir() or is_member(path):
        return path, None
    return path.parent, int(match[1])


def open_file(path: Path, at_most: int = LARGEST) -> BinaryIO:
    """Opens a regular file, or a file inside an archive. Raises OSError as `open_regular` does."""
    within = _within(path)
    if within is None or not within[1]:
        return cast(BinaryIO, open_regular(path, at_most))
    archive, name = within
    return _index(archive).open(name)


def identity(path: Path) -> tuple[Identity, float]:
    """Numbers that change whenever a file's content does, and when it last changed, in seconds. Raises OSError."""
    archive, name = _within(path) or (path, "")
    stat = archive.stat()
    facts = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    return (*facts, name) if name else facts, max(stat.st_mtime, stat.st_ctime)


def members_below(folder: Path) -> tuple[list[Path], list[Path], list[Path]]:
    """(all files below a folder in an archive; links and devices; its direct subfolders), each sorted by name.

    Raises UsageError if the archive cannot be read, or if a path in it leads out of it.
    """
    archive, name = _within(folder) or (folder, "")
    index = _index(archive)
    start = f"{name}/" if name else ""
    files = [archive / each for each in index.names if each.startswith(start)]
    others = [archive / each for each in index.others if each.startswith(start)]
    return files, others, [folder / each for each in sorted(index.folders[name])]


def opened(archive: Path) -> Packed:
    """An archive, which is opened once as long as it does not change. Raises UsageError if it cannot be read."""
    return _index(archive).archive


def is_member(path: Path) -> bool:
    """Whether a path is that of a file in an archive."""
    within = _within(path)
    return within is not None and within[1] in _index(within[0]).places


def _within(path: Path) -> tuple[Path, str] | None:
    """The archive that a path leads to, and the rest of the path, "" for the archive itself; None for other paths."""
    for part in (path, *path.parents):
        if ending_of(part) is not None and part.is_file():
            return part, "" if part == path else path.relative_to(part).as_posix()
    return None


class _Index:
    """The members of an archive by their normalised names."""

    def __init__(self, path: Path) -> None:
        module, _, kind = ENDINGS[str(ending_of(path))].partition(":")
        self.archive: Packed = getattr(import_module(module), kind)(path)
        self.places = {_checked(name, path): name for name in self.archive.names if not _is_junk(name)}
        self.names = sorted(self.places)
        self.others = sorted(_checked(name, path) for name in self.archive.others if not _is_junk(name))
        self.folders: defaultdict[str, set[str]] = defaultdict(set)
        for name in self.names:
            parts = name.split("/")
            for depth in range(len(parts) - 1):
                self.folders["/".join(parts[:depth])].add(parts[depth])

    def open(self, name: str) -> BinaryIO:
        if name not in self.places:
            raise FileNotFoundError(2, "No such file in the archive", name)
        return self.archive.open(self.places[name])


def _index(archive: Path) -> _Index:
    facts, _ = identity(archive)
    return _indexed(archive.absolute(), facts, os.getpid())  # an open file is not shared with another process


@lru_cache(maxsize=4096)
def _indexed(archive: Path, facts: Identity, process: int) -> _Index:
    return _Index(archive)


def _checked(name: str, archive: Path) -> str:
    """The path of a member without "." in it. Raises UsageError if it leads out of the archive."""
    plain = name.replace("\\", "/")
    path = PurePosixPath(plain)
    if plain.startswith("/") or ".." in path.parts or _DRIVE.match(plain) or "\0" in plain:
        raise UsageError(
            f"{archive} holds {harmless(name)!r}, a path that leads out of the archive; such an archive is not read."
        )
    return path.as_posix()


def is_junk(name: str) -> bool:
    """Whether a file's name is hidden, or one that desktops leave behind."""
    return name.startswith(".") or name.casefold() in _JUNK


def _is_junk(name: str) -> bool:
    return any(is_junk(part) for part in name.replace("\\", "/").split("/") if part not in ("", ".", ".."))
