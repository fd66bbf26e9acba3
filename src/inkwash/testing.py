"""Checks for user-defined schedules, predictions, denoisers and solvers, to be called from tests.

Each check verifies the properties that the rest of inkwash relies on. The built-in objects pass the same checks:

    from inkwash.testing import check_solver

    def test_my_solver():
        check_solver(Leapfrog())

A check returns None, or raises LawBroken, whose message names the property, where it fails, and the values found.
"""

import math
from collections.abc import Sequence
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
    karras,
    target,
    trailing,
    x0_from,
)
from inkwash.denoise import Gaussian
from inkwash.errors import InkwashError, UsageError
from inkwash.sample import Solver, last, sample


class LawBroken(InkwashError):
    """An object violates a property that inkwash relies on."""


def check_schedule(schedule: Schedule, points: int = 50) -> None:
    """Checks that log SNR decreases with time, `from_logsnr` inverts `at`, and tensors of times agree with numbers."""
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
    """Checks that x₀ and ε can be recovered from the target and x, in float64, wherever the determinant allows."""
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
    """Checks that D preserves the shape, that D(c·x; c·α, c·σ) = D(x; α, σ), and that images do not affect each other.

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


def check_solver(solver: Solver, order: int | None = None, schedule: Schedule | None = None) -> None:
    """Checks that the solver samples Gaussian data, and that the facts on its class (`Solver`) are true.

    - Gaussian data at a plan's first level arrives at its last level with that level's mean and standard deviation, up
      to an error that falls by 2^order when the number of steps doubles. Without noise, each x follows the exact
      probability flow with such an error. Where `residual` is over 0, the error at 128 steps is at most that instead.
    - Noise is drawn only where `eta` is over 0, and at most `draws` times a step.
    - A step evaluates the denoiser at the levels that `evaluated_at` names; where `evaluations_known` is False, at as
      many or more.
    - A plan may begin at pure noise (α = 0) where `starts_at_pure_noise` says so; elsewhere the solver raises
      UsageError or ZeroDivisionError.

    `order` is the solver's own unless given; `schedule` is the continuous cosine schedule unless given. An object that
    states no facts is held to those of `Solver`. The solver's step must be affine in x, x̂₀ and the noise, as all are
    that do not choose their own step size.
    """
    of = schedule or Cosine()
    expected: int = getattr(solver, "order", Solver.order) if order is None else order
    residual: float = getattr(solver, "residual", 0.0)
    if residual > 0 and order is None:
        error = _error(solver, karras(of, min(128, of.num_timesteps or 128))[:-1])
        _hold(error <= residual, f"the error of a long plan is at most `residual`, {residual:.2g}: {error:.2g}")
    else:
        measured = order_of(solver, of)
        _hold(measured > expected - 0.2, f"the solver has order {expected}: {measured:.2f} was measured")
    _check_evaluations(solver, of)
    _check_start(solver)


def order_of(solver: Solver, schedule: Schedule | None = None) -> float:
    """The measured order of convergence, between 64 and 128 steps; infinite for a solver without error.

    The error is that of `check_solver`. Raises LawBroken where noise is drawn that `eta` does not announce.
    """
    of = schedule or Cosine()
    steps = min(64, (of.num_timesteps or 128) // 2)
    errors = [_error(solver, karras(of, n)[:-1]) for n in (steps, 2 * steps)]
    return convergence_order([steps, 2 * steps], errors) if errors[1] > 1e-12 else math.inf


def convergence_order(steps: Sequence[int], errors: Sequence[float]) -> float:
    """Minus the slope of log error on log steps, by least squares."""
    xs, ys = [math.log(n) for n in steps], [math.log(error) for error in errors]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    return -sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum((a - x) ** 2 for a in xs)


def _error(solver: Solver, plan: Plan) -> float:
    """How far N(m, s²) is from its exact mean and standard deviation at the plan's last level; without noise, how far
    two x are from the exact flow.

    Pixel 0 begins at 0 and pixel 1 at 1, without noise. Pixel 2 + k begins at 0, and of all noises has the k-th alone.
    """
    mean, std = 0.3, 0.5
    draws, each = 0, getattr(solver, "draws", 1)
    most = each * (len(plan) - 1)

    def noise(x: Tensor) -> Tensor:
        nonlocal draws
        draws += 1
        _hold(draws <= most, f"a solver draws noise at most {'once' if each == 1 else f'{each} times'} a step")
        return torch.zeros_like(x).index_fill_(0, torch.tensor([1 + draws]), 1.0)

    x = torch.zeros(2 + most, dtype=torch.float64)
    x[1] = 1
    ends: list[float] = last(sample(Gaussian(mean, std), x, plan, solver, noise)).tolist()
    zero, one, *others = ends
    _hold(draws == 0 or getattr(solver, "eta", 0.0) > 0, "a solver draws noise only where its eta is over 0")
    (alpha, sigma, _), (alpha_s, sigma_s, _) = as_floats(plan[0]), as_floats(plan[-1])
    before, after = math.hypot(alpha * std, sigma), math.hypot(alpha_s * std, sigma_s)
    if draws == 0:
        flow = (alpha_s * mean + (start - alpha * mean) * after / before for start in (0, 1))
        return max(abs(got - wanted) for got, wanted in zip((zero, one), flow, strict=True))
    scale = one - zero
    found = math.hypot(scale * before, *(other - zero for other in others))
    return max(abs(zero + scale * alpha * mean - alpha_s * mean), abs(found - after))


def _check_evaluations(solver: Solver, schedule: Schedule) -> None:
    if not hasattr(solver, "evaluated_at"):
        return
    plan, exact = karras(schedule, 5)[:-1], Gaussian(0.0, 0.5)
    asked: list[Level] = []

    def denoise(x: Tensor, level: Level) -> Tensor:
        asked.append(level)
        return exact(x, level)

    last(sample(denoise, torch.ones(1), plan, solver, torch.zeros_like))
    promised = [level for t, s in pairwise(plan) for level in solver.evaluated_at(t, s)]
    if not getattr(solver, "evaluations_known", True):
        _hold(
            len(asked) >= len(promised), f"a step asks at least as often as `evaluated_at` says: {len(promised)} times"
        )
        return
    _hold(asked == promised, f"a step asks the denoiser where `evaluated_at` says: {asked} instead of {promised}")


def _check_start(solver: Solver) -> None:
    begins = getattr(solver, "starts_at_pure_noise", Solver.starts_at_pure_noise)
    try:
        x = last(sample(Gaussian(0.0, 0.5), torch.ones(1), trailing(Cosine(), 4), solver, torch.zeros_like))
    except (UsageError, ZeroDivisionError):
        _hold(not begins, "a solver with `starts_at_pure_noise` begins at α = 0: it refused")
        return
    _hold(begins, "a solver without `starts_at_pure_noise` raises an error at α = 0: it did not")
    _hold(bool(x.isfinite().all()), "a solver with `starts_at_pure_noise` makes finite images from α = 0")


def _hold(holds: bool, law: str) -> None:
    if not holds:
        raise LawBroken(f"this law does not hold: {law}.")


def _close(got: float, wanted: float, law: str, tolerance: float) -> None:
    _hold(math.isclose(got, wanted, rel_tol=tolerance, abs_tol=tolerance), f"{law} (got {got}, expected {wanted})")
