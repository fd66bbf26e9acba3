"""Exact denoisers against quadrature, brute force, each other, and Tweedie's formula."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from inkwash.core import VE, Cosine, Flow, Level, linear
from inkwash.denoise import Dataset, Gaussian, Mixture

LEVELS = {
    "nearly clean": linear(1000).at(0),
    "middle": linear(1000).at(300),
    "nearly noise": linear(1000).at(999),
    "pure noise": Cosine().at(1.0),
    "flow": Flow().at(0.4),
    "low ve": VE().at(0.0),
    "high ve": VE().at(1.0),
}
levels = pytest.mark.parametrize("level", LEVELS.values(), ids=LEVELS)
WEIGHTS = (2.0, 1.0, 4.0)


def doubles(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def mixture() -> Mixture:
    return Mixture(randn(3, 2, 3, 2, seed=1), doubles(0.3, 0.05, 1.1), doubles(*WEIGHTS))


def noisy(x0: Tensor, level: Level, seed: int = 2) -> Tensor:
    return level.alpha * x0 + level.sigma * randn(*x0.shape, seed=seed)


@levels
def test_gaussian_is_the_regression_line(level: Level) -> None:
    """E[x₀|x] = m + Cov(x₀, x)/Var(x)·(x − α·m), pixel by pixel."""
    mean, std = randn(1, 2, 2, 2), randn(1, 2, 2, 2, seed=1).abs()
    x = noisy(mean + std * randn(5, 2, 2, 2), level)
    a, s = level.alpha, level.sigma
    expected = mean + a * std**2 / (a**2 * std**2 + s**2) * (x - a * mean)
    torch.testing.assert_close(Gaussian(mean, std)(x, level), expected, rtol=1e-13, atol=1e-13)
    expected = 0.3 + a * 0.55**2 / (a**2 * 0.55**2 + s**2) * (x - a * 0.3)
    torch.testing.assert_close(Gaussian(0.3, 0.55)(x, level), expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_gaussian_of_numbers_keeps_the_type_of_x(dtype: torch.dtype) -> None:
    assert Gaussian(0.1, 0.5)(torch.zeros(1, 1, 2, 2, dtype=dtype), LEVELS["middle"]).dtype == dtype


@pytest.mark.parametrize(("alpha", "sigma"), [(1.0, 0.05), (0.9, 0.4), (0.5, 0.5), (0.1, 0.99), (1.0, 3.0)])
@pytest.mark.parametrize("x", [-1.4, 0.0, 0.35, 2.0])
def test_mixture_is_the_integral_over_the_posterior(alpha: float, sigma: float, x: float) -> None:
    """E[x₀|x] = ∫x₀·p(x₀)·N(x; α·x₀, σ²) / ∫p(x₀)·N(x; α·x₀, σ²), by quadrature in one dimension."""
    means, stds, weights = (-1.0, 0.2, 0.9), (0.3, 0.1, 0.6), (0.2, 0.5, 0.3)
    x0 = torch.linspace(-8, 8, 100_001, dtype=torch.float64)  # the trapezoid rule is exact for so smooth a density
    density = sum(
        w / s * torch.exp(-((x0 - m) ** 2) / (2 * s**2)) for m, s, w in zip(means, stds, weights, strict=True)
    )
    share = torch.softmax(torch.log(density + 1e-300) - (x - alpha * x0) ** 2 / (2 * sigma**2), 0)
    expected = (share * x0).sum().item()
    oracle = Mixture(doubles(*means).view(3, 1, 1, 1), doubles(*stds), doubles(*weights))
    got = oracle(doubles(x).view(1, 1, 1, 1), Level(0, alpha, sigma)).item()
    assert got == pytest.approx(expected, rel=1e-10, abs=1e-10)


@levels
def test_mixture_of_images_by_brute_force(level: Level) -> None:
    """One part at a time, with torch's own densities for the responsibilities."""
    oracle, a, s = mixture(), level.alpha, level.sigma
    x = noisy(oracle.means.repeat(2, 1, 1, 1) + 0.1, level)
    for image, got in zip(x, oracle(x, level), strict=True):
        logs, means = [], []
        for mean, std, weight in zip(oracle.means, oracle.stds, WEIGHTS, strict=True):
            total = torch.sqrt((a * std) ** 2 + s**2)
            logs.append(math.log(weight) + Normal(a * mean, total).log_prob(image).sum())
            means.append(mean + a * std**2 / total**2 * (image - a * mean))
        share = torch.softmax(torch.stack(logs), 0)
        expected = sum(w * m for w, m in zip(share, means, strict=True))
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-10)


@levels
def test_a_mixture_of_one_is_a_gaussian(level: Level) -> None:
    mean = randn(1, 2, 3, 2)
    x = noisy(mean.repeat(4, 1, 1, 1), level)
    one = Mixture(mean, doubles(0.4), doubles(7.0))
    torch.testing.assert_close(one(x, level), Gaussian(mean, 0.4)(x, level), rtol=1e-12, atol=1e-12)


