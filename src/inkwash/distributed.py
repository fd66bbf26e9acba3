"""The processes that torchrun started for one command: rank, world size and exchange of results.

Only this file reads the environment variables of torchrun. Importing it does not import torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from os import environ
from typing import TYPE_CHECKING, TypeVar

from inkwash.errors import InkwashError

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")

_SET_BY_TORCHRUN = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
_TIMEOUT = timedelta(days=1)  # allows for slow processes; a process that has ended is noticed at once


@dataclass(frozen=True)
class Processes:
    """This process: its `rank` among `world` processes."""

    rank: int = 0
    world: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the process that prints and writes."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """The part of a sequence for this process. Parts are contiguous and in rank order; the first is the longest."""
        first, last = (-(-rank * len(items) // self.world) for rank in (self.rank, self.rank + 1))
        return items[first:last]

    def gather(self, rows: Tensor) -> Tensor:
        """Gathers rows [n_rank,…] on the CPU: the main process gets all rows in rank order, others get their own back.

        Every process must call it, inside `process_group`. Raises InkwashError if another process has ended.
        """
        if self.world == 1:
            return rows
        import torch
        import torch.distributed as dist

        counts = [torch.zeros((), dtype=torch.int64) for _ in range(self.world)]
        try:
            dist.all_gather(counts, torch.tensor(len(rows)))
            if not self.is_main:
                if len(rows):
                    dist.send(rows.contiguous(), 0)
                return rows
            every = rows.new_empty(int(sum(counts)), *rows.shape[1:])
            every[: len(rows)] = rows
            first = len(rows)
            for rank, count in enumerate(map(int, counts)):
                if rank and count:
                    dist.recv(every[first : first + count], rank)
                    first += count
        except RuntimeError as error:
            raise InkwashError("another process of this command has ended, and says why; run it again.") from error
        return every


ALONE = Processes()


def processes() -> Processes:
    """The processes that torchrun started; `ALONE` without torchrun.

    Raises InkwashError if the environment announces several processes that torchrun did not start, since they could not
    connect to each other, and if a variable of torchrun is not a number.
    """
    world = world_size()
    if world == 1:
        return ALONE
    if any(name not in environ for name in _SET_BY_TORCHRUN):
        raise not_connected(world)
    return Processes(_number("RANK", 0), world)


def world_size() -> int:
    """The number of processes in the environment, with or without torchrun. Raises InkwashError if not a number."""
    return _number("WORLD_SIZE", 1)


def per_machine() -> str | None:
    """The --nproc-per-node of torchrun, as a string; None without torchrun."""
    return environ.get("LOCAL_WORLD_SIZE")


def is_main_process() -> bool:
    """Whether this is the process that prints and writes. Raises InkwashError if its rank is not a number."""
    return _number("RANK", 0) == 0


def not_connected(world: int) -> InkwashError:
    """The error to raise if this process is one of `world` processes but cannot connect to the others."""
    return InkwashError(
        f"$WORLD_SIZE announces {world} processes, but they are not connected; start them with "
        f"`torchrun --nproc-per-node {world} -m inkwash …`, or unset it."
    )


@contextmanager
def process_group() -> Iterator[Processes]:
    """Initialises the process group for `gather` inside the block. Raises the errors of `processes`."""
    found = processes()
    if found.world == 1:
        yield found
        return
    import torch.distributed as dist

    dist.init_process_group("gloo", timeout=_TIMEOUT)  # the tensors that they exchange are on the CPU
    try:
        yield found
    finally:
        dist.destroy_process_group()


def take_gpu() -> None:
    """Under torchrun, selects a separate GPU for each process, if there are enough of them."""
    if "LOCAL_RANK" not in environ:
        return
    import torch

    if torch.cuda.is_available():
        torch.cuda.set_device(_number("LOCAL_RANK", 0) % torch.cuda.device_count())


def _number(name: str, default: int) -> int:
    text = environ.get(name, str(default))
    try:
        return int(text)
    except ValueError:
        raise InkwashError(f"${name} must be a whole number, as torchrun sets it (got {text!r}); unset it.") from None
