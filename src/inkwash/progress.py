"""Progress bars for work that takes longer than half a second, on standard error or as notebook widgets."""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from inkwash.distributed import is_main_process
from inkwash.settings import Sampling

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # tqdm warns in a notebook without ipywidgets
    from tqdm.auto import tqdm


def bar(total: int | None, unit: str, disable: bool = False, scale: bool = False) -> "tqdm[NoReturn]":
    """A progress bar with counts and remaining time; `scale` abbreviates counts with k and M."""
    count = "{percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt}"
    shape = f"{count} {unit}, {{elapsed}} gone, {{remaining}} left{{postfix}}"
    return tqdm(
        total=total, file=sys.stderr, disable=disable, dynamic_ncols=True, bar_format=shape, smoothing=0.05, delay=0.5,
        unit_scale=scale,
    )  # fmt: skip


@contextmanager
def images_bar(sampling: Sampling, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """A bar over the images of a request. Yields a function to call with the batch size after each sampling step."""
    done = 0

    def on_images(images: int) -> None:
        nonlocal done
        done += images
        drawn.update(done // sampling.steps - drawn.n)

    with bar(sampling.n, "images", disable=not (shown and is_main_process())) as drawn:
        yield on_images


@contextmanager
def steps_bar(total: int) -> Iterator[Callable[[int], None]]:
    """A bar over steps of sampling. Yields a function to call with the number of steps that were made."""
    with bar(total, "steps", disable=not is_main_process()) as shown:

        def on_steps(steps: int) -> None:
            shown.update(steps)

        yield on_steps


@contextmanager
def classifier_bar(shown: bool = True) -> Iterator[Callable[[int, int], None]]:
    """A bar that appears if a classifier must be trained. Yields a function to call with (step, number of steps)."""
    made = None

    def on_step(step: int, steps: int) -> None:
        nonlocal made
        if made is None:
            visible = shown and is_main_process()
            if visible:
                sys.stderr.write(
                    "training a classifier of these images for their scores; it is kept for the next time\n"
                )
            made = bar(steps, "steps", disable=not visible)
        made.update(step - made.n)

    try:
        yield on_step
    finally:
        if made is not None:
            made.close()


def duration(seconds: float) -> str:
    """A time in words, as "2 h 05 min", "12 min" or "40 s"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60:,} h {minutes % 60:02} min"
