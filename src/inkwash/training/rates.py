"""The learning rate at each step."""

import math

from inkwash.settings import Training


def rate(settings: Training, step: int, steps: int) -> float:
    """The learning rate at step `step` (counted from 0) of `steps`: linear warm-up, then decay as in `settings`."""
    warm = min(1.0, (step + 1) / max(settings.warmup, 1))
    done = min(1.0, max(0, step - settings.warmup) / max(steps - settings.warmup, 1))
    cosine, exponential = (1 + math.cos(math.pi * done)) / 2, math.exp(-done * math.log(10))
    falling = {"cosine": cosine, "linear": 1 - done, "exponential": exponential, "none": 1.0}
    return settings.lr * warm * falling[settings.decay]
