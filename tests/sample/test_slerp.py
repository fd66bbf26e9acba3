"""Laws of spherical interpolation."""

from itertools import pairwise

import pytest
import torch

from inkwash.errors import UsageError
from inkwash.sample.slerp import slerp

A, B = torch.randn(2, 3, 40, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
SHARES = torch.linspace(0, 1, 9)


def angle(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(torch.arccos((a * b).sum() / a.norm() / b.norm()))


def test_ends_are_the_noises_and_steps_are_equal_angles() -> None:
    arc = slerp(A, 2 * B, SHARES)
    torch.testing.assert_close(arc[0], A)
    torch.testing.assert_close(arc[-1], 2 * B)
    equal = slerp(A, B * A.norm() / B.norm(), SHARES)
    for one, two in pairwise(equal):
        assert angle(one, two) == pytest.approx(angle(A, B) / 8, rel=1e-6)


def test_gaussian_noises_keep_their_expected_size() -> None:
    dimension = A.numel()  # |z|² has mean d and standard deviation √(2d)
    for noise in slerp(A, B, SHARES):
        assert abs(float(noise.square().sum()) - dimension) < 4 * (2 * dimension) ** 0.5
    assert float(((A + B) / 2).square().sum()) < 0.6 * dimension  # what a straight line does


def test_order_and_scale() -> None:
    torch.testing.assert_close(slerp(A, B, SHARES), slerp(B, A, 1 - SHARES), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(slerp(3 * A, 3 * B, SHARES), 3 * slerp(A, B, SHARES))
    assert slerp(A.float(), B.float(), SHARES).dtype == torch.float32


def test_parallel_noises_are_on_a_line_and_opposite_ones_are_refused() -> None:
    torch.testing.assert_close(slerp(A, A, SHARES), A.expand(9, -1, -1, -1))
    with pytest.raises(UsageError, match="opposite"):
        slerp(A, -A, SHARES)
    with pytest.raises(UsageError, match="0 everywhere"):
        slerp(A, 0 * A, SHARES)
