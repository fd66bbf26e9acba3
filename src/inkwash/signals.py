"""Context managers that handle Ctrl-C, SIGTERM and SIGHUP during long work."""

import os
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread, current_thread, main_thread
from types import FrameType

from inkwash.errors import Stopped

_HANGUP = getattr(signal, "SIGHUP", None)  # not on Windows
ENDING = (signal.SIGTERM,) if _HANGUP is None else (signal.SIGTERM, _HANGUP)  # ask a process to end
Handler = Callable[[int, FrameType | None], object] | signal.Handlers


@contextmanager
def handling(handler: Handler, *numbers: int) -> Iterator[None]:
    """Installs `handler` for these signals inside the block. Has no effect outside the main thread."""
    if current_thread() is not main_thread():
        yield
        return
    ignored = _HANGUP is not None and signal.getsignal(_HANGUP) == signal.SIG_IGN  # by nohup
    before = {number: signal.signal(number, handler) for number in numbers if not (ignored and number == _HANGUP)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def belong_to_parent() -> None:
    """Makes this process, which another one started, ignore Ctrl-C and hang-ups, and end with the other.

    A terminal sends these signals to all its processes; the parent handles them, and ends this one.
    """
    from multiprocessing import parent_process  # imported here, since commands that only draw start faster without
    from multiprocessing.connection import wait

    for number in (signal.SIGINT, *(() if _HANGUP is None else (_HANGUP,))):
        signal.signal(number, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def end_with(sentinel: int) -> None:
        wait([sentinel])
        os._exit(1)

    Thread(target=end_with, args=(parent.sentinel,), daemon=True).start()


@contextmanager
def finishing_step(stop: Event) -> Iterator[None]:
    """Inside the block, Ctrl-C and signals to end set `stop`, so the current step finishes; a second one interrupts it.

    Signals to end are SIGTERM, and SIGHUP, which comes when the terminal is closed.
    """

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        try:
            sys.stderr.write("\nstopping after this step; once more to stop at once\n")
            sys.stderr.flush()
        except OSError:  # the terminal is gone
            _without_terminal()

    with handling(ask, signal.SIGINT, *ENDING):
        yield


def _without_terminal() -> None:
    """Sends what would be printed to a terminal that is gone nowhere, so that printing does not fail."""
    for number in (1, 2):
        if stat.S_ISCHR(os.fstat(number).st_mode):
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)


@contextmanager
def resumable() -> Iterator[None]:
    """Inside the block, Ctrl-C, SIGTERM and SIGHUP raise `Stopped`. For work that saves its finished parts to disk."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        if number == _HANGUP:
            _without_terminal()
        raise KeyboardInterrupt

    try:
        with handling(interrupt, *ENDING):
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
