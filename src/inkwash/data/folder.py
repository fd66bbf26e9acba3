"""Loads a folder of images of any format, size and colour as a data set of one shape."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from inkwash.data.captions import find_captions
from inkwash.data.hold_out import divide, read_held_out
from inkwash.data.listing import class_of, classes, files_below, some
from inkwash.data.picture import Header, UnreadableError, peak, quiet_pillow, read_header, white_of
from inkwash.data.source import Images, check_split
from inkwash.data.splits import Found, Splits, find_splits
from inkwash.data.streamed import WORKERS, Streamed
from inkwash.errors import UsageError
from inkwash.foreign import harmless

T = TypeVar("T")
Unreadable = Literal["refuse", "skip"]

_LOOKED_AT = 20  # files of a folder that are examined to decide whether it holds images


def folder(
    path: str | Path,
    size: int | None = None,
    channels: int | None = None,
    unreadable: Unreadable = "refuse",
    *,
    split: str | None = None,
    splits: Splits = "auto",
    held_out: str = "auto",
    background: str = "white",
    in_memory_bytes: int = 1 << 30,
) -> Images | Streamed:
    """Loads the images below a folder, uint8 [N,C,H,W]: decoded into memory if they fit, else decoded on demand.

    If `size` is given, each image's short side is scaled to it and the image is centre-cropped; otherwise all images
    must have the same size. `channels` is 1 or 3; by default 1 if every image is grey, else 3. Direct subfolders are
    classes, sorted by name, with images at any depth. Hidden files are ignored and links are followed. Transparent
    images are composited on `background`: "white", "black" or "#rrggbb". Files of more than 8 bits are scaled by a
    white value derived from the largest value in the whole folder: see `white_of`.

    Captions come from a captions.jsonl, metadata.jsonl or metadata.csv (see `find_captions`) in the folder or in
    several subfolders, or from a .txt file next to each image. With captions, images may lie outside subfolders; if
    any do, there are no classes.

    `unreadable` controls files that are damaged, are not images, or have no caption although others have one:
    "refuse" raises UsageError, "skip" leaves them out and lists them in `.skipped`. If images are decoded on demand,
    "refuse" detects damage only when an image is decoded (`take` then raises InkwashError); "skip" decodes everything
    once beforehand, before images are held out.

    `split` "train" or "test" selects the folder train/ or test/ (or training/, val/ etc.: see `find_splits`, also for
    `splits`) if these exist, else the part that `divide` returns for `held_out`; both splits have the same classes,
    channels and size. Without `split`, all images are one set. `.notes` states what was found and left out.

    Raises UsageError, stating what to change, for a folder or arguments that cannot be used.
    """
    root = Path(path).expanduser()
    _check(root, size, channels, unreadable, split, background)
    read_held_out(held_out)
    with quiet_pillow():
        found = find_splits(root, splits, _holds_images) if split else Found()
        bases = [base for base in (found.train, found.test) if base] or [root]
        source, base_of = _survey(root, bases, size, channels, unreadable, background)
        source = replace(source, notes=(*source.notes, *_about_splits(root, found)))
        if unreadable == "skip":
            source, base_of = _sound(source, base_of)
        if split and len(bases) == 2:
            if held_out != "auto":
                raise UsageError(f"{root} has a split {bases[1].name}/ to hold out; leave out `held_out`.")
            chosen = [i for i, base in enumerate(base_of) if base == bases[split == "test"]]
            if not chosen:
                raise UsageError(f"{bases[split == 'test']} holds no images.")
            source = source.part(torch.tensor(chosen), split)
        elif split:
            source = divide(source, held_out)[split == "test"]
        fits = len(source) * math.prod(source.shape) <= in_memory_bytes
        return _in_memory(source) if fits else source


def _check(
    root: Path, size: int | None, channels: int | None, unreadable: str, split: str | None, background: str
) -> None:
    if not root.exists():
        raise UsageError(f"{root} does not exist; a folder of images was expected.")
    if not root.is_dir():
        raise UsageError(f"{root} is a file; a folder of images was expected. If it is an archive, unpack it.")
    if size is not None and size < 1:
        raise UsageError(f"size is the side of the images in pixels, 1 or more; got {size}.")
    if channels not in (None, 1, 3):
        raise UsageError(f"channels is 1 for grey or 3 for colour; got {channels}.")
    if unreadable not in ("refuse", "skip"):
        raise UsageError(f"unreadable is 'refuse' or 'skip'; got {unreadable!r}.")
    if not re.fullmatch("white|black|#[0-9a-fA-F]{6}", background):
        raise UsageError(f"background is white, black or a colour such as #80ff00; got {background!r}.")
    if split is not None:
        check_split(split)


def _holds_images(folder: Path) -> bool:
    """Whether one of the first files in a folder is an image."""
    for file in files_below(folder)[0][:_LOOKED_AT]:
        try:
            read_header(file)
            return True
        except UnreadableError:
            continue
    return False


def _about_splits(root: Path, found: Found) -> list[str]:
    """Sentences that state how the folders of splits are used."""
    if not found.train:
        return []
    test = f"{found.test.name}/ is held out" if found.test else "a part of it is held out"
    notes = [f"{found.train.name}/ is trained on, {test}; `splits='none'` would take folders as classes."]
    if found.unused:
        notes.append(f"Left out: the images in {some([f'{each.name}/' for each in found.unused])}.")
    beside = sum(1 for each in root.iterdir() if each.is_file() and not each.name.startswith("."))
    if beside:
        notes.append(f"Left out: {beside} file(s) in {root.name}/ beside {found.train.name}/.")
    return notes


def _survey(
    root: Path, bases: list[Path], size: int | None, channels: int | None, unreadable: str, background: str
) -> tuple[Streamed, list[Path]]:
    """Reads all headers; determines shape, classes and captions. Returns the images and the base folder of each."""
    base_of: dict[Path, Path] = {}
    others: list[Path] = []
    for base in bases:
        files, odd = files_below(base)
        base_of.update(dict.fromkeys(files, base))
        others += odd
    found = find_captions(root, list(base_of), unreadable)
    headers: dict[Path, Header] = {}
    bad: dict[Path, str] = {}
    looked = _attempt(read_header, found.images, f"Looking through {root.name}")
    for file, header in zip(found.images, looked, strict=True):
        if isinstance(header, str):
            bad[file] = header
        else:
            headers[file] = header
    _judge(root, bad, len(headers), unreadable)
    deep = [file for file, header in headers.items() if header.deep]
    white, bad_deep = _white(deep, root.name)
    _judge(root, bad_deep, len(headers) - len(bad_deep), unreadable)
    headers = {file: header for file, header in headers.items() if file not in bad_deep}
    files = list(headers)
    names = [class_of(file, base_of[file]) for file in files]
    known = () if found.texts and "" in names else classes(names, files)
    transparent = sum(header.transparent for header in headers.values())
    grey = all(header.grey for header in headers.values()) and not (transparent and _is_colour(background))
    channels = channels or (1 if grey else 3)
    shape = (channels, *((size, size) if size else _common_size(root, files, list(headers.values()))))
    labels = torch.tensor([known.index(name) for name in names]) if known else None
    said = tuple(found.texts[file] for file in files) if found.texts else ()
    skipped = (*found.without, *bad, *bad_deep)
    notes = [note for note in (found.note,) if note]
    if found.without:
        notes.append(f"Left out: {_named(root, found.without)} without a caption.")
    notes += _unreadable(root, {**bad, **bad_deep})
    if others:
        notes.append(f"Left out: {_named(root, others)}, no regular files (pipes, sockets or devices).")
    if deep and white < 65535:
        notes.append(f"{len(deep)} file(s) have 16 or 32 bits and no value above {white}, which is taken for white.")
    if transparent:
        notes.append(
            f"{transparent} file(s) have an alpha channel or a transparent colour, laid on {background} (`background`)."
        )
    sides = {(header.width, header.height) for header in headers.values()}
    if size and sides != {(size, size)}:
        notes.append(_about_sizes(sides, size, sum(min(h.height, h.width) < size for h in headers.values())))
    if several := sum(header.several for header in headers.values()):
        notes.append(f"{several} file(s) hold several frames or pages; the first of each is taken.")
    source = Streamed(
        root.resolve().name, "train", root, tuple(files), shape, size, labels, known, skipped, said,
        notes=tuple(notes), background=background, white=white,
    )  # fmt: skip
    return source, [base_of[file] for file in files]


def _about_sizes(sides: Collection[tuple[int, int]], size: int, small: int) -> str:
    low, high = min(sides, key=math.prod), max(sides, key=math.prod)
    found = f"{low[0]}×{low[1]}" + (f" to {high[0]}×{high[1]}" if high != low else "")
    enlarged = f"; {small} file(s) are smaller, and enlarged" if small else ""
    return f"The files have {found} pixels, and are scaled and cut to {size}×{size}{enlarged}."


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


def _named(root: Path, files: Sequence[Path]) -> str:
    return f"{len(files)} file(s) ({some([file.relative_to(root) for file in files])})"


def _unreadable(root: Path, bad: dict[Path, str]) -> list[str]:
    """A sentence for each reason why files cannot be read, with their number."""
    by_reason: dict[str, list[Path]] = {}
    for file, reason in bad.items():
        by_reason.setdefault(re.sub(r" \(\d+ bytes not processed\)", "", reason), []).append(file)
    return [f"Left out: {_named(root, files)}: {reason}." for reason, files in by_reason.items()]


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


def _sound(source: Streamed, base_of: list[Path]) -> tuple[Streamed, list[Path]]:
    """The source without the files that cannot be decoded, and the base folder of each file."""
    bad: dict[Path, str] = {}
    for file, found in zip(source.files, _pixels(source, "Looking for damage in"), strict=True):
        if isinstance(found, str):
            bad[file] = found
    _judge(source.root, bad, len(source) - len(bad), "skip")
    if not bad:
        return source, base_of
    good = [i for i, file in enumerate(source.files) if file not in bad]
    notes = (*source.notes, *_unreadable(source.root, bad))
    sound = replace(source.part(torch.tensor(good)), skipped=(*source.skipped, *bad), notes=notes)
    return sound, [base_of[i] for i in good]


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
