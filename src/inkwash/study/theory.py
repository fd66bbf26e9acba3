"""Theory: the spread of the images that a solver draws for Gaussian data, in closed form.

For Gaussian data the exact denoiser is linear in x, so a step of a solver is x ← A·x + B·z, separately in each
principal direction of the data. The result is a sum of the initial noise and the noises of the steps, each times a
coefficient that follows from the steps, and its variance is the sum of the squared coefficients, exactly.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from inkwash.core import Plan, as_floats, forward, marginal_std
from inkwash.data import to_float
from inkwash.denoise import Gaussian
from inkwash.sample import Solver
from inkwash.sample.solver import fact

IMAGES = 2000  # number of images used to estimate the principal directions of the data


@dataclass(frozen=True)
class Forecast:
    """Predicted statistics of generated images, for Gaussian data with the principal directions of the real data."""

    spread: float  # total standard deviation as a multiple of the data's: 1 is right; nan if the data's is 0
    frechet: float  # Fréchet distance to the data in pixels: Σ(std_out − std)²
    unit_error: float  # the measured spread of n such images has a standard error of unit_error/√(n − 1)


def stds(pixels: Tensor) -> Tensor:
    """The data's standard deviations along its principal directions, float64 [K], from uint8 [N,C,H,W].

    K is the smaller of C·H·W and N − 1, and N at most 2,000 of the images.
    """
    x = to_float(pixels[:IMAGES]).double().flatten(1)
    singular: Tensor = torch.linalg.svdvals((x - x.mean(0)) / (len(x) - 1) ** 0.5)
    return singular[: min(len(x) - 1, x.shape[1])]


def predict(solver: Solver, plan: Plan, data: Tensor) -> Forecast:
    """Predicts the output of a solver for Gaussian data of standard deviations `data` [K] with the exact denoiser."""
    out = spreads(solver, plan, data)
    total, variances = float(data.square().sum().sqrt()), out.square()
    # the trace of the sample covariance of n Gaussian images has variance 2·Σλ²/(n − 1); this is half its root's
    spread = variances.sum().sqrt()
    unit_error = (variances.square().sum() / 2).sqrt() / spread
    if total == 0:  # images that are all alike have no spread to compare with
        return Forecast(math.nan, float(variances.sum()), math.nan)
    return Forecast(float(spread) / total, float((out - data).square().sum()), float(unit_error) / total)


def spreads(solver: Solver, plan: Plan, data: Tensor) -> Tensor:
    """The standard deviations [K] of the output, where the data has `data` [K], float64.

    Applies to any solver whose steps are linear in (x, memory, noise), which draws noise at most `draws` times per
    step, and whose memory consists of tensors like x and numbers, in tuples, lists or dictionaries.
    """
    denoise = Gaussian(0.0, data)
    x, memory = torch.ones_like(data)[None] * float(marginal_std(plan[0])), None  # a row for each independent noise
    for t, s in pairwise(plan):
        if as_floats(s)[1] == 0:
            x, memory = denoise(x, t), None
        elif as_floats(s)[2] <= as_floats(t)[2]:
            x = _with_rows(x, 1)
            x, memory = forward(x, t, s, _Noises(1)(x)), None
        else:
            draws: int = fact(solver, "draws")
            x, memory = tree_map(lambda each: _with_rows(each, draws), (x, memory))  # noqa: B023 called at once
            x, memory = solver.step(denoise, x, t, s, memory, _Noises(draws))
        if memory is None:  # then the noises need not be kept apart
            x = x.square().sum(0, keepdim=True).sqrt()
    return x.square().sum(0).sqrt()


def _with_rows(x: Any, draws: int) -> Any:
    """Appends rows of zeros to a tensor, for the noises of the next step; returns anything else unchanged."""
    return torch.cat([x, torch.zeros_like(x[:1]).expand(draws, *x.shape[1:])]) if isinstance(x, Tensor) else x


class _Noises:
    """The noises of a step, each represented by one of the last `draws` rows only."""

    def __init__(self, draws: int) -> None:
        self._row = -draws

    def __call__(self, x: Tensor) -> Tensor:
        z = torch.zeros_like(x)
        z[self._row] = 1
        self._row += 1
        return z
