"""What shows how far something is, and lets it end well."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import environ
from threading import Event
from types import FrameType
from typing import NoReturn

from tqdm import tqdm

from inkwash.errors import InkwashError
from inkwash.settings import Sampling
from inkwash.signals import handling


@contextmanager
def walk(sampling: Sampling) -> Iterator[Callable[[int], None]]:
    """A bar over images; yields what is called after each step of a batch, with the images in it."""
    done = 0

    def tick(images: int) -> None:
        nonlocal done
        done += images
        shown.update(done // sampling.steps - shown.n)

    with bar(sampling.n, "images", not is_main()) as shown:
        yield tick


def bar(total: int, unit: str, quiet: bool = False, scale: bool = False) -> "tqdm[NoReturn]":
    """A bar on standard error with the time left; `scale` writes counts with k and M."""
    count = "{percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt}"
    shape = f"{count} {unit}, {{elapsed}} gone, {{remaining}} left{{postfix}}"
    return tqdm(
        total=total, file=sys.stderr, disable=quiet, dynamic_ncols=True, bar_format=shape, smoothing=0.05, delay=0.5,
        unit_scale=scale,
    )  # fmt: skip


@contextmanager
def finishing_steps(stop: Event) -> Iterator[None]:
    """Inside, Ctrl-C and SIGTERM set `stop` instead of breaking a step; a second one is not waited for."""

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        print("\nstopping after this step; once more to stop at once", file=sys.stderr)

    with handling(ask, signal.SIGINT, signal.SIGTERM):
        yield


@contextmanager
def interrupting() -> Iterator[None]:
    """Inside, SIGTERM ends the work as Ctrl-C does."""

    def ask(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with handling(ask, signal.SIGTERM):
        yield


@contextmanager
def keeping(again: str) -> Iterator[None]:
    """Inside, Ctrl-C and SIGTERM end the work with a sentence on how to go on."""
    try:
        with interrupting():
            yield
    except KeyboardInterrupt:
        raise InkwashError(f"stopped; what was finished is kept. Go on with: {again}") from None


@contextmanager
def learning() -> Iterator[Callable[[int, int], None]]:
    """A bar that shows once the classifier must be trained; yields its tick."""
    shown = None

    def tick(step: int, steps: int) -> None:
        nonlocal shown
        if shown is None:
            say("training the classifier that images are compared by; it is kept for the next time")
            shown = bar(steps, "steps", not is_main())
        shown.update(step - shown.n)

    try:
        yield tick
    finally:
        if shown is not None:
            shown.close()


def is_main() -> bool:
    """Under torchrun only the first process speaks and writes."""
    return environ.get("RANK", "0") == "0"


def say(words: str) -> None:
    if is_main():
        print(words, file=sys.stderr)
