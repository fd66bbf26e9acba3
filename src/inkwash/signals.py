"""Context managers that handle Ctrl-C and SIGTERM during long work."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, current_thread, main_thread
from types import FrameType

from inkwash.errors import Stopped

Handler = Callable[[int, FrameType | None], object] | signal.Handlers


@contextmanager
def handling(handler: Handler, *numbers: int) -> Iterator[None]:
    """Installs `handler` for these signals inside the block. Has no effect outside the main thread."""
    if current_thread() is not main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextmanager
def finishing_step(stop: Event) -> Iterator[None]:
    """Inside the block, Ctrl-C and SIGTERM set `stop`, so the current step finishes; a second signal interrupts it."""

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        sys.stderr.write("\nstopping after this step; once more to stop at once\n")

    with handling(ask, signal.SIGINT, signal.SIGTERM):
        yield


@contextmanager
def resumable() -> Iterator[None]:
    """Inside the block, Ctrl-C and SIGTERM raise `Stopped`. For work that saves its finished parts to disk."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        with handling(interrupt, signal.SIGTERM):
            yield
    except KeyboardInterrupt:
        raise Stopped("stopped; what was finished is kept.") from None


@contextmanager
def postponing(number: int) -> Iterator[None]:
    """Postpones a signal to the end of the block. Processes started inside the block inherit it as blocked.

    Ignoring it instead would lose a Ctrl-C that comes in between. Does nothing in other threads than the main one.
    """
    if current_thread() is not main_thread():
        yield
        return
    came: list[int] = []
    with handling(lambda number, frame: came.append(number), number):  # another thread may still receive it
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [number]) if hasattr(signal, "pthread_sigmask") else None
        try:
            yield
        finally:
            if before is not None:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if came:
        signal.raise_signal(number)
