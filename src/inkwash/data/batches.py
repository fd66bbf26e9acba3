"""(seed, step) -> batch, without state, so that resumed and distributed runs see the same batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import final

import torch
from torch import Tensor

from inkwash.choices import takes
from inkwash.data.shuffle import generator, indices, members
from inkwash.data.source import Images, Source, to_float
from inkwash.errors import UsageError

ConditionLookup = Callable[..., Tensor]  # (indices [b], step) -> rows; it may take `images`, those that are shown

_FLIP = 2  # see shuffle._ORDER
_AHEAD = 2  # batches that are decoded in advance


@final
@dataclass(frozen=True, eq=False)
class Batch:
    """One process's share of a batch."""

    images: Tensor  # [b,C,H,W] float32 in [-1, 1], on the device
    labels: Tensor | None  # [b] int64, on the device
    indices: Tensor  # [b] int64, on the CPU: which images of the source these are
    condition: Tensor | None = None  # [b,...], on the device: the images' conditions, for the network's embedder


@final
@dataclass(frozen=True, eq=False)
class Batches:
    """The batches of a source, for process `rank` of `world`. `batch_size` is the total over all processes.

    Each process takes its contiguous slice of the global batch, so the global batch does not depend on the number of
    processes. With `flip`, each image is mirrored left to right with probability 1/2. `condition_of` returns the
    conditions of images from their indices [b] and the step; if it has a parameter `images`, it is given the batch's,
    mirrored or not. Images in memory are stored on `device`, as uint8. Raises UsageError if
    batch_size is not a positive multiple of world, or rank is not in 0..world-1.
    """

    source: Source
    batch_size: int
    seed: int
    flip: bool = False
    device: str | torch.device = "cpu"
    rank: int = 0
    world: int = 1
    condition_of: ConditionLookup | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world:
            raise UsageError(f"rank must lie in 0..world-1; got rank {self.rank} of world {self.world}.")
        if self.batch_size < 1 or self.batch_size % self.world:
            raise UsageError(
                f"A batch of {self.batch_size} does not divide among {self.world} process(es); "
                f"give a positive multiple of {self.world}."
            )

    @cached_property
    def _held(self) -> Source:
        return self.source.to(self.device) if isinstance(self.source, Images) else self.source

    @property
    def _mine(self) -> slice:
        share = self.batch_size // self.world
        return slice(self.rank * share, (self.rank + 1) * share)

    def _indices(self, step: int) -> Tensor:
        kinds = self.source.kinds
        if kinds is not None:
            return members(kinds, self.seed, step, self.batch_size)[self._mine]  # [b]
        return indices(self.seed, step, self.batch_size, len(self.source))[self._mine]  # [b]

    def _pixels(self, step: int) -> Tensor:
        return self._held.take(self._indices(step))  # uint8 [b,C,H,W]

    def _batch(self, step: int, pixels: Tensor) -> Batch:
        chosen = self._indices(step)
        images = to_float(pixels.to(self.device))
        if self.flip:  # drawn for the whole batch, so that the number of processes does not matter
            mirrored = torch.rand(self.batch_size, generator=generator(_FLIP, self.seed, step)) < 0.5
            images = torch.where(mirrored[self._mine, None, None, None].to(self.device), images.flip(-1), images)
        labels = self._held.labels
        condition = self._condition(chosen, step, images)
        return Batch(images, None if labels is None else labels[chosen].to(self.device), chosen, condition)

    def _condition(self, chosen: Tensor, step: int, images: Tensor) -> Tensor | None:
        if self.condition_of is None:
            return None
        shown = {"images": images} if takes(self.condition_of, "images") else {}
        return self.condition_of(chosen, step, **shown).to(self.device)

    def at(self, step: int) -> Batch:
        """This process's share of batch `step` = 0, 1, ...: a function of (seed, step) alone."""
        return self._batch(step, self._pixels(step))

    def walk(self, first_step: int = 0) -> Generator[Batch, None, None]:
        """at(first_step), at(first_step + 1), ... without end.

        Images that need decoding are decoded in advance, in one background thread that ends with the generator.
        Exceptions of that thread are raised here, at the step where they occurred.
        """
        if isinstance(self.source, Images):
            yield from map(self.at, count(first_step))
        background = ThreadPoolExecutor(1, "inkwash-decode")
        try:
            coming = deque(background.submit(self._pixels, first_step + i) for i in range(_AHEAD))
            for step in count(first_step):
                coming.append(background.submit(self._pixels, step + _AHEAD))
                yield self._batch(step, coming.popleft().result())
        finally:
            background.shutdown(wait=True, cancel_futures=True)
