"""A folder of images of any format, size and colour, as a set of one shape."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeVar

import torch

from inkwash.data.captions import caption_files, captions_of, metadata_files
from inkwash.data.listing import class_of, classes, files_below, some, split_folders
from inkwash.data.picture import Header, UnreadableError, quiet_pillow, read_header
from inkwash.data.source import Images, check_split, hold_out
from inkwash.data.streamed import WORKERS, Streamed
from inkwash.errors import UsageError

T = TypeVar("T")
Unreadable = Literal["refuse", "skip"]


def folder(
    path: str | Path,
    size: int | None = None,
    channels: int | None = None,
    unreadable: Unreadable = "refuse",
    *,
    split: str | None = None,
    in_memory_bytes: int = 1 << 30,
) -> Images | Streamed:
    """The images below a folder, uint8 [N,C,H,W]: decoded into memory where they fit, else when asked for.

    With `size` the short side is scaled to it and the middle cut out; without, all must have one size
    already. `channels` is 1 or 3; without, 1 if every image is grey, else 3. Folders directly below are
    classes, in the order of their names, and hold their images at any depth. Hidden files are passed over.

    A captions.jsonl, metadata.jsonl or metadata.csv (see `read_captions`) in the folder, or in its train/ and
    test/, gives each image its captions. Then images outside the folders directly below are allowed; where there
    are any, there are no classes.

    `unreadable` says what to do about files that are damaged, no images, or without a caption where others have
    one: "refuse" them, or "skip" them and list them in `.skipped`. Where images are not decoded at once, "refuse"
    finds damage only when it meets it (`take` then raises InkwashError); "skip" decodes everything once to look
    for it.

    `split` "train" or "test" takes the folder train/ or test/ (or val/) where there are these, else the part
    that `hold_out` gives; both have the same classes, channels and size. Without `split`, the folder is one
    whole.

    Raises UsageError, saying what to change, for a folder or arguments that cannot be used.
    """
    root = Path(path).expanduser()
    _check(root, size, channels, unreadable, split)
    bases = (split_folders(root) if split else {}) or {"": root}
    with quiet_pillow():
        source, base_of = _survey(root, bases, size, channels, unreadable)
        if split and len(bases) == 2:
            chosen = [i for i, base in enumerate(base_of) if base == bases[split]]
            if not chosen:
                raise UsageError(f"{bases[split]} holds no images.")
            source = source.part(torch.tensor(chosen), split)
        elif split:
            source = hold_out(source)[split == "test"]
        fits = len(source) * math.prod(source.shape) <= in_memory_bytes
        if not fits and unreadable == "refuse":
            return source
        return _decoded(source, unreadable, keep=fits)


def _check(root: Path, size: int | None, channels: int | None, unreadable: str, split: str | None) -> None:
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
    if split is not None:
        check_split(split)


def _survey(
    root: Path, bases: dict[str, Path], size: int | None, channels: int | None, unreadable: str
) -> tuple[Streamed, list[Path]]:
    """Read all headers, and settle shape, classes and captions; the images, and in which of the bases each lies."""
    captioned, notes = caption_files(root), metadata_files(root)
    listed = [(file, base) for base in bases.values() for file in files_below(base) if file not in notes]
    captions = captions_of([file for file, _ in listed], captioned, unreadable) if captioned else {}
    skipped = [file for file, _ in listed if captioned and file not in captions]
    listed = [(file, base) for file, base in listed if not captioned or file in captions]
    files: list[Path] = []
    base_of: list[Path] = []
    headers: list[Header] = []
    bad: dict[Path, str] = {}
    for (file, base), found in zip(
        listed,
        _attempt(read_header, [file for file, _ in listed], f"Looking through {root.name}"),
        strict=True,
    ):
        if isinstance(found, str):
            bad[file] = found
        else:
            files.append(file)
            base_of.append(base)
            headers.append(found)
    _judge(root, bad, len(files), unreadable)
    names = [class_of(file, base) for file, base in zip(files, base_of, strict=True)]
    known = () if captioned and "" in names else classes(names, files)
    channels = channels or (1 if all(header.grey for header in headers) else 3)
    shape = (channels, *((size, size) if size else _common_size(root, files, headers)))
    labels = torch.tensor([known.index(name) for name in names]) if known else None
    name = root.resolve().name
    said = tuple(captions[file] for file in files) if captioned else ()
    skipped += bad
    return Streamed(name, "train", root, tuple(files), shape, size, labels, known, tuple(skipped), said), base_of


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


def _decoded(source: Streamed, unreadable: str, keep: bool) -> Images | Streamed:
    """All images decoded and kept in memory; without `keep` only looked at, to leave out the unreadable."""
    pixels = torch.empty(len(source) if keep else 0, *source.shape, dtype=torch.uint8)
    good: list[int] = []
    bad: dict[Path, str] = {}
    for i, found in enumerate(_attempt(source.decode, source.files, f"Decoding {source.name}")):
        if isinstance(found, str):
            bad[source.files[i]] = found
        else:
            good.append(i)
            if keep:
                pixels[i] = torch.from_numpy(found)
    _judge(source.root, bad, len(good), unreadable)
    if bad:
        chosen = torch.tensor(good)
        source = replace(source.part(chosen), skipped=source.skipped + tuple(bad))
        pixels = pixels[chosen] if keep else pixels
    if not keep:
        return source
    return Images(source.name, source.split, pixels, source.labels, source.classes, source.skipped, source.captions)


def _judge(root: Path, bad: dict[Path, str], good: int, unreadable: str) -> None:
    """Raise UsageError for files that cannot be read, unless they are to be skipped and others remain."""
    reasons = some([f"{file.relative_to(root)} ({reason})" for file, reason in bad.items()])
    if not good:
        unread = f"; {len(bad)} file(s) there cannot be read: {reasons}" if bad else ""
        raise UsageError(f"{root} holds no images{unread}. Give a folder of images.")
    if bad and unreadable == "refuse":
        raise UsageError(
            f"{len(bad)} of the {len(bad) + good} files in {root} cannot be read as images: {reasons}. "
            "Remove them, or leave them out with `unreadable='skip'`."
        )


def _attempt(function: Callable[[Path], T], files: Sequence[Path], doing: str) -> Iterator[T | str]:
    """function(file) for each file in turn, or in words why it is unreadable; in threads, with a bar."""
    from tqdm import tqdm

    def attempt(file: Path) -> T | str:
        try:
            return function(file)
        except UnreadableError as error:
            return str(error)

    with (
        ThreadPoolExecutor(WORKERS) as pool,
        tqdm(total=len(files), desc=doing, unit="image", delay=2) as bar,
    ):
        for start in range(0, len(files), 256):  # by the piece, or all results would lie in memory twice
            for result in pool.map(attempt, files[start : start + 256]):
                bar.update()
                yield result
