"""Kernels against the textbook, Bayes' rule, and each other."""

import math

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from mpmath import mp, mpf

from inkwash.core import CLEAN, VE, Cosine, Flow, Level, cosine, diffuse, drift, forward, linear, posterior, sigmoid

mp.dps = 50
SCHEDULES = {"linear": linear(1000), "linear 200": linear(200), "cosine": cosine(1000), "sigmoid": sigmoid(100)}
tables = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)


def levels():
    discrete = st.tuples(st.sampled_from(list(SCHEDULES.values())), st.integers(0, 99)).map(lambda p: p[0].at(p[1]))
    moving = st.tuples(st.sampled_from([Cosine(), Flow(), VE()]), st.floats(0.001, 0.999)).map(lambda p: p[0].at(p[1]))
    return st.one_of(discrete, moving)


def ordered(one: Level, two: Level) -> tuple[Level, Level]:
    """(t, s), the noisier first; far enough apart that 1 − SNR_t/SNR_s keeps its digits."""
    assume(abs(one.logsnr - two.logsnr) > 1e-3)
    return (one, two) if one.logsnr < two.logsnr else (two, one)


@tables
def test_posterior_is_the_textbooks_for_consecutive_steps(schedule) -> None:
    """q(x_{t−1} | x_t, x₀) of Ho et al. 2020, eq. 6 and 7, from the betas themselves in 50 digits."""
    before = mpf(1)
    for t, beta in enumerate(map(mpf, schedule.betas.tolist())):
        abar = before * (1 - beta)
        if t > 0:
            x_coef = mp.sqrt(1 - beta) * (1 - before) / (1 - abar)
            x0_coef = mp.sqrt(before) * beta / (1 - abar)
            small, large = beta * (1 - before) / (1 - abar), beta
            pair = schedule.at(t), schedule.at(t - 1)
            expected = float(x_coef), float(x0_coef), float(mp.sqrt(small))
            assert posterior(*pair) == pytest.approx(expected, rel=1e-11, abs=0)
            assert posterior(*pair, large=1.0).std == pytest.approx(float(mp.sqrt(large)), rel=1e-11, abs=0)
            assert posterior(*pair, large=1.0)[:2] == posterior(*pair)[:2]
        before = abar


@given(one=levels(), two=levels())
def test_posterior_of_a_skipped_step_is_bayes_rule(one: Level, two: Level) -> None:
    """The product of two Gaussians in x_s: q(x_s | x₀), and q(x_t | x_s) with a = α_t/α_s."""
    t, s = ordered(one, two)
    alpha_t, sigma_t, alpha_s, sigma_s = map(mpf, (t.alpha, t.sigma, s.alpha, s.sigma))
    a = alpha_t / alpha_s
    new = sigma_t**2 - (a * sigma_s) ** 2
    variance = 1 / (1 / sigma_s**2 + a**2 / new)
    expected = variance * a / new, variance * alpha_s / sigma_s**2, mp.sqrt(variance)
    assert posterior(t, s) == pytest.approx(tuple(map(float, expected)), rel=1e-10, abs=0)


@given(one=levels(), two=levels())
def test_large_is_the_variance_of_the_forward_step(one: Level, two: Level) -> None:
    """β of the jump, 1 − ᾱ_t/ᾱ_s where variance is kept; halfway is the geometric mean of both variances."""
    t, s = ordered(one, two)
    if t.alpha**2 + t.sigma**2 == pytest.approx(1) == s.alpha**2 + s.sigma**2:
        expected = float(mp.sqrt(1 - (mpf(t.alpha) / mpf(s.alpha)) ** 2))
        assert posterior(t, s, large=1.0).std == pytest.approx(expected, rel=1e-9, abs=0)
    small, half, large = (posterior(t, s, large=share).std for share in (0.0, 0.5, 1.0))
    assert half**2 == pytest.approx(small * large, rel=1e-12, abs=0)
    assert small <= half <= large or s.sigma > t.sigma


@given(one=levels(), two=levels(), eta=st.floats(0, 1))
def test_every_eta_keeps_the_marginals(one: Level, two: Level, eta: float) -> None:
    """From x_t of (α_t, σ_t) and the true x₀ comes x_s of (α_s, σ_s): the law behind Song et al. 2021a."""
    t, s = ordered(one, two)
    x_coef, x0_coef, std = posterior(t, s, eta)
    assert x_coef * t.alpha + x0_coef == pytest.approx(s.alpha, rel=1e-13, abs=0)
    assert (x_coef * t.sigma) ** 2 + std**2 == pytest.approx(s.sigma**2, rel=1e-13, abs=0)
    assert std == pytest.approx(eta * posterior(t, s, 1.0).std, rel=1e-14, abs=0)


