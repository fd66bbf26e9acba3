"""Gradients of a batch on a CPU, computed in parts by threads that do not wait for one another."""

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import TypeVar

import torch
from torch import Tensor, nn

T = TypeVar("T")
U = TypeVar("U")
PARTS = 4  # of each batch, whatever the number of threads, so that this number does not change the sums


class Parts:
    """A pool of threads, each of which computes the loss and the gradient of one part of a batch at a time.

    torch divides each operation among threads and waits for the slowest, at every operation of the network. Where
    another program takes a core, all wait for the thread that shares it. Here a thread has a part of the batch to
    itself, and the next free thread takes the next part. Gradients are added in the order of the parts, so with up to
    `PARTS` threads the result does not depend on their number. With more, each part is divided as torch does.

    A context manager: the threads end with it. `threads` is their number in all. The network must treat each image
    alone, keep no state and draw no random numbers (see `runs.machine.divisible`).
    """

    def __init__(self, threads: int) -> None:
        workers = min(PARTS, threads)
        begun = Barrier(workers)

        def start() -> None:
            torch.get_num_threads()  # without it, torch would set the number of the main thread at the first operation
            torch.set_num_threads(max(1, threads // PARTS))
            begun.wait()

        before = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(workers, "inkwash-part")
        for task in [self._pool.submit(start) for _ in range(workers)]:
            task.result()
        torch.set_num_threads(before)  # a new thread begins with the number that any thread set last

    def __enter__(self) -> "Parts":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def map(self, function: Callable[[T], U], items: Iterable[T]) -> list[U]:
        """[function(item), …]: each is computed by one thread. Exceptions are raised here."""
        return list(self._pool.map(function, items))

    def backward(self, model: nn.Module, loss: Callable[[slice], Tensor], images: slice) -> Tensor:
        """Adds the gradient of the sum of `loss` over parts of `images` to the parameters'; returns the sum."""
        weights = [parameter for parameter in model.parameters() if parameter.requires_grad]

        def part(which: slice) -> tuple[Tensor, tuple[Tensor | None, ...]]:
            value = loss(which)
            return value.detach(), torch.autograd.grad(value, weights, allow_unused=True)

        total = torch.zeros(())
        for value, gradients in self.map(part, divided(images, PARTS)):
            total += value
            for weight, gradient in zip(weights, gradients, strict=True):
                if gradient is None:
                    continue
                if weight.grad is not None:
                    weight.grad += gradient
                elif gradient.stride() == weight.stride():
                    weight.grad = gradient
                else:  # the fused optimisers assume the parameter's memory layout
                    weight.grad = torch.empty_like(weight).copy_(gradient)
        return total


@contextmanager
def one_thread() -> Generator[None, None, None]:
    """torch's operations use one thread inside: what is done between parts must not wait for other threads either."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def divided(images: slice, parts: int) -> list[slice]:
    """At most so many slices, as equal as torch.chunk makes them, of a slice with a start and a stop."""
    pieces = torch.arange(images.start, images.stop).chunk(parts)
    return [slice(int(piece[0]), int(piece[-1]) + 1) for piece in pieces]
