"""Methods against exact posteriors, in float64: equal where their assumptions hold, and the known bias where not."""

import math

import pytest
import torch
from problems import drawn, gaussian, problem, two_modes
from torch import Tensor

from inkwash import choices
from inkwash.denoise import CorrelatedMixture
from inkwash.errors import UsageError
from inkwash.inverse import Measurement, make_method, make_operator, measure, posterior_of

SHAPE = (1, 4, 4)
WHITE, SMOOTH, MODES = gaussian(SHAPE, 0), gaussian(SHAPE), two_modes(SHAPE)
OPERATORS = ("mask:box", "downsample:2", "blur:0.7", "fourier:0.5")


def errors(x: Tensor, prior: CorrelatedMixture, measured: Measurement) -> tuple[float, float]:
    """(error of the mean in the prior's standard deviation, ratio of standard deviations − 1), root mean squares.

    What chance leaves in n samples, with three standard errors, is taken off; only pixels that y does not determine
    count for the second.
    """
    exact = posterior_of(prior, measured)
    free = exact.std() > 1e-3
    apart = ((x.mean(0) - exact.mean()) / prior.std()).square().mean()
    chance = (exact.std() / prior.std()).square().mean() / len(x)
    ratio = x.std(0)[free] / exact.std()[free]
    return max(0.0, float(apart - chance * (1 + 3 * math.sqrt(2 / free.numel())))) ** 0.5, float(
        ratio.mean()
    ) - 1 if free.any() else 0.0


def exact_on(prior: CorrelatedMixture, name: str, spec: str, std: float, n: int, steps: int, eta: float = 0.0) -> None:
    measured = problem(prior, spec, std)
    mean, spread = errors(drawn(make_method(name), prior, measured, n, steps, eta), prior, measured)
    assert mean < 0.02
    assert abs(spread) < 0.03


def test_moment_matching_is_exact_on_a_correlated_gaussian() -> None:
    exact_on(SMOOTH, "moment:20", "mask:box", 0.05, 1000, 80)


def test_ddnm_plus_is_exact_on_white_data_without_noise() -> None:
    exact_on(WHITE, "ddnm+", "downsample:2", 0.0, 1000, 300)


@pytest.mark.slow
@pytest.mark.parametrize("std", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("spec", OPERATORS)
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_moment_matching_is_exact_on_any_gaussian(spec: str, std: float, eta: float) -> None:
    exact_on(SMOOTH, "moment:30", spec, std, 1000, 100, eta)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ddnm", "ddnm+", "ddrm:0", "replacement"])
@pytest.mark.parametrize("spec", OPERATORS)
def test_projections_are_exact_on_white_data_without_noise(name: str, spec: str) -> None:
    exact_on(WHITE, name, spec, 0.0, 1000, 600)


@pytest.mark.slow
def test_pigdm_is_exact_on_white_data_of_unit_variance() -> None:
    unit = CorrelatedMixture(WHITE.means, torch.eye(16).double()[None], torch.ones(1).double())
    exact_on(unit, "pigdm", "downsample:2", 0.2, 1500, 150)


def test_the_exact_posterior_as_denoiser_draws_the_posterior() -> None:
    """The plain sampler with E[x₀ | x, y], in place of a method."""
    measured = problem(MODES, "mask:half", 0.1)
    exact = posterior_of(MODES, measured)
    x = drawn(lambda walk, measured, schedule: walk._replace(denoise=exact), MODES, measured, 2000, 60)
    mean, spread = errors(x, MODES, measured)
    assert mean < 0.02
    assert abs(spread) < 0.03


def biased(name: str, prior: CorrelatedMixture, spec: str, std: float) -> tuple[Tensor, Tensor, Tensor]:
    """(drawn sd, exact sd, error of the mean / prior sd), each [D]."""
    measured = problem(prior, spec, std)
    exact = posterior_of(prior, measured)
    x = drawn(make_method(name), prior, measured, 400, 60)
    return x.std(0).flatten(), exact.std().flatten(), ((x.mean(0) - exact.mean()) / prior.std()).flatten()


HOLE = ~make_operator("mask:box", SHAPE).kept.flatten()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "where", "low", "high"),
    [
        ("ddrm", HOLE, 0.70, 0.90),  # η = 0.85: too little spread in the hole
        ("ddnm", ~HOLE, 0.0, 0.05),  # the noise of y is kept as it is
        ("ddnm+", ~HOLE, 0.0, 0.4),  # ends near E[x₀ | y]
        ("replacement", ~HOLE, 0.0, 0.05),
        ("dps", ~HOLE, 1.5, 9.0),  # its steps do not know σ_y
        ("pigdm", ~HOLE, 1.1, 2.0),  # data of variance 1/16 is pulled too weakly, if no noise is added
        ("diffpir", ~HOLE, 1.3, 4.0),  # λ = 7 trusts y seven times too little
    ],
)
def test_known_bias_on_white_data(name: str, where: Tensor, low: float, high: float) -> None:
    """Ratio of standard deviations on N(m, 0.25²), a hole, and noise 0.05."""
    got, exact, _ = biased(name, WHITE, "mask:box", 0.05)
    assert low <= float((got / exact)[where].mean()) <= high


