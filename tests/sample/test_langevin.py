"""Langevin dynamics, annealed and as a corrector, against exact scores."""

from math import sqrt
from typing import Any

import pytest
import torch
from torch import Tensor

from inkwash.core import VE, Cosine, Level, Plan, Schedule, logsnr, prior
from inkwash.denoise import Gaussian, Mixture
from inkwash.errors import UsageError
from inkwash.sample import AnnealedLangevin, EulerMaruyama, PredictorCorrector, Solver, last, sample
from inkwash.sample.langevin import langevin
from inkwash.study.theory import spreads

COUNT = 1000
TWO = Mixture(torch.tensor([[[[-0.7]]], [[[0.5]]]]), torch.tensor([0.1, 0.15]), torch.tensor([0.3, 0.7]))
SOLVERS = {
    "euler-maruyama": (EulerMaruyama(), 500),
    "pc": (PredictorCorrector(), 300),
    "pc, two corrections": (PredictorCorrector(0.1, 2), 250),
    "langevin": (AnnealedLangevin(0.2, 50), 60),
}
each_solver = pytest.mark.parametrize(("solver", "steps"), SOLVERS.values(), ids=SOLVERS)


def noises(seed: int) -> Any:
    generator = torch.Generator().manual_seed(seed)
    return lambda x: torch.randn(x.shape, generator=generator, dtype=x.dtype)


def drawn(denoise: Any, plan: Plan, solver: Solver, seed: int = 1) -> Tensor:
    noise = noises(seed)
    return last(sample(denoise, prior(noise, plan[0], torch.empty(COUNT, 1, 1, 1)), plan, solver, noise)).flatten()


@each_solver
@pytest.mark.parametrize("schedule", [VE(0.01, 20.0), Cosine()], ids=["VE", "VP"])
def test_a_gaussian_has_its_mean_and_spread(schedule: Schedule, solver: Solver, steps: int) -> None:
    """Within three standard errors."""
    mean, std = 0.3, 0.4
    x = drawn(Gaussian(mean, std), logsnr(schedule, steps), solver)
    assert abs(x.mean() - mean) < 3 * std / sqrt(COUNT)
    assert abs(x.std() - std) < 3 * std / sqrt(2 * COUNT)


@each_solver
@pytest.mark.parametrize("schedule", [VE(0.01, 20.0), Cosine()], ids=["VE", "VP"])
def test_a_mixture_has_its_modes(schedule: Schedule, solver: Solver, steps: int) -> None:
    """Their weights, means and spreads, within three standard errors. Scores alone say nothing of far modes' weights
    (Song & Ermon 2019, section 3.2.2); the noisy levels do."""
    x = drawn(TWO, logsnr(schedule, steps), solver)
    for side, mean, std, weight in ((x < -0.1, -0.7, 0.1, 0.3), (x >= -0.1, 0.5, 0.15, 0.7)):
        mode = x[side]
        assert abs(len(mode) / COUNT - weight) < 3 * sqrt(weight * (1 - weight) / COUNT)
        assert abs(mode.mean() - mean) < 3 * std / sqrt(len(mode))
        assert abs(mode.std() - std) < 3 * std / sqrt(2 * len(mode))


@each_solver
@pytest.mark.parametrize("schedule", [VE(0.01, 20.0), Cosine()], ids=["VE", "VP"])
def test_the_spread_is_exact_but_for_a_percent(schedule: Schedule, solver: Solver, steps: int) -> None:
    """In closed form, without chance."""
    data = torch.tensor([0.1, 0.4, 1.0], dtype=torch.float64)
    found = spreads(solver, logsnr(schedule, steps), data)
    assert ((found / data - 1).abs() < 0.03).all(), found


def test_without_noisy_levels_the_weights_are_wrong() -> None:
    """Langevin dynamics at one low level keeps the modes as they began: the test above can fail."""
    low = Level(0.0, 1.0, 0.05)
    noise = noises(1)
    x = torch.cat([torch.full((COUNT // 2, 1, 1, 1), -0.7), torch.full((COUNT // 2, 1, 1, 1), 0.5)])
    for _ in range(100):
        x = langevin(TWO, x, low, 0.16, noise)
    assert abs(float((x < -0.1).float().mean()) - 0.5) < 0.02


@pytest.mark.parametrize("snr", [0.05, 0.3])
def test_a_step_leaves_a_gaussian_as_it_is_but_for_its_known_bias(snr: float) -> None:
    """On x ~ N(0, v) a step multiplies by 1 − c, c = 2r²σ²/v, and adds variance 4r²σ²: it settles at v/(1 − c/2)."""
    std, level = 0.5, Level(0.3, 0.8, 0.6)
    v = (0.8 * std) ** 2 + 0.36
    gain = 1 - 2 * snr**2 * 0.36 / v
    x = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    moved = langevin(Gaussian(0.0, std), x, level, snr, torch.zeros_like)
    kick = langevin(Gaussian(0.0, std), 0 * x, level, snr, torch.ones_like)
    assert moved.item() == pytest.approx(gain)
    assert kick.item() == pytest.approx(2 * snr * 0.6)
    total = kick.item() ** 2 / (1 - gain**2)
    assert total == pytest.approx(v / (1 - snr**2 * 0.36 / v))


def test_the_papers_step_size_is_a_ratio() -> None:
    """NCSN's α_i = ε·σ_i²/σ_L² with ε = 2·10⁻⁵ and σ_L = 0.01 (their section 5): x + (α/2)·score + √α·z."""
    alpha, sigma = 2e-5 * 0.5**2 / 0.01**2, 0.5
    level, x, z = Level(0.5, 1.0, sigma), torch.tensor([[[[0.7]]]]).double(), torch.tensor([[[[-1.3]]]]).double()
    score = -(x - Gaussian(0.2, 0.4)(x, level)) / sigma**2
    got = langevin(Gaussian(0.2, 0.4), x, level, sqrt(0.05), lambda x: z)
    torch.testing.assert_close(got, x + alpha / 2 * score + sqrt(alpha) * z)
    assert AnnealedLangevin().snr == pytest.approx(sqrt(0.05), abs=1e-3)


def test_annealing_keeps_the_image_from_level_to_level() -> None:
    """x/α is carried on, so that only noise is to be taken away (their algorithm 1)."""
    t, s = (Cosine().at(time) for time in (0.6, 0.4))
    x = torch.randn(3, 1, 2, 2, dtype=torch.float64)
    solver = AnnealedLangevin(1e-6, 1)
    moved, memory = solver.step(Gaussian(0.0, 0.5), x, t, s, None, torch.zeros_like)
    torch.testing.assert_close(moved / s.alpha, x / t.alpha)
    assert memory is None


def test_a_corrector_repairs_a_predictor() -> None:
    """At few levels the spread is nearer to the data's with Langevin steps than without."""
    plan, std = logsnr(VE(0.01, 20.0), 30), 0.4
    plain, corrected = (
        abs(float(drawn(Gaussian(0.0, std), plan, solver).std()) - std)
        for solver in (EulerMaruyama(), PredictorCorrector(0.3, 2))
    )
    assert corrected < plain


@pytest.mark.parametrize("solver", [AnnealedLangevin, PredictorCorrector])
def test_numbers_out_of_range_are_refused(solver: Any) -> None:
    for snr in (0.0, 1.0, -0.1, float("nan")):
        with pytest.raises(UsageError, match="`snr` is the signal-to-noise ratio r of a Langevin step"):
            solver(snr=snr)
    with pytest.raises(UsageError, match="`corrections` counts Langevin steps, at least 1"):
        solver(corrections=0)
