"""The sampling loop, with the two rules that all solvers share."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from inkwash.core import Denoise, Level, Noise, Plan, as_floats, forward
from inkwash.sample.solver import Solver


class Snapshot(NamedTuple):
    """The state of sampling: x [B,C,H,W] at `level`, after `step` edges of the plan."""

    step: int
    level: Level
    x: Tensor


def sample(denoise: Denoise, x: Tensor, plan: Plan, solver: Solver, noise: Noise) -> Iterator[Snapshot]:
    """Moves x along the plan and yields a Snapshot at every level, including the first.

    The step to a clean level is x = denoise(x, t). If the next level is noisier, the forward kernel adds the noise
    and the solver's memory is reset, so that churn and time travel are only changes of the plan.
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


def denoising_edges(plan: Plan) -> list[tuple[Level, Level]]:
    """The edges of a plan that evaluate the network: those towards less noise."""
    return [(t, s) for t, s in pairwise(plan) if as_floats(s)[2] > as_floats(t)[2]]


def last(moments: Iterator[Snapshot]) -> Tensor:
    """The final x of a sequence of snapshots."""
    for snapshot in moments:
        x = snapshot.x
    return x
