"""The only sampling loop. It owns the two rules that every solver shares."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from inkwash.core import Denoise, Level, Noise, Plan, as_floats, forward
from inkwash.sample.solver import Solver


class Snapshot(NamedTuple):
    """Where a walk stands: x [B,C,H,W] at `level`, after `step` edges of the plan."""

    step: int
    level: Level
    x: Tensor


def sample(denoise: Denoise, x: Tensor, plan: Plan, solver: Solver, noise: Noise) -> Iterator[Snapshot]:
    """Walks x along the plan and yields every moment, the first one included.

    Arriving at a clean level is x = denoise(x, t). When the next level is noisier, the forward kernel
    takes x there and the solver forgets, so that churn and time travel are edits of the plan.
    """
    memory = None
    yield Snapshot(0, plan[0], x)
    for step, (t, s) in enumerate(pairwise(plan), start=1):
        with torch.no_grad():  # not inference_mode: guidance by gradient turns grad on again inside
            if as_floats(s)[1] == 0:
                x, memory = denoise(x, t), None
            elif as_floats(s)[2] <= as_floats(t)[2]:
                x, memory = forward(x, t, s, noise(x)), None
            else:
                x, memory = solver.step(denoise, x, t, s, memory, noise)
        yield Snapshot(step, s, x)


def last(moments: Iterator[Snapshot]) -> Tensor:
    """The x that a walk ends with."""
    for snapshot in moments:
        x = snapshot.x
    return x
