import math

import pytest
import torch

from inkwash.core import CLEAN, Level
from inkwash.core.level import as_floats


@pytest.mark.parametrize(("alpha", "sigma"), [(1.0, 0.002), (1.0, 80.0), (0.6, 0.8), (0.25, 0.75), (1e-12, 1.0)])
def test_logsnr_is_the_log_of_alpha_squared_over_sigma_squared(alpha: float, sigma: float) -> None:
    assert Level(0, alpha, sigma).logsnr == pytest.approx(math.log(alpha**2 / sigma**2), rel=1e-14, abs=0)


def test_logsnr_depends_on_the_ratio_alone() -> None:
    assert Level(0, 3 * 0.6, 3 * 0.8).logsnr == pytest.approx(Level(1, 0.6, 0.8).logsnr, rel=1e-14, abs=0)


def test_the_ends_are_infinite_not_errors() -> None:
    assert Level(0, 1.0, 0.0).logsnr == math.inf
    assert Level(0, 0.0, 1.0).logsnr == -math.inf


def test_clean_is_a_finished_image_with_a_t_that_shows_misuse() -> None:
    assert (CLEAN.alpha, CLEAN.sigma, CLEAN.logsnr) == (1.0, 0.0, math.inf)
    assert math.isnan(CLEAN.t)


def test_tensors_and_floats_agree() -> None:
    alpha, sigma = (
        torch.tensor([1.0, 0.6, 0.0], dtype=torch.float64),
        torch.tensor([0.0, 0.8, 1.0], dtype=torch.float64),
    )
    expected = [Level(0, a, s).logsnr for a, s in zip(alpha.tolist(), sigma.tolist(), strict=True)]
    assert Level(0, alpha, sigma).logsnr.tolist() == pytest.approx(expected, rel=1e-12, abs=0)
    assert Level(0, 1.0, sigma[1:]).logsnr.tolist() == pytest.approx([-2 * math.log(0.8), 0.0], rel=1e-12, abs=0)


def test_numbers_are_python_floats() -> None:
    got = as_floats(Level(3, torch.tensor([0.6], dtype=torch.float64), torch.tensor([0.8], dtype=torch.float64)))
    assert got == pytest.approx((0.6, 0.8, 2 * math.log(0.75)), rel=1e-14, abs=0)
    assert all(type(value) is float for value in got)
