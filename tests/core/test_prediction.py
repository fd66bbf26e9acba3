"""Predictions: one row (a, b) of F = a·x₀ + b·ε each, and what follows from it."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inkwash.core import (
    EDM,
    X0,
    Eps,
    FlowVelocity,
    Level,
    Score,
    V,
    determinant,
    diffuse,
    eps_from,
    marginal_std,
    target,
    x0_from,
)

PREDICTIONS = [Eps(), X0(), V(), FlowVelocity(), EDM(0.5), EDM(1.3), Score()]
each = pytest.mark.parametrize("prediction", PREDICTIONS, ids=lambda p: type(p).__name__)

angles = st.floats(0.01, math.pi / 2 - 0.01)
vp = angles.map(lambda angle: Level(0, math.cos(angle), math.sin(angle)))
flow = st.floats(0.01, 0.99).map(lambda t: Level(t, 1 - t, t))
ve = st.floats(math.log(0.002), math.log(80)).map(lambda u: Level(u, 1.0, math.exp(u)))
levels = st.one_of(vp, flow, ve)


def pair(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    return tuple(torch.randn(2, 2, 1, 3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))


@each
@given(level=levels, seed=st.integers(0, 99))
def test_a_target_gives_back_the_image_and_the_noise(prediction, level: Level, seed: int) -> None:
    """x = α·x₀ + σ·ε and F = a·x₀ + b·ε are two equations; x0_from and eps_from solve them, to 1e-12."""
    x0, eps = pair(seed)
    x = level.alpha * x0 + level.sigma * eps
    output = target(prediction, x0, eps, level)
    # a quotient by α or by σ magnifies the rounding of x and F, which are of the size of `scale`
    scale = max(1, level.alpha, level.sigma)
    assert x0_from(prediction, output, x, level).sub(x0).abs().max() < 1e-12 * scale
    assert eps_from(prediction, output, x, level).sub(eps).abs().max() < 1e-12 * scale


@each
@given(level=vp)
def test_levels_of_tensors_give_what_levels_of_floats_give(prediction, level: Level) -> None:
    x0, eps = pair(0)
    batch = Level(*(torch.full((2, 1, 1, 1), value, dtype=torch.float64) for value in level))
    x = diffuse(x0, eps, level)
    torch.testing.assert_close(diffuse(x0, eps, batch), x, rtol=1e-14, atol=1e-14)
    output = target(prediction, x0, eps, batch)
    torch.testing.assert_close(output, target(prediction, x0, eps, level), rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(x0_from(prediction, output, x, batch), x0, rtol=0, atol=1e-11)


@given(level=st.one_of(vp, flow, ve))
def test_rows_are_those_of_the_papers(level: Level) -> None:
    _, alpha, sigma = level
    assert Eps().row(level) == (0, 1)
    assert X0().row(level) == (1, 0)
    assert FlowVelocity().row(level) == (-1, 1)
    assert Score().row(level) == (0, -1 / sigma)
    norm = math.hypot(alpha, sigma)
    assert V().row(level) == pytest.approx((-sigma / norm, alpha / norm), rel=1e-14, abs=0)


@given(level=levels, seed=st.integers(0, 99))
def test_the_score_is_the_gradient_of_the_log_density(level: Level, seed: int) -> None:
    """∇ₓ log N(x; α·x₀, σ²), by automatic differentiation."""
    x0, eps = pair(seed)
    x = (level.alpha * x0 + level.sigma * eps).requires_grad_()
    (-((x - level.alpha * x0) ** 2).sum() / (2 * level.sigma**2)).backward()
    torch.testing.assert_close(target(Score(), x0, eps, level), x.grad, rtol=1e-8, atol=1e-8 / level.sigma)


@given(level=vp)
def test_v_is_salimans_and_ho_where_variance_is_kept(level: Level) -> None:
    x0, eps = pair(1)
    torch.testing.assert_close(
        target(V(), x0, eps, level), level.alpha * eps - level.sigma * x0, rtol=1e-13, atol=1e-14
    )
    # its own inverse there: x₀ = α·x − σ·v, ε = σ·x + α·v (their appendix D)
    x, v = diffuse(x0, eps, level), level.alpha * eps - level.sigma * x0
    torch.testing.assert_close(x0_from(V(), v, x, level), level.alpha * x - level.sigma * v, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(eps_from(V(), v, x, level), level.sigma * x + level.alpha * v, rtol=1e-12, atol=1e-13)


@given(log_sigma=st.floats(-6, 5), sigma_data=st.floats(0.1, 3))
def test_f_is_edms_preconditioning(log_sigma: float, sigma_data: float) -> None:
    """D(x; σ) = c_skip·x + c_out·F(c_in·x) and its training target (Karras et al. 2022, eq. 7, table 1)."""
    sigma = math.exp(log_sigma)
    level, total = Level(0, 1.0, sigma), sigma**2 + sigma_data**2
    c_skip, c_out, c_in = sigma_data**2 / total, sigma * sigma_data / math.sqrt(total), 1 / math.sqrt(total)
    x0, eps = pair(2)
    x, output = x0 + sigma * eps, pair(3)[0]
    scale = max(1, sigma)
    torch.testing.assert_close(
        x0_from(EDM(sigma_data), output, x, level), c_skip * x + c_out * output, rtol=1e-12, atol=1e-12
    )
    torch.testing.assert_close(
        target(EDM(sigma_data), x0, eps, level), (x0 - c_skip * x) / c_out, rtol=1e-9, atol=1e-11 * scale
    )
    assert marginal_std(level, sigma_data) == pytest.approx(1 / c_in, rel=1e-14, abs=0)
    # λ(σ) = (σ² + σd²)/(σ·σd)², their weight on x₀'s error, is the plain loss on F
    weight = (determinant(EDM(sigma_data), level) / sigma) ** 2
    assert weight == pytest.approx(total / (sigma * sigma_data) ** 2, rel=1e-12, abs=0)


@given(level=levels, factor=st.floats(0.1, 10))
def test_f_reads_the_ratio_alone(level: Level, factor: float) -> None:
    """Scaling x, α and σ together leaves what EDM's network is to output."""
    scaled = Level(level.t, factor * level.alpha, factor * level.sigma)
    assert EDM(0.7).row(scaled) == pytest.approx(EDM(0.7).row(level), rel=1e-13, abs=0)
    assert V().row(scaled) == pytest.approx(V().row(level), rel=1e-13, abs=0)


