"""What theory predicts: the spread of images that a solver makes of Gaussian data, in closed form.

For Gaussian data the exact denoiser is linear in x, so a step of a solver is x ← A·x + B·z, for each principal
direction of the data by itself, and variances follow var ← A²·var + B², exactly.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from inkwash.core import Plan, drift, numbers, spread
from inkwash.data import to_float
from inkwash.denoise import Gaussian
from inkwash.sample import Solver

IMAGES = 2000  # the principal directions of so many images stand for those of the data


@dataclass(frozen=True)
class Prediction:
    """How Gaussian data with the principal directions of the real data would come out."""

    spread: float  # total standard deviation as a multiple of the data's: 1 is right
    frechet: float  # Fréchet distance to the data in pixels: Σ(std_out − std)²
    wobble: float  # the measured spread of n such images has a standard error of wobble/√(n − 1)


def stds(pixels: Tensor) -> Tensor:
    """The data's standard deviations along its principal directions, float64 [K], from uint8 [N,C,H,W].

    K is the smaller of C·H·W and N − 1, and N at most 2,000 of the images.
    """
    x = to_float(pixels[:IMAGES]).double().flatten(1)
    found: Tensor = torch.linalg.svdvals((x - x.mean(0)) / (len(x) - 1) ** 0.5)
    return found[: min(len(x) - 1, x.shape[1])]


def predict(solver: Solver, plan: Plan, data: Tensor) -> Prediction:
    """What a solver makes of Gaussian data of standard deviations `data` [K], with its exact denoiser."""
    out = spreads(solver, plan, data)
    total, variances = float(data.square().sum().sqrt()), out.square()
    # the trace of the sample covariance of n Gaussian images has variance 2·Σλ²/(n − 1); this is half its root's
    wobble = float((variances.square().sum() / 2).sqrt() / variances.sum().sqrt()) / total
    return Prediction(float(variances.sum().sqrt()) / total, float((out - data).square().sum()), wobble)


def spreads(solver: Solver, plan: Plan, data: Tensor) -> Tensor:
    """The standard deviations [K] that come out where the data has `data` [K], float64.

    For any solver whose steps are linear in (x, memory, noise), and which draws noise at most once a step, and none if
    it remembers.
    """
    denoise = Gaussian(0.0, data)
    zero, one = torch.zeros_like(data), torch.ones_like(data)
    x, memory = one * float(spread(plan[0])), None  # a standard deviation; where a solver remembers, an x that has it
    for t, s in pairwise(plan):
        if numbers(s)[1] == 0:
            x, memory = denoise(x, t), None
        elif numbers(s)[2] <= numbers(t)[2]:
            gain, std = numbers(s)[0] / numbers(t)[0], numbers(s)[1] * math.sqrt(drift(t, s))
            x, memory = torch.hypot(gain * x, std * one), None
        else:
            x, memory = solver.step(denoise, x, t, s, memory, lambda x: zero)
            if memory is None:
                added, _ = solver.step(denoise, zero, t, s, None, lambda x: one)
                x = torch.hypot(x, added)
    return x.abs()
