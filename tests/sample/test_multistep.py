"""The coefficients of the multistep solvers, from numerical integrals of polynomials and of the exact flow."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from inkwash.core import Cosine, Flow, Level, as_floats, trailing
from inkwash.core.kernel import drift
from inkwash.denoise import Gaussian
from inkwash.sample import DDIM, DEIS, IPNDM, EulerMaruyama, Solver, UniPC, last, sample
from inkwash.sample.exponential import falling, half_logsnr, interpolated
from inkwash.sample.ipndm import _ADAMS_BASHFORTH

NODES, WEIGHTS = np.polynomial.legendre.leggauss(40)
LEVELS = [Cosine().at(t) for t in (0.7, 0.62, 0.53, 0.45)]  # strides in λ and σ/α that the bound leaves alone
XS = torch.tensor([0.8, -0.3], dtype=torch.float64)
PULLS = torch.tensor([[0.2, -0.5], [0.9, 0.1], [-0.4, 0.3]], dtype=torch.float64)


def integral(function, low: float, high: float) -> float:
    return float((high - low) / 2 * (WEIGHTS * function((high - low) / 2 * NODES + (high + low) / 2)).sum())


def through(places: list[float], values: list[float]):
    return np.poly1d(np.polyfit(places, values, len(places) - 1))


@pytest.mark.parametrize("h", [1e-6, 0.01, 0.5, 3.0, 12.0])
def test_moments(h: float) -> None:
    for k, moment in enumerate(falling(h, 4)):
        assert moment == pytest.approx(integral(lambda v, k=k: h * np.exp(h * (v - 1)) * v**k, 0, 1), rel=1e-12)
    assert falling(math.inf, 3) == [1.0, 1.0, 1.0]


def test_weights_are_those_of_the_polynomial_through_the_outputs() -> None:
    places, values = [0.0, -0.8, -1.9, 1.0], [0.3, -1.2, 0.5, 2.0]
    moments = falling(0.7, 4)
    got = sum(w * value for w, value in zip(interpolated(places, moments), values, strict=True))
    line = through(places, values)
    assert got == pytest.approx(integral(lambda v: 0.7 * np.exp(0.7 * (v - 1)) * line(v), 0, 1), rel=1e-10)


def walked(solver: Solver, pulls: Tensor, levels: list[Level]) -> list[Tensor]:
    """x at each level, where x̂₀ at the i-th level is pulls[i] whatever x is."""
    told = {id(level): pull for level, pull in zip(levels, pulls, strict=False)}
    moments = sample(lambda x, level: told[id(level)], XS, levels, solver, torch.zeros_like)
    return [moment.x for moment in moments]


def exact(x: Tensor, t: Level, s: Level, polynomials: list[np.poly1d]) -> Tensor:
    """The flow over λ with x̂₀(λ) given, by quadrature."""
    (_, sigma_t, _), (alpha_s, sigma_s, _) = as_floats(t), as_floats(s)
    a, b = half_logsnr(t), half_logsnr(s)
    pulled = [alpha_s * integral(lambda lam, p=p: np.exp(lam - b) * p(lam), a, b) for p in polynomials]
    return sigma_s / sigma_t * x + torch.tensor(pulled, dtype=torch.float64)


def test_unipc_corrects_by_the_parabola_and_predicts_by_half_the_difference() -> None:
    _, second, _, last_x = walked(UniPC(), PULLS, LEVELS)
    lams = [half_logsnr(level) for level in LEVELS]
    h = lams[1] - lams[0]
    (_, sigma_0, _), (alpha_1, sigma_1, _), _, (alpha_3, sigma_3, _) = map(as_floats, LEVELS)
    x1 = sigma_1 / sigma_0 * XS - alpha_1 * math.expm1(-h) * (PULLS[0] + PULLS[1]) / 2  # UniC-1
    assert not torch.allclose(x1, second)  # which is UniP-1's, before the correction
    parabolas = [through(lams[:3], PULLS[:, i].tolist()) for i in range(2)]
    x2 = exact(x1, LEVELS[1], LEVELS[2], parabolas)  # UniC-2
    h, back = lams[3] - lams[2], lams[2] - lams[1]
    ahead = PULLS[2] + h / (2 * back) * (PULLS[2] - PULLS[1])  # UniP-2
    x3 = sigma_3 / as_floats(LEVELS[2])[1] * x2 - alpha_3 * math.expm1(-h) * ahead
    torch.testing.assert_close(last_x, x3, rtol=1e-10, atol=1e-10)


def test_deis_integrates_the_parabola_of_eps_over_sigma_by_alpha() -> None:
    xs = walked(DEIS(), PULLS, LEVELS)
    rhos = [sigma / alpha for alpha, sigma, _ in map(as_floats, LEVELS)]
    eps = [(x - as_floats(t)[0] * pull) / as_floats(t)[1] for x, pull, t in zip(xs, PULLS, LEVELS, strict=False)]
    for n in (1, 2, 3):
        (alpha_t, _, _), (alpha_s, _, _) = as_floats(LEVELS[n - 1]), as_floats(LEVELS[n])
        lines = [through(rhos[:n], [each[i].item() for each in eps[:n]]) for i in range(2)]
        moved = torch.tensor([integral(line, rhos[n - 1], rhos[n]) for line in lines], dtype=torch.float64)
        torch.testing.assert_close(xs[n], alpha_s * (xs[n - 1] / alpha_t + moved), rtol=1e-10, atol=1e-10)


def test_ipndms_coefficients_are_integrals_over_equal_strides() -> None:
    for n, row in enumerate(_ADAMS_BASHFORTH, start=1):
        for j, coefficient in enumerate(row):
            line = through([-float(i) for i in range(n)], [float(i == j) for i in range(n)])
            assert coefficient == pytest.approx(integral(line, 0, 1), abs=1e-10)


@pytest.mark.parametrize("solver", [UniPC(), DEIS(), IPNDM()], ids=repr)
def test_the_step_after_pure_noise_extrapolates_nothing(solver: Solver) -> None:
    plan = trailing(Flow(), 10)[:2]
    assert plan[0].alpha == 0
    oracle = Gaussian(0.3, 0.5)
    ours, ddim = (last(sample(oracle, XS, plan, each, torch.zeros_like)) for each in (solver, DDIM()))
    torch.testing.assert_close(ours, ddim)


def test_euler_maruyama_has_the_increments_of_the_forward_kernel() -> None:
    """VP with one row: (2 − √(1 − β))·x + β·score + √β·z."""
    t, s = LEVELS[0], LEVELS[1]
    beta = 1 - (as_floats(t)[0] / as_floats(s)[0]) ** 2
    assert as_floats(t)[1] ** 2 * drift(s, t) == pytest.approx(beta)
    oracle, z = Gaussian(0.3, 0.5), torch.tensor([0.4, -1.0], dtype=torch.float64)
    mean, variance = as_floats(t)[0] * 0.3, (as_floats(t)[0] * 0.5) ** 2 + as_floats(t)[1] ** 2
    score = -(XS - mean) / variance
    got = last(sample(oracle, XS, [t, s], EulerMaruyama(), lambda x: z))
    torch.testing.assert_close(got, (2 - math.sqrt(1 - beta)) * XS + beta * score + math.sqrt(beta) * z)
