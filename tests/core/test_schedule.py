"""Schedules against products and formulas in 50 digits."""

import math
from fractions import Fraction

import pytest
import torch
from diffusers import DDPMScheduler
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp, mpf

from inkwash.core import VE, Cosine, Discrete, Flow, Schedule, cosine, linear, scaled_linear, sigmoid
from inkwash.errors import UsageError

mp.dps = 50

DISCRETE = {
    "linear 1": linear(1),
    "linear 200": linear(200),
    "linear 1000": linear(1000),
    "linear 2000": linear(2000),
    "linear from nothing": linear(50, 1e-9, 0.5),
    "linear to no signal": linear(100, 1e-4, 1.0),
    "scaled linear": scaled_linear(),
    "cosine": cosine(),
    "cosine 50": cosine(50),
    "sigmoid": sigmoid(),
    "steep sigmoid": sigmoid(300, 0.0, 3.0, 0.3),
}
CONTINUOUS = {"Cosine": Cosine(), "Flow": Flow(), "VE": VE(), "narrow VE": VE(0.1, 3.0)}

discrete = pytest.mark.parametrize("schedule", DISCRETE.values(), ids=DISCRETE)
continuous = pytest.mark.parametrize("schedule", CONTINUOUS.values(), ids=CONTINUOUS)
every = pytest.mark.parametrize("schedule", (DISCRETE | CONTINUOUS).values(), ids=DISCRETE | CONTINUOUS)


@discrete
def test_rows_are_the_exact_products_of_one_minus_beta(schedule: Discrete) -> None:
    """ᾱ_t = Π(1 − β_s), α = √ᾱ, σ = √(1 − ᾱ) to 1e-13, σ of the first rows included, where 1 − ᾱ cancels."""
    abar = mpf(1)
    for t, beta in enumerate(schedule.betas.tolist()):
        abar *= 1 - mpf(beta)
        level = schedule.at(t)
        assert level.t == t
        assert level.alpha == pytest.approx(float(mp.sqrt(abar)), rel=1e-13, abs=0)
        assert level.sigma == pytest.approx(float(mp.sqrt(1 - abar)), rel=1e-13, abs=0)
    assert schedule.num_timesteps == t + 1


def abar_cosine(u: mpf) -> mpf:
    return mp.cos((u + mpf(0.008)) / (1 + mpf(0.008)) * mp.pi / 2) ** 2


def abar_sigmoid(u: mpf) -> mpf:
    def sig(v: mpf) -> mpf:
        return 1 / (1 + mp.exp(-v))

    return (sig(mpf(3)) - sig(u * 6 - 3)) / (sig(mpf(3)) - sig(mpf(-3)))


def betas_of(curve, T: int) -> list[float]:
    return [float(min(1 - curve(mpf(i + 1) / T) / curve(mpf(i) / T), mpf(0.999))) for i in range(T)]


@pytest.mark.parametrize(
    ("schedule", "betas"),
    [
        (linear(1000), [1e-4 + (0.02 - 1e-4) * i / 999 for i in range(1000)]),
        (linear(1, 0.3, 0.4), [0.3]),
        (linear(7, 0.1, 0.7), [0.1 * (i + 1) for i in range(7)]),
        (
            scaled_linear(500),
            [2 * (math.sqrt(0.00085) + (math.sqrt(0.012) - math.sqrt(0.00085)) * i / 499) ** 2 for i in range(500)],
        ),
        (linear(50, high=0.3), [0.002 + (0.3 - 0.002) * i / 49 for i in range(50)]),
        (linear(10), [0.01 + (0.999 - 0.01) * i / 9 for i in range(10)]),
        (linear(4000), [1e-4 / 4 + (0.02 - 1e-4) / 4 * i / 3999 for i in range(4000)]),
        (cosine(1000), betas_of(abar_cosine, 1000)),
        (cosine(30), betas_of(abar_cosine, 30)),
        (sigmoid(1000), betas_of(abar_sigmoid, 1000)),
    ],
)
def test_betas_follow_the_papers_formula(schedule: Discrete, betas: list[float]) -> None:
    assert schedule.betas.dtype == torch.float64
    assert schedule.betas.tolist() == pytest.approx(betas, rel=2e-11, abs=0)