@each
@given(level=levels, seed=st.integers(0, 99))
def test_a_plain_loss_on_f_weighs_the_images_error_by_det_over_sigma_squared(prediction, level, seed: int) -> None:
    """For any two outputs, from the same x: |F − F'|² = (det/σ)²·|x̂₀ − x̂₀'|²."""
    x, output = pair(seed)
    other = output + 1
    apart = x0_from(prediction, output, x, level) - x0_from(prediction, other, x, level)
    weight = (determinant(prediction, level) / level.sigma) ** 2
    assert weight * apart.square().mean().item() == pytest.approx(1.0, rel=1e-9, abs=0)


@pytest.mark.parametrize("prediction", [X0(), V(), FlowVelocity(), EDM(0.5)], ids=lambda p: type(p).__name__)
def test_all_but_eps_know_the_image_at_pure_noise(prediction) -> None:
    noise = Level(1.0, 0.0, 1.0)
    x0, eps = pair(4)
    output = target(prediction, x0, eps, noise)
    torch.testing.assert_close(x0_from(prediction, output, eps, noise), x0, rtol=1e-14, atol=1e-14)
    assert determinant(Eps(), noise) == 0


@given(level=levels, sigma_data=st.floats(0.1, 3))
def test_spread_is_the_standard_deviation_of_x(level: Level, sigma_data: float) -> None:
    expected = math.hypot(level.alpha * sigma_data, level.sigma)
    assert marginal_std(level, sigma_data) == pytest.approx(expected, rel=1e-14, abs=0)
    tensors = Level(*torch.tensor(level, dtype=torch.float64))
    assert marginal_std(tensors, sigma_data).item() == pytest.approx(expected, rel=1e-14, abs=0)