@given(one=levels(), two=levels())
def test_eta_zero_keeps_the_noise_and_changes_the_level(one: Level, two: Level) -> None:
    t, s = ordered(one, two)
    assert posterior(t, s, 0.0) == pytest.approx(
        (s.sigma / t.sigma, s.alpha - s.sigma / t.sigma * t.alpha, 0.0), rel=1e-12, abs=1e-15
    )


def test_a_step_from_pure_noise_keeps_nothing_with_all_the_noise_new() -> None:
    noise, s = Level(1.0, 0.0, 1.0), Cosine().at(0.5)
    assert drift(s, noise) == 1
    assert posterior(noise, s, 1.0) == pytest.approx((0, s.alpha, s.sigma))
    assert posterior(noise, s, 0.0) == pytest.approx((s.sigma, s.alpha, 0))


def test_a_step_to_a_clean_image_is_the_image() -> None:
    for eta in (0.0, 0.5, 1.0):
        assert posterior(linear(100).at(50), CLEAN, eta) == (0, 1, 0)


@given(one=levels(), two=levels())
def test_forward_ends_on_the_level_it_is_sent_to(one: Level, two: Level) -> None:
    """Sent on, the α of x_s becomes α_t, and its variance σ_s² becomes σ_t²."""
    t, s = ordered(one, two)
    x, z = torch.tensor([1.0, 0.0]).double(), torch.tensor([0.0, 1.0]).double()
    scale, new = forward(x, s, t, z).tolist()
    assert scale * s.alpha == pytest.approx(t.alpha, rel=1e-14, abs=0)
    assert (scale * s.sigma) ** 2 + new**2 == pytest.approx(t.sigma**2, rel=1e-11, abs=0)


@tables
def test_a_chain_of_forward_kernels_is_one(schedule) -> None:
    """Walked row by row from a clean image: the mean and variance of eq. 4."""
    scale, variance, before = 1.0, 0.0, CLEAN
    one, zero = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    for t in range(schedule.num_timesteps):
        level = schedule.at(t)
        scale = forward(scale * one, before, level, zero).item()
        variance = (
            forward(math.sqrt(variance) * one, before, level, zero).item() ** 2
            + forward(zero, before, level, one).item() ** 2
        )
        assert (scale, math.sqrt(variance)) == pytest.approx((level.alpha, level.sigma), rel=1e-11, abs=0)
        before = level


def test_forward_to_the_same_level_changes_nothing() -> None:
    x = torch.randn(3, dtype=torch.float64)
    level = linear(100).at(40)
    assert torch.equal(forward(x, level, level, torch.randn(3)), x)


def test_forward_inverts_the_posterior_in_distribution() -> None:
    """q(x_t | x_s)·q(x_s | x₀) = q(x_s | x_t, x₀)·q(x_t | x₀): the covariance of (x_s, x_t) is the same both ways."""
    t, s = SCHEDULES["cosine"].at(700), SCHEDULES["cosine"].at(311)
    x_coef, _, _ = posterior(t, s)
    assert x_coef * t.sigma**2 == pytest.approx(t.alpha / s.alpha * s.sigma**2, rel=1e-12, abs=0)


def test_drift_is_one_minus_the_ratio_of_signal_to_noise() -> None:
    t, s = Level(0, 0.6, 0.8), Level(0, 0.8, 0.6)
    assert drift(s, t) == pytest.approx(1 - (0.6 / 0.8) ** 4, rel=1e-14, abs=0)
    one, bit = Level(0, 1.0, 1.0), 2.0**-30
    assert drift(one, Level(0, 1.0, 1 + bit)) == pytest.approx(float(1 - 1 / (1 + mpf(bit)) ** 2), rel=1e-14, abs=0)


def test_diffuse_acts_on_the_clean_image() -> None:
    x0, eps = torch.randn(2, 4, 1, 2, 2, dtype=torch.float64)
    level = Level(0, 0.6, 0.8)
    torch.testing.assert_close(diffuse(x0, eps, level), 0.6 * x0 + 0.8 * eps, rtol=0, atol=0)
