"""Means of a run's recorded training losses."""

import math
from collections.abc import Sequence


def mean_loss(history: Sequence[tuple[int, float]], first: int, last: int) -> float:
    """The mean training loss of the steps after `first` up to `last`; inf if none is recorded.

    `history` has (step, mean loss since the entry before). An entry that lies partly in the interval counts in part.
    """
    total, counted, before = 0.0, 0, 0
    for step, loss in history:
        within = min(step, last) - max(before, first)
        if within > 0:
            total, counted = total + within * loss, counted + within
        before = step
    return total / counted if counted else math.inf
