"""Makes a data set of one shape from image files of any format, size and colour."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from inkwash.data.hold_out import divide, read_held_out
from inkwash.data.listing import classes, some
from inkwash.data.packed import page
from inkwash.data.picture import Fit, Header, UnreadableError, pages, peak, quiet_pillow, read_header, white_of
from inkwash.data.source import Images, check_split
from inkwash.data.splits import Splits
from inkwash.data.streamed import WORKERS, Streamed
from inkwash.errors import UsageError
from inkwash.foreign import harmless

T = TypeVar("T")
Unreadable = Literal["refuse", "skip"]
Pages = Literal["first", "all"]
_FITTED = {"cut": "scaled and cut to", "pad": "scaled and padded to", "stretch": "stretched to"}


@dataclass(frozen=True)
class Asked:
    """How images are to be read. Raises UsageError for values that cannot be."""

    split: str | None = None  # "train" or "test"; None: all images as one set
    size: int | None = None
    channels: int | None = None
    unreadable: Unreadable = "refuse"
    splits: Splits = "auto"
    held_out: str = "auto"
    background: str = "white"
    fit: Fit = "cut"
    pages: Pages = "first"
    in_memory_bytes: int = 1 << 30

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 1:
            raise UsageError(f"size is the side of the images in pixels, 1 or more; got {self.size}.")
        if self.channels not in (None, 1, 3, 4):
            raise UsageError(f"channels is 1 for grey, 3 for colour or 4 with transparency; got {self.channels}.")
        if self.unreadable not in ("refuse", "skip"):
            raise UsageError(f"unreadable is 'refuse' or 'skip'; got {self.unreadable!r}.")
        if not re.fullmatch("white|black|#[0-9a-fA-F]{6}", self.background):
            raise UsageError(f"background is white, black or a colour such as #80ff00; got {self.background!r}.")
        if self.split is not None:
            check_split(self.split)
        read_held_out(self.held_out)


class Entry(NamedTuple):
    """An image file that was found, before it is looked at."""

    file: Path
    kind: str = ""  # the name of its class
    captions: tuple[str, ...] = ()
    split: str = ""  # "train" or "test"; "" if the set is not divided


@dataclass(frozen=True)
class Found:
    """The image files of a folder or an archive, and what was left out."""

    name: str
    root: Path  # the files lie below it
    entries: Sequence[Entry]
    classes: tuple[str, ...] | None = None  # None: the sorted names of the entries' classes
    skipped: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def collect(found: Found, asked: Asked) -> Images | Streamed:
    """The images that were found, uint8 [N,C,H,W]: decoded into memory if they fit, else decoded on demand.

    Both splits have the same classes, channels and size. Raises UsageError, stating what to change, for files that
    cannot be used.
    """
    with quiet_pillow():
        source, splits = _survey(found, asked)
        if asked.unreadable == "skip":
            source, splits = _sound(source, splits)
        if asked.split and any(splits):
            if asked.held_out != "auto":
                raise UsageError(f"{found.root} has images of its own to hold out; leave out `held_out`.")
            chosen = [i for i, split in enumerate(splits) if split == asked.split]
            if not chosen:
                raise UsageError(f"{found.root} holds no images of the split {asked.split}.")
            source = source.part(torch.tensor(chosen), asked.split)
        elif asked.split:
            source = divide(source, asked.held_out)[asked.split == "test"]
        fits = len(source) * math.prod(source.shape) <= asked.in_memory_bytes
        return _in_memory(source) if fits else source


def _survey(found: Found, asked: Asked) -> tuple[Streamed, list[str]]:
    """Reads all headers, and determines the shape and the classes. Returns the images and the split of each."""
    root, size, background = found.root, asked.size, asked.background
    bad: dict[Path, str] = {}
    if asked.pages == "all":
        found, bad = _with_pages(found)
    headers: dict[Path, Header] = {}
    all_files = [entry.file for entry in found.entries]
    for file, header in zip(all_files, _attempt(read_header, all_files, f"Looking through {found.name}"), strict=True):
        if isinstance(header, str):
            bad[file] = header
        else:
            headers[file] = header
    _judge(root, bad, len(headers), asked.unreadable)
    deep = [file for file, header in headers.items() if header.deep]
    white, bad_deep = _white(deep, found.name)
    _judge(root, bad_deep, len(headers) - len(bad_deep), asked.unreadable)
    headers = {file: header for file, header in headers.items() if file not in bad_deep}
    entries = [entry for entry in found.entries if entry.file in headers]
    files, names = [entry.file for entry in entries], [entry.kind for entry in entries]
    said = tuple(entry.captions for entry in entries) if any(entry.captions for entry in entries) else ()
    known = found.classes
    if known is None:
        known = () if said and "" in names else classes(names, files)
    transparent = sum(header.transparent for header in headers.values())
    grey = all(header.grey for header in headers.values()) and not (transparent and _is_colour(background))
    channels = asked.channels or (1 if grey else 3)
    shape = (channels, *((size, size) if size else _common_size(root, files, list(headers.values()))))
    labels = torch.tensor([known.index(name) for name in names]) if known else None
    notes = [*found.notes, *_unreadable(root, {**bad, **bad_deep})]
    if deep and white < 65535:
        notes.append(f"{len(deep)} file(s) have 16 or 32 bits and no value above {white}, which is taken for white.")
    if transparent and channels == 4:
        notes.append(f"{transparent} file(s) have an alpha channel or a transparent colour, which is kept.")
    elif transparent:
        notes.append(
            f"{transparent} file(s) have an alpha channel or a transparent colour, laid on {background} (`background`)."
        )
    sides = {(header.width, header.height) for header in headers.values()}
    if size and sides != {(size, size)}:
        small = sum(min(header.height, header.width) < size for header in headers.values())
        notes.append(_about_sizes(sides, size, asked.fit, small))
    if asked.pages == "first" and (several := sum(header.several for header in headers.values())):
        notes.append(f"{several} file(s) hold several frames or pages; the first of each is taken (`pages`).")
    source = Streamed(
        found.name, "train", root, tuple(files), shape, size, labels, known, (*found.skipped, *bad, *bad_deep), said,
        notes=tuple(notes), background=background, white=white, fit=asked.fit,
    )  # fmt: skip
    return source, [entry.split for entry in entries]


def _with_pages(found: Found) -> tuple[Found, dict[Path, str]]:
    """An entry for each frame or page, with the class, captions and split of its file; and the damaged files."""
    files = [entry.file for entry in found.entries]
    entries: list[Entry] = []
    bad: dict[Path, str] = {}
    several = 0
    for entry, count in zip(found.entries, _attempt(pages, files, f"Counting pages in {found.name}"), strict=True):
        if isinstance(count, str):
            bad[entry.file] = count
            continue
        several += count > 1
        entries += [entry] if count == 1 else [entry._replace(file=page(entry.file, number)) for number in range(count)]
    notes = (
        [*found.notes, f"{several} file(s) hold several frames or pages, and each is an image."]
        if several
        else found.notes
    )
    return replace(found, entries=entries, notes=tuple(notes)), bad


def _about_sizes(sides: Collection[tuple[int, int]], size: int, fit: Fit, small: int) -> str:
    low, high = min(sides, key=math.prod), max(sides, key=math.prod)
    found = f"{low[0]}×{low[1]}" + (f" to {high[0]}×{high[1]}" if high != low else "")
    enlarged = f"; {small} file(s) are smaller, and enlarged" if small else ""
    return f"The files have {found} pixels, and are {_FITTED[fit]} {size}×{size}{enlarged}."


def _is_colour(background: str) -> bool:
    return background.startswith("#") and len({background[i : i + 2].lower() for i in (1, 3, 5)}) > 1


def _white(deep: Sequence[Path], name: str) -> tuple[int, dict[Path, str]]:
    """The white value of these files of more than 8 bits, and the reason for each file that cannot be read."""
    largest, bad = 65535 if not deep else 0, {}
    for file, found in zip(deep, _attempt(peak, deep, f"Looking for white in {name}"), strict=True):
        if isinstance(found, str):
            bad[file] = found
        else:
            largest = max(largest, found)
    return white_of(largest), bad


def named(root: Path, files: Sequence[Path]) -> str:
    """The number of files, and the first of them by name."""
    return f"{len(files)} file(s) ({some([file.relative_to(root) for file in files])})"


def _unreadable(root: Path, bad: dict[Path, str]) -> list[str]:
    """A sentence for each reason why files cannot be read, with their number."""
    by_reason: dict[str, list[Path]] = {}
    for file, reason in bad.items():
        by_reason.setdefault(re.sub(r" \(\d+ bytes not processed\)", "", reason), []).append(file)
    return [f"Left out: {named(root, files)}: {reason}." for reason, files in by_reason.items()]


def _common_size(root: Path, files: Sequence[Path], headers: Sequence[Header]) -> tuple[int, int]:
    height, width = headers[0].height, headers[0].width
    for file, other in zip(files, headers, strict=True):
        if (other.height, other.width) != (height, width):
            raise UsageError(
                f"The images in {root} differ in size: {files[0].relative_to(root)} is {width}×{height} "
                f"pixels, {file.relative_to(root)} is {other.width}×{other.height}. "
                "Give the size to scale and cut them to, such as `size=32`."
            )
    return height, width


def _sound(source: Streamed, splits: list[str]) -> tuple[Streamed, list[str]]:
    """The source without the files that cannot be decoded, and the split of each file."""
    bad: dict[Path, str] = {}
    for file, found in zip(source.files, _pixels(source, "Looking for damage in"), strict=True):
        if isinstance(found, str):
            bad[file] = found
    _judge(source.root, bad, len(source) - len(bad), "skip")
    if not bad:
        return source, splits
    good = [i for i, file in enumerate(source.files) if file not in bad]
    notes = (*source.notes, *_unreadable(source.root, bad))
    sound = replace(source.part(torch.tensor(good)), skipped=(*source.skipped, *bad), notes=notes)
    return sound, [splits[i] for i in good]


def _in_memory(source: Streamed) -> Images:
    """Decodes all images into memory."""
    pixels = torch.empty(len(source), *source.shape, dtype=torch.uint8)
    bad: dict[Path, str] = {}
    for i, found in enumerate(_pixels(source, "Decoding")):
        if isinstance(found, str):
            bad[source.files[i]] = found
        else:
            pixels[i] = torch.from_numpy(found)
    _judge(source.root, bad, len(source) - len(bad), "refuse")
    return Images(
        source.name, source.split, pixels, source.labels, source.classes, source.skipped, source.captions,
        notes=source.notes, files=tuple(file.relative_to(source.root).as_posix() for file in source.files),
    )  # fmt: skip


def _pixels(source: Streamed, doing: str) -> Iterator[NDArray[np.uint8] | str]:
    return _attempt(source.decode, source.files, f"{doing} {source.name}")


def _judge(root: Path, bad: dict[Path, str], good: int, unreadable: str) -> None:
    """Raises UsageError for files that cannot be read, unless they are to be skipped and others remain."""
    reasons = some([f"{file.relative_to(root)} ({reason})" for file, reason in bad.items()])
    if not good:
        unread = f"; {len(bad)} file(s) there cannot be read: {reasons}" if bad else ""
        raise UsageError(f"{root} holds no images{unread}. Give a folder of images.")
    if bad and unreadable == "refuse":
        raise UsageError(
            f"{len(bad)} of the {len(bad) + good} files in {root} cannot be read as images: {reasons}. "
            "Leave them out with `unreadable='skip'`, or move them away."
        )


def _attempt(function: Callable[[Path], T], files: Sequence[Path], doing: str) -> Iterator[T | str]:
    """function(file) for each file in order, or the reason if it is unreadable; in threads, with a progress bar."""
    from tqdm import tqdm

    def attempt(file: Path) -> T | str:
        try:
            return function(file)
        except UnreadableError as error:
            return str(error)

    with (
        ThreadPoolExecutor(WORKERS) as pool,
        tqdm(total=len(files), desc=harmless(doing), unit="image", delay=2) as bar,
    ):
        for start in range(0, len(files), 256):  # in chunks: map() on all files would hold all results in memory
            for result in pool.map(attempt, files[start : start + 256]):
                bar.update()
                yield result