@pytest.mark.parametrize(
    ("schedule", "name", "ends"),
    [
        (linear(1000), "linear", (1e-4, 0.02)),
        (linear(300, 1e-3, 0.1), "linear", (1e-3, 0.1)),
        (scaled_linear(1000), "scaled_linear", (0.00085, 0.012)),
        (cosine(1000), "squaredcos_cap_v2", (0, 0)),
        (cosine(37), "squaredcos_cap_v2", (0, 0)),
    ],
)
def test_betas_are_those_of_diffusers(schedule: Discrete, name: str, ends: tuple[float, float]) -> None:
    theirs = DDPMScheduler(schedule.num_timesteps, *ends, beta_schedule=name)
    assert schedule.betas.tolist() == pytest.approx(theirs.betas.tolist(), rel=1e-6, abs=0)
    alphas = [schedule.at(t).alpha for t in range(schedule.num_timesteps)]
    # their product is in float32: 1e-7 for each factor of up to a thousand
    assert alphas == pytest.approx(theirs.alphas_cumprod.sqrt().tolist(), rel=3e-5, abs=0)


def test_the_cosine_cap_holds_the_last_beta() -> None:
    assert cosine(1000).betas[-1] == 0.999
    assert cosine(1000).betas[-2] < 0.999
    assert cosine(1000, most=0.5).betas.max() == 0.5


@pytest.mark.parametrize("t", [1e-3, 0.1, 0.25, 0.5, 0.9, 0.999, 1.0])
def test_continuous_levels_are_their_formulas(t: float) -> None:
    assert Cosine().at(t)[1:] == pytest.approx((math.cos(math.pi * t / 2), math.sin(math.pi * t / 2)), abs=2e-16)
    assert Flow().at(t) == (t, 1 - t, t)
    assert VE().at(t)[1:] == pytest.approx((1.0, 0.002 ** (1 - t) * 80**t), rel=1e-13, abs=0)


def test_pure_noise_is_exact() -> None:
    """α is 0 at t = 1, not 6e-17, so that what cannot start there can say so."""
    assert Cosine().at(1.0)[1:] == Flow().at(1.0)[1:] == linear(10, 0.1, 1.0).at(9)[1:] == (0.0, 1.0)


@discrete
def test_find_returns_every_row_of_a_table(schedule: Discrete) -> None:
    for t in range(schedule.num_timesteps):
        level = schedule.at(t)
        assert schedule.from_logsnr(level.logsnr) == pytest.approx((t, level.alpha, level.sigma), rel=1e-12, abs=1e-9)


@continuous
@given(t=st.floats(1e-3, 0.999))
def test_find_inverts_at(schedule: Schedule, t: float) -> None:
    assert schedule.from_logsnr(schedule.at(t).logsnr) == pytest.approx(schedule.at(t), rel=1e-11, abs=0)


@every
@given(logsnr=st.floats(-40, 40))
def test_find_has_the_log_snr_that_was_asked_for(schedule: Schedule, logsnr: float) -> None:
    """On and off the grid and beyond its ends, where only t stops."""
    level = schedule.from_logsnr(logsnr)
    assert level.logsnr == pytest.approx(logsnr, rel=1e-12, abs=1e-12)
    assert 0 <= level.t <= (1 if schedule.num_timesteps is None else schedule.num_timesteps - 1)


@pytest.mark.parametrize("schedule", [*DISCRETE.values(), Cosine()])
def test_find_keeps_the_variance(schedule: Schedule) -> None:
    for logsnr in (-30.0, -3.3, 0.0, 5.1, 30.0):
        _, alpha, sigma = schedule.from_logsnr(logsnr)
        assert alpha**2 + sigma**2 == pytest.approx(1, rel=1e-14, abs=0)


@every
@given(pair=st.tuples(st.floats(-60, 60), st.floats(-60, 60)))
def test_find_never_rises_in_t_with_the_log_snr(schedule: Schedule, pair: tuple[float, float]) -> None:
    low, high = sorted(pair)
    assert schedule.from_logsnr(low).t >= schedule.from_logsnr(high).t