@pytest.mark.parametrize("name", ["ddnm", "ddnm+", "replacement"])
def test_projections_ignore_correlations(name: str) -> None:
    """The hole sees its surroundings only through x: on smooth data it keeps too much spread."""
    got, exact, _ = biased(name, SMOOTH, "mask:box", 0.0)
    assert float((got / exact)[HOLE].mean()) > 1.15


def in_first_mode(x: Tensor) -> float:
    return float((x.flatten(1).mean(1) < 0.05).double().mean())


def weigher() -> Measurement:
    """One blurred, noisy look at the mean of all pixels, from between the two modes."""
    operator = make_operator("downsample:4", SHAPE)
    return Measurement(operator, torch.full((1, 1, 1, 1), 0.12, dtype=torch.float64), 0.3)


def test_twisted_particles_find_the_weights_of_the_modes() -> None:
    measured = weigher()
    wanted = float(posterior_of(MODES, measured).weights[0])  # type: ignore[attr-defined]
    method = make_method("twisted:1500")
    got = in_first_mode(drawn(method, MODES, measured, 1500, 40))
    assert got == pytest.approx(wanted, abs=0.06)
    assert 1 < method.least <= 1500  # type: ignore[attr-defined]


@pytest.mark.slow
def test_twisted_particles_converge() -> None:
    """The error of the mode's weight shrinks with the particles; DPS's does not."""
    measured = weigher()
    wanted = float(posterior_of(MODES, measured).weights[0])  # type: ignore[attr-defined]
    off = {}
    for count in (2, 16, 256):
        method = make_method(f"twisted:{count}")
        off[count] = abs(in_first_mode(drawn(method, MODES, measured, 2048 // count * count, 80)) - wanted)
    assert off[256] < 0.03
    assert off[256] <= off[2] + 0.01
    assert abs(in_first_mode(drawn(make_method("dps"), MODES, measured, 2000, 80)) - wanted) > 0.05


def test_repaint_walks_each_stretch_again() -> None:
    calls = []

    def counted(x: Tensor, level) -> Tensor:
        calls.append(level)
        return WHITE(x, level)

    counted.means = WHITE.means  # type: ignore[attr-defined]
    measured = problem(WHITE, "mask:box", 0.0)
    x = drawn(make_method("repaint:3:5"), counted, measured, 4, 20)  # type: ignore[arg-type]
    assert len(calls) == 20 + 2 * 5 * 3  # three stretches of five steps, walked twice more
    assert float(measured.misfit(x).max()) < 1e-12


def test_ilvr_needs_an_image_and_keeps_low_frequencies() -> None:
    measured = problem(SMOOTH, "lowpass:2", 0.0)
    plain = drawn(lambda walk, measured, schedule: walk, SMOOTH, measured, 50, 40)
    x = drawn(make_method("ilvr"), SMOOTH, measured, 50, 40)
    assert float(measured.misfit(x).mean()) < 0.5 * float(measured.misfit(plain).mean())


@pytest.mark.parametrize("name", ["dps", "daps:2:10", "twisted:4"])
def test_methods_for_any_operator(name: str) -> None:
    truth = SMOOTH.sample(1, seed=3)
    measured = measure(make_operator("clip:3", SHAPE), truth, 0.05)
    plain = drawn(lambda walk, measured, schedule: walk, SMOOTH, measured, 40, 40)
    x = drawn(make_method(name), SMOOTH, measured, 40, 40)
    assert float(measured.misfit(x).mean()) < 0.7 * float(measured.misfit(plain).mean())


def test_an_operator_without_singular_values() -> None:
    """Methods that need none give what they give with them, and the others say which can."""
    from inkwash.inverse.method import check

    small = problem(SMOOTH, "downsample:2", 0.05)

    class Large(type(small.operator)):  # type: ignore[misc]
        svd = None

    large = Measurement(Large(SHAPE, "2"), small.y, small.std)
    for name in ("moment", "ddnm", "pigdm", "diffpir"):
        method = make_method(name)
        torch.testing.assert_close(
            drawn(method, SMOOTH, large, 4, 10), drawn(method, SMOOTH, small, 4, 10), rtol=1e-3, atol=1e-3
        )
    others = {row.name: make_method(row.name) for row in choices.METHODS}
    with pytest.raises(UsageError, match=r"ddrm cannot .* singular values .* moment, ddnm, pigdm"):
        check("ddrm", make_method("ddrm"), large, others)


def test_twisted_needs_noise() -> None:
    with pytest.raises(UsageError, match="noise of y"):
        drawn(make_method("twisted"), SMOOTH, problem(SMOOTH, "mask:box", 0.0), 16, 5)


def test_arguments() -> None:
    for spec in ("moment:0", "ddrm:2", "twisted:none", "repaint:0", "diffpir:-1"):
        with pytest.raises(UsageError, match="a number from"):
            make_method(spec)
    assert math.isclose(make_method("ddrm:0.5:0.7").eta_b, 0.7)  # type: ignore[attr-defined]