@levels
def test_a_part_cut_in_two_changes_nothing(level: Level) -> None:
    whole = mixture()
    twice = Mixture(whole.means.repeat(2, 1, 1, 1), whole.stds.repeat(2), doubles(1, 0.25, 4, 1, 0.75, 0))
    x = noisy(whole.means, level)
    torch.testing.assert_close(twice(x, level), whole(x, level), rtol=1e-9, atol=1e-9)


@levels
@pytest.mark.parametrize("block", [1, 3, 7, 16, 4096])
def test_dataset_is_the_softmax_average_whatever_the_blocks(level: Level, block: int) -> None:
    images = randn(16, 1, 3, 4, seed=3)
    x = noisy(images[:6], level)
    distance = (x[:, None] - level.alpha * images[None]).square().flatten(2).sum(2)
    share = torch.softmax(-distance / (2 * level.sigma**2), dim=1)
    expected = torch.einsum("bn,nchw->bchw", share, images)
    torch.testing.assert_close(Dataset(images, block)(x, level), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sigma", [1e-8, 1e-6, 1e-3, 1e3, 1e8])
def test_dataset_has_no_nan_at_any_noise(sigma: float, dtype: torch.dtype) -> None:
    """The nearest image where there is little noise, and the mean of all where there is nothing else."""
    images = randn(40, 1, 5, 5, seed=4).to(dtype)
    picked = images.roll(7, 0)
    got = Dataset(images, 6)(picked + 1e-3 if sigma < 1 else sigma * picked.sign() * 0.01, Level(0, 1.0, sigma))
    expected = picked if sigma < 1 else images.mean(0).expand_as(got)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-6 if sigma < 1 else 2e-2)


@levels
def test_dataset_is_the_limit_of_a_mixture(level: Level) -> None:
    """Point masses: the parts' widths do not show beside σ."""
    images = randn(5, 1, 2, 2, seed=5)
    cast_weights = Mixture(images, torch.full((5,), 1e-9, dtype=torch.float64), doubles(1, 1, 1, 1, 1))
    x = noisy(images, level)
    torch.testing.assert_close(Dataset(images)(x, level), cast_weights(x, level), rtol=1e-6, atol=1e-6)


def score(log_density, x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(log_density(x).sum(), x)
    return gradient


@pytest.mark.parametrize("name", [name for name in LEVELS if name != "pure noise"])
def test_all_obey_tweedie(name: str) -> None:
    """D(x; α, σ) = (x + σ²·∇log p(x))/α, with p(x) from torch.distributions."""
    level, oracle = LEVELS[name], mixture()
    a, s, images = level.alpha, level.sigma, oracle.means

    def density(weights: Tensor, stds: Tensor) -> MixtureSameFamily:
        each = torch.sqrt((a * stds) ** 2 + s**2).view(-1, 1, 1, 1).expand_as(images)
        return MixtureSameFamily(Categorical(weights), Independent(Normal(a * images, each), 3))

    cases = {
        Gaussian(images[:1], 0.6): Normal(a * images[:1], math.hypot(a * 0.6, s)),
        oracle: density(doubles(*WEIGHTS), oracle.stds),
        Dataset(images): density(doubles(1, 1, 1), doubles(0, 0, 0)),
    }
    x = noisy(images, level)
    for denoise, distribution in cases.items():
        expected = (x + s**2 * score(distribution.log_prob, x)) / a
        torch.testing.assert_close(denoise(x, level), expected, rtol=1e-8, atol=1e-8)


@levels
@pytest.mark.parametrize("factor", [0.01, 0.5, 3.0, 80.0])
def test_oracles_read_the_ratio_of_data_to_noise_alone(level: Level, factor: float) -> None:
    """D(c·x; c·α, c·σ) = D(x; α, σ), and t is never read."""
    scaled = Level(math.nan, factor * level.alpha, factor * level.sigma)
    parts = mixture()
    x = noisy(parts.means, level)
    for oracle in (Gaussian(0.2, 0.7), Gaussian(parts.means, 0.1), parts, Dataset(parts.means, 2)):
        torch.testing.assert_close(oracle(factor * x, scaled), oracle(x, level), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("oracle", [Gaussian(0.2, 0.7), mixture(), Dataset(randn(9, 2, 3, 2), 4)])
def test_what_an_oracle_misses_is_orthogonal_to_all_it_saw(oracle) -> None:
    """E[(x₀ − D(x))·f(x)] = 0: here for f = 1, x and D, within 4 standard errors."""
    n, level, generator = 20_000, Level(0, 0.8, 0.6), torch.Generator().manual_seed(0)
    if isinstance(oracle, Gaussian):
        x0 = 0.2 + 0.7 * randn(n, 2, 3, 2)
    elif isinstance(oracle, Mixture):
        which = torch.multinomial(oracle.log_weights.exp(), n, True, generator=generator)
        x0 = oracle.means[which] + oracle.stds[which].view(-1, 1, 1, 1) * randn(n, 2, 3, 2)
    else:
        x0 = oracle.images[torch.randint(9, (n,), generator=generator)]
    x = noisy(x0, level, seed=9)
    d = oracle(x, level)
    for feature in (torch.ones_like(x), x, d):
        products = ((x0 - d) * feature).flatten(1).sum(1)
        assert abs(products.mean()) < 4 * products.std() / math.sqrt(n)