def test_find_between_rows_lies_between_them() -> None:
    schedule = linear(1000)
    for t in range(999):
        middle = (schedule.at(t).logsnr + schedule.at(t + 1).logsnr) / 2
        assert schedule.from_logsnr(middle).t == pytest.approx(t + 0.5, abs=1e-9)


@discrete
def test_a_tensor_of_rows_is_the_same_table_in_float32(schedule: Discrete) -> None:
    t = torch.arange(schedule.num_timesteps)
    level = schedule.at(t)
    rows = [schedule.at(i) for i in range(schedule.num_timesteps)]
    assert level.t is t
    assert level.alpha.dtype == level.sigma.dtype == torch.float32
    assert torch.equal(level.alpha, torch.tensor([row.alpha for row in rows], dtype=torch.float32))
    assert torch.equal(level.sigma, torch.tensor([row.sigma for row in rows], dtype=torch.float32))


@continuous
def test_a_tensor_of_times_is_the_same_formula_in_float32(schedule: Schedule) -> None:
    t = torch.linspace(0.001, 1, 101)
    level = schedule.at(t)
    for i, time in enumerate(t.tolist()):
        got = (level.t[i].item(), level.alpha[i].item(), level.sigma[i].item())
        assert got == pytest.approx(schedule.at(time), rel=3e-6, abs=1e-9)
    assert {value.dtype for value in level} == {torch.float32}


@every
def test_finding_tensors_and_floats_agrees(schedule: Schedule) -> None:
    logsnr = torch.linspace(-20, 20, 81, dtype=torch.float64)
    level = schedule.from_logsnr(logsnr)
    assert {value.dtype for value in level} == {torch.float32}
    for i, value in enumerate(logsnr.tolist()):
        got = (level.t[i].item(), level.alpha[i].item(), level.sigma[i].item())
        assert got == pytest.approx(schedule.from_logsnr(value), rel=1e-6, abs=0)
        assert all(type(number) is float for number in schedule.from_logsnr(value))


@discrete
def test_uniform_numbers_draw_every_row_alike(schedule: Discrete) -> None:
    T = schedule.num_timesteps
    u = (torch.arange(4 * T) + 0.5) / (4 * T)
    drawn = schedule.draw(u)
    assert drawn.dtype == torch.int64
    assert torch.equal(drawn.bincount(minlength=T), torch.full((T,), 4))
    assert schedule.draw(torch.tensor([0.0, 1 - 2**-24, 1.0])).tolist() == [0, T - 1, T - 1]


@continuous
def test_continuous_draws_are_the_uniform_number_but_for_the_clean_end(schedule: Schedule) -> None:
    assert schedule.draw(torch.tensor([0.0, 5e-4, 0.25, 0.75])).tolist() == pytest.approx([1e-3, 1e-3, 0.25, 0.75])


def test_positions_run_over_all_rows() -> None:
    schedule = linear(200)
    assert [schedule.time(Fraction(i + 1, 200)) for i in range(200)] == list(range(200))
    assert schedule.time(schedule.first) == 0
    assert Flow().time(Fraction(1, 3)) == 1 / 3


@pytest.mark.parametrize(
    "betas",
    [[0.1, 0.0], [0.1, -0.1], [0.1, 1.1], [1.0, 0.5], [0.1, math.nan], [], [[0.1, 0.2]], 0.1],
    ids=str,
)
def test_bad_betas_are_refused(betas) -> None:
    with pytest.raises(UsageError, match="betas must be"):
        Discrete(torch.tensor(betas, dtype=torch.float64))


@pytest.mark.parametrize("make", [linear, scaled_linear, cosine, sigmoid])
@pytest.mark.parametrize("steps", [0, -3])
def test_a_schedule_needs_a_step(make, steps: int) -> None:
    with pytest.raises(UsageError, match=rf"at least 1 timestep \(got {steps}\)"):
        make(steps)


@pytest.mark.parametrize("t", [-1, 200, 0.5, 199.5, math.nan, math.inf])
def test_what_is_not_a_row_is_refused(t: float) -> None:
    with pytest.raises(UsageError, match=r"whole number 0\.\.199"):
        linear(200).at(t)


@pytest.mark.parametrize("ends", [(0, 1), (1, 1), (2, 1), (-1, 1)])
def test_ve_ends_must_rise(ends: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="0 < low < high"):
        VE(*ends)
