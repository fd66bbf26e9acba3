"""How often a training does something: every N steps, after each pass over the images, or after chosen passes."""

import math
import re

from inkwash.errors import UsageError

NEVER = "none"


def check(every: str | int) -> str | int:
    """Returns `every` if it is N, "N steps", "epoch", epochs such as "1,5,10", or "none". Raises UsageError if not."""
    text = str(every).lower()
    steps = re.fullmatch(r"(\d{1,9}) ?(steps)?", text)
    epochs = re.fullmatch(r"\d{1,9}(,\d{1,9})+", text)
    if isinstance(every, bool) or not (
        text in (NEVER, "epoch") or (steps and int(steps[1])) or (epochs and all(map(int, text.split(","))))
    ):
        raise UsageError(
            f"`preview_every` is a number of steps, epoch, two or more epochs such as 1,5,10, or none (got {every!r})."
        )
    return every


def is_on(every: str | int) -> bool:
    """Whether it is ever done."""
    return str(every).lower() != NEVER


def is_due(every: str | int, step: int, images: int, batch_size: int) -> bool:
    """Whether it is done after `step` steps, counted from 1, of so many images each, of a training on `images` images.

    An epoch ends with the step in which the last of its images is seen.
    """
    text = str(every).lower()
    if not is_on(text) or step < 1:
        return False
    if text[0].isdigit() and "," not in text:
        return step % int(text.split("s")[0]) == 0
    if text == "epoch":
        return step * batch_size // images > (step - 1) * batch_size // images
    return any(_end(int(epoch), images, batch_size) == step for epoch in text.split(","))


def times(every: str | int, steps: int, images: int, batch_size: int) -> int:
    """How often it is done in a training of so many steps."""
    text = str(every).lower()
    if not is_on(text):
        return 0
    if text == "epoch":
        return len({_end(epoch, images, batch_size) for epoch in range(1, steps * batch_size // images + 1)})
    if "," in text:
        return len({end for each in text.split(",") if (end := _end(int(each), images, batch_size)) <= steps})
    return steps // int(text.split("s")[0])


def _end(epoch: int, images: int, batch_size: int) -> int:
    return math.ceil(epoch * images / batch_size)
