"""The processes that torchrun started for one command: which of them this one is, and how they exchange results.

No other file reads the environment variables of torchrun. Importing this file does not import torch.
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
_TIMEOUT = timedelta(days=1)  # for slower processes; of one that has ended the others hear at once


@dataclass(frozen=True)
class Processes:
    """This process, `rank` of `world`."""

    rank: int = 0
    world: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the process that prints and writes."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """This process's part of a sequence: contiguous, in the order of ranks, the first part the longest."""
        first, last = (-(-rank * len(items) // self.world) for rank in (self.rank, self.rank + 1))
        return items[first:last]

    def gather(self, rows: Tensor) -> Tensor:
        """On the main process the rows [n_rank,…] of all, on the CPU, in the order of ranks; on others their own rows.

        Every process must call it, inside `process_group`. Raises InkwashError where another one has ended.
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
    """The processes that torchrun started; `ALONE` without it.

    Raises InkwashError where several processes are announced that torchrun did not start, for they would not find
    each other, and where a variable of torchrun's is no number.
    """
    world = world_size()
    if world == 1:
        return ALONE
    if any(name not in environ for name in _SET_BY_TORCHRUN):
        raise not_connected(world)
    return Processes(_number("RANK", 0), world)


def world_size() -> int:
    """How many processes are announced, whoever started them. Raises InkwashError where that is no number."""
    return _number("WORLD_SIZE", 1)


def per_machine() -> str | None:
    """torchrun's --nproc-per-node, as text; None without torchrun."""
    return environ.get("LOCAL_WORLD_SIZE")


def is_main_process() -> bool:
    """Whether this is the process that prints and writes. Raises InkwashError where its rank is no number."""
    return _number("RANK", 0) == 0


def not_connected(world: int) -> InkwashError:
    """The error of a process that is one of `world`, but cannot reach the others."""
    return InkwashError(
        f"$WORLD_SIZE announces {world} processes, but they are not connected; start them with "
        f"`torchrun --nproc-per-node {world} -m inkwash …`, or unset it."
    )


@contextmanager
def process_group() -> Iterator[Processes]:
    """Inside, the processes of torchrun can `gather`; without torchrun there is one. Raises what `processes` raises."""
    found = processes()
    if found.world == 1:
        yield found
        return
    import torch.distributed as dist

    dist.init_process_group("gloo", timeout=_TIMEOUT)  # what they send lies on the CPU
    try:
        yield found
    finally:
        dist.destroy_process_group()


def take_gpu() -> None:
    """Under torchrun, makes a GPU of its own the current one of each process, as far as there are enough."""
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
