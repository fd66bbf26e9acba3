"""The protocol of data sets of images, and a data set in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol, Self, final

import torch
from torch import Tensor

from inkwash.errors import UsageError


class Source(Protocol):
    """A data set of images of one shape, with random access."""

    @property
    def name(self) -> str: ...  # "mnist", "digits", or the folder's name
    @property
    def split(self) -> str: ...  # "train" or "test"
    @property
    def shape(self) -> tuple[int, int, int]: ...  # (C, H, W)
    @property
    def classes(self) -> tuple[str, ...]: ...  # () where there are no labels
    @property
    def labels(self) -> Tensor | None: ...  # [N] int64, each 0..len(classes)-1
    @property
    def captions(self) -> tuple[tuple[str, ...], ...]: ...  # one or more per image; () if there are none
    @property
    def kinds(self) -> Tensor | None: ...  # [N] int64: images of one kind share one place in an epoch; None: all differ
    @property
    def fingerprint(self) -> str: ...  # sha256 hex of the contents
    def __len__(self) -> int: ...
    def take(self, indices: Tensor) -> Tensor: ...  # [B] int64 -> uint8 [B,C,H,W]


class Divisible(Source, Protocol):
    """A source with a method `part`, which `hold_out` needs."""

    def part(self, indices: Tensor, split: str | None = None) -> Self: ...


@final
@dataclass(frozen=True, eq=False)
class Images:
    """Images in memory: pixels uint8 [N,C,H,W], not empty; labels int64 [N] in 0..len(classes)-1, or None.

    Raises UsageError when the tensors are not of these types or do not fit together, or when captions are
    given and an image has none or an empty one.
    """

    name: str
    split: str
    pixels: Tensor  # uint8 [N,C,H,W]
    labels: Tensor | None = None  # int64 [N]
    classes: tuple[str, ...] = ()
    skipped: tuple[Path, ...] = ()  # files of the folder that could not be read
    captions: tuple[tuple[str, ...], ...] = ()  # N times one or more wordings, or ()
    kinds: Tensor | None = None  # int64 [N], any numbers; None: every image is its own kind
    notes: tuple[str, ...] = ()  # sentences about what was found, taken and left out
    files: tuple[str, ...] = ()  # N names of the images' files below their folder, or ()

    def __post_init__(self) -> None:
        check_split(self.split)
        pixels, labels = self.pixels, self.labels
        if pixels.dtype != torch.uint8 or pixels.ndim != 4 or 0 in pixels.shape:
            raise UsageError(
                f"{self.name}: images must be a uint8 tensor [N,C,H,W] and not empty; "
                f"got {pixels.dtype} {list(pixels.shape)}."
            )
        check_captions(self.name, self.captions, len(pixels))
        if self.kinds is not None and (self.kinds.dtype != torch.int64 or self.kinds.shape != pixels.shape[:1]):
            raise UsageError(
                f"{self.name}: {len(pixels)} images need an int64 tensor [{len(pixels)}] of kinds, or None; "
                f"got {self.kinds.dtype} {list(self.kinds.shape)}."
            )
        if labels is None:
            return
        if labels.dtype != torch.int64 or labels.shape != pixels.shape[:1]:
            raise UsageError(
                f"{self.name}: {len(pixels)} images need an int64 tensor [{len(pixels)}] of labels; "
                f"got {labels.dtype} {list(labels.shape)}."
            )
        if int(labels.min()) < 0 or int(labels.max()) >= len(self.classes):
            raise UsageError(
                f"{self.name}: with {len(self.classes)} class names, labels must lie in "
                f"0..{len(self.classes) - 1}; got {int(labels.min())}..{int(labels.max())}."
            )

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        _, channels, height, width = self.pixels.shape
        return channels, height, width

    @cached_property
    def fingerprint(self) -> str:
        """sha256 hex of shape, pixels, labels, class names, captions and kinds; the same on every device."""
        hashed = hashlib.sha256(repr((tuple(self.pixels.shape), self.classes)).encode())
        for tensor in (self.pixels, self.labels, self.kinds):
            if tensor is not None:
                hashed.update(tensor.cpu().contiguous().numpy().data)
        if self.captions:  # without captions, the fingerprint stays that of earlier versions, which runs store
            hashed.update(repr(self.captions).encode())
        return hashed.hexdigest()

    @property
    def earlier_fingerprints(self) -> tuple[str, ...]:
        """The fingerprint of the same images before .txt files next to them were read as captions."""
        return (replace(self, captions=()).fingerprint,) if self.captions else ()

    def take(self, indices: Tensor) -> Tensor:
        """Images at these indices: [B] int64 -> uint8 [B,C,H,W], on the device of the pixels."""
        return self.pixels[indices]

    def part(self, indices: Tensor, split: str | None = None) -> Images:
        """The images at these indices as a set of their own; `split` renames its split."""
        labels, kinds = (None if each is None else each[indices] for each in (self.labels, self.kinds))
        captions = tuple(self.captions[i] for i in indices.tolist()) if self.captions else ()
        files = tuple(self.files[i] for i in indices.tolist()) if self.files else ()
        return replace(
            self, pixels=self.pixels[indices], labels=labels, split=split or self.split, captions=captions,
            kinds=kinds, files=files,
        )  # fmt: skip

    def pad(self, size: int) -> Images:
        """Pads with zeros (black) on all sides to size × size pixels; an odd pixel goes to the bottom and the right.

        Raises UsageError if the images are larger than `size`.
        """
        _, height, width = self.shape
        if size < max(height, width):
            raise UsageError(
                f"{self.name} is {height}×{width} and cannot be padded to {size}×{size}; "
                f"give a size of {max(height, width)} or more."
            )
        top, left = (size - height) // 2, (size - width) // 2
        sides = (left, size - width - left, top, size - height - top)
        return replace(self, pixels=torch.nn.functional.pad(self.pixels, sides))

    def to(self, device: str | torch.device) -> Images:
        """The same images with pixels and labels on `device`."""
        labels = None if self.labels is None else self.labels.to(device)
        return replace(self, pixels=self.pixels.to(device), labels=labels)


def is_same(source: Source, fingerprint: str) -> bool:
    """Whether a fingerprint is that of a source, as computed by this or an earlier version of inkwash."""
    return fingerprint == source.fingerprint or fingerprint in getattr(source, "earlier_fingerprints", ())


def to_float(pixels: Tensor) -> Tensor:
    """uint8 0..255 -> float32 in [-1, 1], any shape."""
    return pixels.to(torch.float32) / 127.5 - 1


def to_uint8(images: Tensor) -> Tensor:
    """float in [-1, 1] -> the nearest of uint8 0..255, any shape, clamped; undoes `to_float` exactly."""
    return ((images.to(torch.float32) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def check_split(split: str) -> None:
    """Raises UsageError unless `split` is "train" or "test"."""
    if split not in ("train", "test"):
        raise UsageError(f"A split is 'train' or 'test'; got {split!r}.")


def check_captions(name: str, captions: Sequence[Sequence[str]], images: int) -> None:
    """Raises UsageError when there are captions, and not one or more for each image, or one is empty."""
    if captions and len(captions) != images:
        raise UsageError(
            f"{name}: {images} images need as many captions, or none; got {len(captions)}. Give each image its own."
        )
    for i, wordings in enumerate(captions):
        if not wordings or not all(wording.strip() for wording in wordings):
            raise UsageError(
                f"{name}: each image needs one caption or more, none of them empty; image {i} has {tuple(wordings)}."
            )
