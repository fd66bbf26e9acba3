"""A data set of image files that does not fit into memory; images are decoded on demand."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inkwash.data.digests import digests
from inkwash.data.packed import page_of
from inkwash.data.picture import Fit, UnreadableError, decode
from inkwash.data.source import check_captions
from inkwash.errors import InkwashError
from inkwash.foreign import harmless

WORKERS = min(8, os.cpu_count() or 1)  # threads; Pillow decodes outside Python's lock


@final
@dataclass(frozen=True, eq=False)
class Streamed:
    """Image files below `root`, of the given shape once decoded; made by `folder`.

    Raises UsageError when captions are given and an image has none or an empty one.
    """

    name: str
    split: str
    root: Path
    files: tuple[Path, ...]
    shape: tuple[int, int, int]  # (C, H, W)
    size: int | None  # scaled and cut to this; None: the files themselves are H × W
    labels: Tensor | None = None  # [N] int64
    classes: tuple[str, ...] = ()
    skipped: tuple[Path, ...] = ()  # files that could not be read
    captions: tuple[tuple[str, ...], ...] = ()  # N times one or more wordings, or ()
    kinds: None = None  # every image is its own
    notes: tuple[str, ...] = ()  # sentences about what was found, taken and left out
    background: str = "white"  # the colour behind transparent pixels
    white: int = 65535  # the white value of files of more than 8 bits
    fit: Fit = "cut"  # how files are brought to `size`

    def __post_init__(self) -> None:
        check_captions(self.name, self.captions, len(self))

    def __len__(self) -> int:
        return len(self.files)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 hex of the files' contents in order, the decoding options, the labels and the captions.

        Independent of the files' location, names and dates. Each file is read once and its digest cached: see
        `digests`.
        """
        about = (self.shape, self.size, self.classes, self.background, self.white, *self._unusual)
        hashed = hashlib.sha256(repr(("contents", about)).encode())
        for digest in self.digests:
            hashed.update(digest)
        if self.labels is not None:
            hashed.update(self.labels.cpu().contiguous().numpy().data)
        hashed.update(repr(self.captions).encode())
        return hashed.hexdigest()

    @property
    def _unusual(self) -> tuple[str, ...]:
        return () if self.fit == "cut" else (self.fit,)  # so that fingerprints of earlier versions stay

    @cached_property
    def digests(self) -> list[bytes]:
        """The sha256 of each file. Each file is read once and its digest cached: see `inkwash.data.digests`."""
        from tqdm import tqdm

        with tqdm(total=len(self), desc=harmless(f"Hashing {self.name}"), unit="image", delay=2) as bar:
            return digests(self.files, self.root, WORKERS, lambda: bar.update())

    @property
    def earlier_fingerprints(self) -> tuple[str, ...]:
        """The fingerprints of earlier versions, computed from the files' names, sizes, dates, labels and captions."""
        if not self.root.is_dir() or any(page_of(file)[1] is not None for file in self.files[:1]):
            return ()  # they read no archives and no pages
        labels = [-1] * len(self) if self.labels is None else self.labels.tolist()
        hashed = hashlib.sha256(repr((self.shape, self.size, self.classes)).encode())
        for file, label in zip(self.files, labels, strict=True):
            stat = file.stat()
            name = file.relative_to(self.root).as_posix()
            hashed.update(repr((name, stat.st_size, stat.st_mtime_ns, label)).encode())
        without = hashed.hexdigest()
        hashed.update(repr(self.captions).encode())
        return (without, hashed.hexdigest())

    def take(self, indices: Tensor) -> Tensor:
        """The images at these indices, decoded by several threads: [B] int64 -> uint8 [B,C,H,W] on the CPU.

        Raises InkwashError, naming the file, if one cannot be read.
        """
        files = [self.files[i] for i in indices.tolist()]
        with ThreadPoolExecutor(WORKERS) as pool:
            return torch.from_numpy(np.stack(list(pool.map(self._read, files))))

    def _read(self, file: Path) -> NDArray[np.uint8]:
        try:
            return self.decode(file)
        except UnreadableError as error:
            raise InkwashError(
                f"{file} cannot be read ({error}). Put a good copy there, or leave such files out with "
                "`unreadable='skip'`."
            ) from error

    def decode(self, file: Path) -> NDArray[np.uint8]:
        """One file: uint8 [C,H,W]. Raises UnreadableError when it is damaged or no longer of this shape."""
        pixels = decode(file, self.size, self.shape[0], self.background, self.white, self.fit)
        if pixels.shape != self.shape:
            raise UnreadableError(f"its shape is {pixels.shape}, where {self.shape} was expected")
        return pixels

    def part(self, indices: Tensor, split: str | None = None) -> Streamed:
        """The files at these indices as a set of their own; `split` renames its split."""
        labels = None if self.labels is None else self.labels[indices]
        files = tuple(self.files[i] for i in indices.tolist())
        captions = tuple(self.captions[i] for i in indices.tolist()) if self.captions else ()
        return replace(self, files=files, labels=labels, split=split or self.split, captions=captions)
