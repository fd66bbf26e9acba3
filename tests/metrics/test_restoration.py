"""Scores of restorations: closed values, scikit-image's SSIM, and exact posteriors, which must score as expected."""

import math

import numpy as np
import pytest
import torch

from inkwash.core import mix
from inkwash.data import Images
from inkwash.denoise import CorrelatedMixture
from inkwash.inverse import Measurement, make_operator, measure, posterior_of
from inkwash.metrics.features import Pixels
from inkwash.metrics.restoration import (
    RESTORATION_SCORES,
    Restorations,
    coverage,
    expected_of,
    nominal,
    psnr,
    scores_of,
    ssim,
)

SHAPE = (1, 6, 6)


def white(std: float) -> CorrelatedMixture:
    cov = std**2 * torch.eye(36).double()[None]
    return CorrelatedMixture(torch.zeros(1, *SHAPE).double(), cov, torch.ones(1).double())


def test_psnr_and_ssim_of_known_images() -> None:
    flat = torch.full((3, 12, 12), 0.25)
    assert psnr(flat + 0.2, flat) == pytest.approx(20.0, abs=1e-4)  # 10·log₁₀(2²/0.2²)
    assert ssim(flat, flat) == 1
    c1 = 0.02**2
    assert ssim(flat + 0.25, flat) == pytest.approx((2 * 0.5 * 0.25 + c1) / (0.5**2 + 0.25**2 + c1))


def test_ssim_is_that_of_scikit_image() -> None:
    """The value is scikit-image 0.26's: gaussian_weights, sigma=1.5, use_sample_covariance=False, data_range=2."""
    chance = np.random.default_rng(0)
    a = chance.uniform(-1, 1, (24, 20))
    b = np.clip(a + 0.3 * chance.standard_normal((24, 20)), -1, 1)
    one, other = (torch.from_numpy(each)[None] for each in (a, b))
    assert ssim(one, other) == pytest.approx(0.6755539547973392, abs=1e-12)
    assert ssim(torch.cat([one, other]), torch.cat([other, one])) == pytest.approx(0.6755539547973392, abs=1e-12)


def test_ssim_of_images_smaller_than_its_window() -> None:
    x = (torch.arange(8)[:, None] + torch.arange(8) & 1).mul(2.0).sub(1)[None]
    assert ssim(x, x) == 1
    assert ssim(x, -x) == pytest.approx(-1, abs=0.01)  # opposite around a mean of nearly 0


@pytest.mark.parametrize("n", [2, 7, 8, 15, 40])
def test_samples_of_the_posterior_cover_the_truth_as_often_as_they_should(n: int) -> None:
    """4,000 pixels: the truth and the samples have one distribution."""
    x = torch.randn(n + 1, 1, 4000, 1, generator=torch.Generator().manual_seed(n))
    wanted = nominal(n)
    assert wanted is not None
    assert coverage(x[1:], x[0]) == pytest.approx(wanted, abs=4 * math.sqrt(wanted * (1 - wanted) / 4000))
    narrow, wide = coverage(0.5 * x[1:], x[0]), coverage(2 * x[1:], x[0])
    assert narrow is not None
    assert wide is not None
    assert narrow < wanted - 0.1 < wanted + 0.05 < wide


def test_equal_values_share_their_ranks() -> None:
    """Two values with equal chance: ranks are shared, and the law holds."""
    x = torch.randint(2, (9, 1, 20000, 1), generator=torch.Generator().manual_seed(0)).float()
    counted = x.amax(0) > x.amin(0)
    assert coverage(x[1:], x[0]) == pytest.approx(7 / 9, abs=0.02)
    assert float(counted.double().mean()) > 0.9


def test_pixels_that_are_determined_do_not_count() -> None:
    x = torch.zeros(4, 1, 2, 2)
    assert coverage(x, x[0]) is None
    assert coverage(x, x[0] + 0.5) == 0  # all the same, and wrong
    assert coverage(x[:1], x[0] + 0.5) is None
    assert nominal(1) is None


def test_exact_samples_score_as_expected() -> None:
    """Misfit and coverage of exact posterior samples, over 40 measurements."""
    prior, operator = white(0.4), make_operator("blur:1", SHAPE)
    found = []
    for seed in range(40):
        truth = prior.sample(1, seed)
        measured = measure(operator, truth, 0.1, mix(seed, 1))
        images = posterior_of(prior, measured).sample(8, seed + 100)
        found.append(Restorations(images, measured, truth[0]))
    for name in ("misfit", "coverage"):
        got = sum(scores_of(each)[name] for each in found) / len(found)
        assert got == pytest.approx(expected_of(found[0])[name], rel=0.05), name


def test_what_cannot_be_computed_is_left_out() -> None:
    operator = make_operator("clip:2", SHAPE)
    x = torch.zeros(3, *SHAPE)
    assert set(scores_of(Restorations(x, Measurement(operator, operator.forward(x[:1]), 0.0)))) == {"misfit"}
    known = scores_of(Restorations(x, Measurement(operator, operator.forward(x[:1]), 0.0), x[0] + 0.5))
    assert "psnr of A⁺y" not in known
    assert set(known) <= set(RESTORATION_SCORES)


def test_features_and_classes_of_the_truth() -> None:
    from inkwash.metrics.classifier import Classifier, Reader

    x = torch.zeros(2, *SHAPE)
    x[1] = 1
    operator = make_operator("lowpass:2", SHAPE)
    measured = Measurement(operator, operator.forward(x[:1]), 0.0)
    by_pixels = scores_of(Restorations(x, measured, x[0], Pixels()))
    assert by_pixels["feature distance"] == pytest.approx(math.sqrt(0.5), rel=0.01)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        reader = Classifier(Reader(SHAPE, 2).requires_grad_(False), ("a", "b"), 1.0, "")
    classes = reader.read(reader(Images("x", "train", ((x + 1) * 127).byte()).pixels))
    agreement = scores_of(Restorations(x, measured, x[0], reader, reader))["class agreement"]
    assert agreement == (1.0 if classes[0] == classes[1] else 0.5)
