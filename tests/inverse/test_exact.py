"""Exact posteriors against brute force."""

import pytest
import torch
from problems import gaussian, problem, two_modes

from inkwash.core import Level
from inkwash.denoise import CorrelatedMixture, Dataset, Gaussian, Mixture
from inkwash.errors import UsageError
from inkwash.inverse import Measurement, make_operator, measure, posterior_of
from inkwash.inverse.operator import matrix_of

LEVEL = Level(0.5, 0.7, 0.6)


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_a_diagonal_mixture_is_the_old_one() -> None:
    means, stds, weights = randn(3, 1, 2, 2), randn(3).abs() + 0.1, torch.tensor([0.3, 0.05, 1.1]).double()
    full = CorrelatedMixture(means, stds[:, None, None] ** 2 * torch.eye(4).double(), weights)
    x = randn(5, 1, 2, 2, seed=2)
    torch.testing.assert_close(full(x, LEVEL), Mixture(means, stds, weights)(x, LEVEL), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("spec", ["mask:box", "downsample:2", "blur:1", "fourier:0.4", "projection:0.5"])
@pytest.mark.parametrize("std", [0.05, 0.5])
def test_a_gaussian_in_information_form(spec: str, std: float) -> None:
    """(C⁻¹ + AᵀA/σ²)⁻¹, and the mean that goes with it."""
    prior = gaussian()
    measured = problem(prior, spec, std)
    exact = posterior_of(prior, measured)
    a = matrix_of(measured.operator)
    cov = torch.linalg.inv(torch.linalg.inv(prior.covs[0]) + a.T @ a / std**2)
    gap = measured.y.flatten() - a @ prior.means.flatten()
    mean = prior.means.flatten() + cov @ a.T @ gap / std**2
    torch.testing.assert_close(exact.mean().flatten(), mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(exact.std().flatten() ** 2, torch.diagonal(cov), rtol=1e-4, atol=1e-6)


def test_the_denoiser_of_a_posterior_is_the_posterior_of_both_measurements() -> None:
    """E[x₀ | x, y], with x itself taken for a measurement: the order does not matter."""
    prior = two_modes()
    measured = problem(prior, "downsample:2", 0.1)
    x = 0.7 * prior.sample(1, seed=1) + 0.6 * randn(1, 1, 6, 6)
    both = posterior_of(prior, measured).given(0.7 * torch.eye(36).double(), x.flatten(), 0.6)  # type: ignore[attr-defined]
    torch.testing.assert_close(posterior_of(prior, measured)(x, LEVEL)[0], both.mean(), rtol=1e-8, atol=1e-8)


def test_without_noise_the_posterior_fits_exactly() -> None:
    prior = two_modes()
    measured = problem(prior, "fourier:0.4", 0.0)
    x = posterior_of(prior, measured).sample(50)
    assert float(measured.misfit(x).max()) < 1e-6


def test_samples_have_the_moments() -> None:
    exact = posterior_of(two_modes(), problem(two_modes(), "mask:half", 0.2))
    x = exact.sample(20_000)
    assert float(((x.mean(0) - exact.mean()) / exact.std()).abs().max()) < 4 / 20_000**0.5 * 1.3
    assert float((x.std(0) / exact.std() - 1).abs().max()) < 0.03


def test_weights_of_modes_by_quadrature() -> None:
    """In one dimension, with two modes: p(first | y) from the densities of y."""
    prior = Mixture(torch.tensor([-0.5, 0.5]).double().view(2, 1, 1, 1), torch.tensor([0.2, 0.3], dtype=torch.float64),
                    torch.tensor([1.0, 2.0]).double())  # fmt: skip
    operator = make_operator("blur:0", (1, 1, 1))
    measured = Measurement(operator, torch.full((1, 1, 1, 1), 0.1, dtype=torch.float64), 0.4)
    x = torch.linspace(-6, 6, 200_001).double()
    each = torch.stack([
        w * torch.exp(-((x - m) ** 2) / (2 * s**2) - (0.1 - x) ** 2 / (2 * 0.4**2)) / s
        for w, m, s in ((1, -0.5, 0.2), (2, 0.5, 0.3))
    ])  # fmt: skip
    exact = posterior_of(prior, measured)
    total = each.sum()
    assert float(exact.weights[0]) == pytest.approx(float(each[0].sum() / total), rel=1e-6)  # type: ignore[attr-defined]
    assert float(exact.mean()) == pytest.approx(float((each.sum(0) * x).sum() / total), rel=1e-6)


def test_a_data_set_is_reweighed() -> None:
    images = randn(30, 1, 4, 4)
    measured = measure(make_operator("mask:box", (1, 4, 4)), images[3:4], 0.5)
    logs = -(measured.residual(images).flatten(1) ** 2).sum(1) / (2 * 0.5**2)
    weights = torch.softmax(logs, 0)
    exact = posterior_of(Dataset(images, 7), measured)
    torch.testing.assert_close(exact.mean(), torch.einsum("n,nchw->chw", weights, images))
    x = randn(2, 1, 4, 4, seed=5)
    logs = logs - ((x[:, None] - 0.7 * images) ** 2).flatten(2).sum(2) / (2 * 0.6**2)
    wanted = torch.einsum("bn,nchw->bchw", torch.softmax(logs, 1), images)
    torch.testing.assert_close(exact(x, LEVEL), wanted)
    assert exact.sample(5).shape == (5, 1, 4, 4)
    with pytest.raises(UsageError, match="noise above 0"):
        posterior_of(Dataset(images), Measurement(measured.operator, measured.y, 0.0))


def test_a_white_gaussian_and_refusals() -> None:
    prior = Gaussian(0.5, 0.25)
    operator = make_operator("mask:random:0.5", (1, 4, 4))
    measured = measure(operator, torch.full((1, 1, 4, 4), 0.6).double(), 0.1)
    std = posterior_of(prior, measured).std()
    seen = operator.kept[None]  # type: ignore[attr-defined]
    torch.testing.assert_close(std[seen], torch.full((8,), (1 / (1 / 0.25**2 + 1 / 0.1**2)) ** 0.5).double())
    torch.testing.assert_close(std[~seen], torch.full((8,), 0.25).double())
    with pytest.raises(UsageError, match="linear operator"):
        posterior_of(prior, measure(make_operator("clip:2", (1, 4, 4)), torch.zeros(1, 1, 4, 4).double(), 0.1))
