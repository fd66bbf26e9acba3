"""The processes that torchrun started for one command: who does what, and who gets what they made."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from os import environ
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from inkwash.errors import InkwashError

T = TypeVar("T")

_TOLD = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")  # by torchrun, to each process
_PATIENCE = timedelta(days=1)  # with slower processes; of one that has ended the others know at once


@dataclass(frozen=True)
class Processes:
    """This process, `rank` of `world`."""

    rank: int = 0
    world: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the one that speaks and writes."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """This process's part of a sequence. Parts follow one another as ranks do; none is longer than the first."""
        first, last = (-(-rank * len(items) // self.world) for rank in (self.rank, self.rank + 1))
        return items[first:last]

    def gathered(self, rows: Tensor) -> Tensor:
        """The rows [n_rank,…] of all, on the CPU, in the order of ranks, on the main process; the others keep theirs.

        All must call it together. Raises InkwashError where one of them has ended.
        """
        if self.world == 1:
            return rows
        counts = [torch.zeros((), dtype=torch.int64) for _ in range(self.world)]
        with _others_alive():
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
        return every


ALONE = Processes()


@contextmanager
def process_group() -> Iterator[Processes]:
    """Inside, the processes of torchrun know each other; without it there is one. Raises InkwashError as `unseen`."""
    world = started("sample")
    if world == 1:
        yield ALONE
        return
    dist.init_process_group("gloo", timeout=_PATIENCE)  # what they send lies on the CPU
    try:
        yield Processes(dist.get_rank(), world)
    finally:
        dist.destroy_process_group()


def started(command: str) -> int:
    """How many processes torchrun started, 1 without it. Raises InkwashError as `unseen` where it was not torchrun."""
    world = int(environ.get("WORLD_SIZE", "1"))
    if world != 1 and any(name not in environ for name in _TOLD):
        raise unseen(world, command)
    return world


def unseen(world: int, command: str) -> InkwashError:
    """The error of a process that was told of others, but not where they are."""
    return InkwashError(
        f"$WORLD_SIZE tells of {world} processes, but they do not see each other; start them with "
        f"`torchrun --nproc-per-node {world} -m inkwash {command} …`, or unset it."
    )


def is_main_process() -> bool:
    """Whether this is the process that prints: of those that torchrun starts, only the first does."""
    return environ.get("RANK", "0") == "0"


def take_gpu() -> None:
    """Under torchrun: each process of a machine takes a GPU of its own, as far as there are so many."""
    if torch.cuda.is_available():
        torch.cuda.set_device(int(environ["LOCAL_RANK"]) % torch.cuda.device_count())


@contextmanager
def _others_alive() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise InkwashError("another process of this command has ended, and says why; run it again.") from error
