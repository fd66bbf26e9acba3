"""Laws that your own schedule, prediction, denoiser or solver should keep; a test of yours may call them.

Each check returns nothing, or raises Broken with the law, the place and the numbers.
"""

import math
from fractions import Fraction
from itertools import pairwise

import torch
from torch import Tensor

from inkwash.core import (
    Cosine,
    Denoise,
    Level,
    Plan,
    Prediction,
    Schedule,
    as_floats,
    eps_from,
    linspace,
    target,
    x0_from,
)
from inkwash.denoise import Gaussian
from inkwash.errors import InkwashError
from inkwash.sample import Solver


class LawBroken(InkwashError):
    """A law does not hold."""


def check_schedule(schedule: Schedule, points: int = 50) -> None:
    """log SNR falls with time, `from_logsnr` undoes `at`, and tensors of times give what numbers do."""
    positions = [schedule.first + (1 - schedule.first) * Fraction(i, points) for i in range(points)]
    times = sorted({schedule.time(position) for position in positions})
    levels = [schedule.at(t) for t in times]
    together = schedule.at(torch.tensor(times))
    for before, after in pairwise(levels):
        _hold(as_floats(after)[2] < as_floats(before)[2], f"log SNR falls with time, from t = {before.t} to {after.t}")
    for i, (t, level) in enumerate(zip(times, levels, strict=True)):
        alpha, sigma, logsnr = as_floats(level)
        _hold(alpha >= 0 and sigma > 0, f"α >= 0 and σ > 0 at t = {t}: α = {alpha}, σ = {sigma}")
        if alpha == 0:
            continue
        found = as_floats(schedule.from_logsnr(logsnr))
        _close(found[2], logsnr, f"from_logsnr(at(t).logsnr) has that log SNR, at t = {t}", 1e-9)
        _close(float(schedule.from_logsnr(logsnr).t), float(t), f"from_logsnr(at(t).logsnr).t is t = {t}", 1e-6)
        _close(float(torch.as_tensor(together.alpha)[i]), alpha, f"at(tensor).alpha is at(number)'s, at t = {t}", 1e-5)
        _close(float(torch.as_tensor(together.sigma)[i]), sigma, f"at(tensor).sigma is at(number)'s, at t = {t}", 1e-5)


def check_prediction(prediction: Prediction, schedule: Schedule | None = None) -> None:
    """x₀ and ε come back from the target and x, in float64, wherever the determinant allows."""
    generator = torch.Generator().manual_seed(0)
    x0, eps = torch.randn(2, 1000, dtype=torch.float64, generator=generator)
    of = schedule or Cosine()
    for share in (0.01, 0.2, 0.5, 0.8, 0.99):
        level = of.at(of.time(Fraction(share).limit_denominator(1000)))
        x = level.alpha * x0 + level.sigma * eps
        output = target(prediction, x0, eps, level)
        for name, got, wanted in (
            ("x₀", x0_from(prediction, output, x, level), x0),
            ("ε", eps_from(prediction, output, x, level), eps),
        ):
            apart = (got - wanted).abs().max().item()
            _hold(apart < 1e-9, f"{name} comes back from the target, at t = {level.t}: {apart:.1e} apart")


def check_denoiser(denoise: Denoise, x: Tensor, level: Level, tolerance: float = 1e-4) -> None:
    """D keeps the shape, D(c·x; c·α, c·σ) = D(x; α, σ), and each image is denoised by itself.

    `x` [B,C,H,W] with B >= 2 is a batch at `level`.
    """
    with torch.no_grad():
        x0 = denoise(x, level)
        _hold(x0.shape == x.shape, f"a denoised batch keeps its shape: {tuple(x.shape)} became {tuple(x0.shape)}")
        _hold(bool(x0.isfinite().all()), "a denoised batch is finite")
        for c in (0.25, 3.0):
            scaled = denoise(c * x, Level(level.t, c * level.alpha, c * level.sigma))
            apart = (scaled - x0).abs().max().item()
            _hold(apart < tolerance, f"D(c·x; c·α, c·σ) = D(x; α, σ) for c = {c}: {apart:.1e} apart")
        apart = (denoise(x.flip(0), level).flip(0) - x0).abs().max().item()
        _hold(apart < tolerance, f"an image is denoised alike wherever it stands in the batch: {apart:.1e} apart")


def check_solver(solver: Solver, order: int = 1, schedule: Schedule | None = None) -> None:
    """A deterministic solver follows the probability flow of N(0, ½²) with an error that falls by 2^order."""
    of, exact = schedule or Cosine(), Gaussian(0.0, 0.5)
    x = torch.ones(1, dtype=torch.float64)
    errors = []
    for steps in (64, 128):
        plan = linspace(of, 2 * steps)[steps:-1]  # from the middle to the last level with noise
        got, memory = x, None
        for t, s in pairwise(plan):
            got, memory = solver.step(exact, got, t, s, memory, torch.zeros_like)
        errors.append(abs(got.item() - _flow(plan)))
    if errors[1] > 1e-13:
        measured = math.log2(errors[0] / errors[1])
        _hold(measured > order - 0.2, f"the solver has order {order}: {measured:.2f} was measured, errors {errors}")


def _flow(plan: Plan) -> float:
    """Where the exact flow of N(0, ½²) takes x = 1: it keeps x in units of its spread."""
    first, last = (math.hypot(as_floats(level)[0] * 0.5, as_floats(level)[1]) for level in (plan[0], plan[-1]))
    return last / first


def _hold(holds: bool, law: str) -> None:
    if not holds:
        raise LawBroken(f"this law does not hold: {law}.")


def _close(got: float, wanted: float, law: str, tolerance: float) -> None:
    _hold(math.isclose(got, wanted, rel_tol=tolerance, abs_tol=tolerance), f"{law} (got {got}, expected {wanted})")
