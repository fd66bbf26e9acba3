"""The formats of a folder or a file of images, and which of them a path has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Protocol

from inkwash import choices
from inkwash.data.collect import Asked
from inkwash.data.folder import read_folder
from inkwash.data.hold_out import divide
from inkwash.data.packed import ending_of
from inkwash.data.source import Images, Source
from inkwash.errors import UsageError


class Format(Protocol):
    """A format: a row of `choices.FORMATS`. `Arrays` are read as they are, `Files` as images of any size and kind."""

    @staticmethod
    def recognises(path: Path) -> bool: ...  # from the name, and a look at what is there


class Arrays(Format, Protocol):
    """A format of images of one shape, in memory."""

    @staticmethod
    def read(path: Path) -> dict[str, Images]: ...  # by split: "train" and "test", or "" for all


class Files(Format, Protocol):
    """A format that holds encoded image files, which are decoded, fitted and divided as those of a folder."""

    @staticmethod
    def collect(path: Path, asked: Asked) -> Source: ...


class Folder:
    """A folder of image files."""

    @staticmethod
    def recognises(path: Path) -> bool:
        return path.is_dir()

    @staticmethod
    def collect(path: Path, asked: Asked) -> Source:
        return read_folder(path, asked)


ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


class Archive:
    """A zip or tar archive of image files."""

    @staticmethod
    def recognises(path: Path) -> bool:
        return path.is_file() and ending_of(path) in ARCHIVES

    @staticmethod
    def collect(path: Path, asked: Asked) -> Source:
        return read_folder(path, asked)


def format_of(path: Path) -> type[Arrays] | type[Files] | None:
    """The first format that recognises a path; None if none does."""
    rows = (row.load() for row in choices.FORMATS)
    return next((each for each in rows if each.recognises(path)), None)


def read(path: Path, asked: Asked) -> Source:
    """The images of a folder or a file. Raises UsageError for a path of no known format, and what its format raises."""
    found = format_of(path)
    if found is None:
        raise UsageError(f"{path} is of no format that inkwash reads; these are {', '.join(choices.FORMATS.names)}.")
    if hasattr(found, "collect"):
        source: Source = found.collect(path, asked)
        return source
    _only_files(path, asked)
    parts: dict[str, Images] = found.read(path)
    return fitted(_part(path, parts, asked), asked.size, asked.channels)


def _part(path: Path, parts: dict[str, Images], asked: Asked) -> Images:
    if asked.split is None:
        return next(iter(parts.values()))
    if "test" in parts:
        if asked.held_out != "auto":
            raise UsageError(f"{path} has images of its own to hold out; leave out `held_out`.")
        return replace(parts[asked.split], split=asked.split)
    return divide(next(iter(parts.values())), asked.held_out)[asked.split == "test"]


def _only_files(path: Path, asked: Asked) -> None:
    """Raises UsageError if options for image files were given, and the format has none."""
    usual = Asked()
    options = ("splits", "background", "fit", "pages")
    wrong = [f"`{name}`" for name in options if getattr(asked, name) != getattr(usual, name)]
    if wrong:
        raise UsageError(f"{' and '.join(wrong)} is for image files, and {path} holds arrays; leave it out.")


def fitted(images: Source, size: int | None, channels: int | None) -> Source:
    """The images padded to `size`, if given. Raises UsageError if size or channels do not fit the images."""
    if channels not in (None, images.shape[0]):
        several = "channel" if images.shape[0] == 1 else "channels"
        raise UsageError(f"{images.name} has {images.shape[0]} {several}; got channels={channels}. Leave it out.")
    if size is None:
        return images
    if not isinstance(images, Images):
        raise UsageError(
            f"{images.name} cannot be padded to size {size}, as it does not lie in memory; leave the size out."
        )
    return images.pad(size)
