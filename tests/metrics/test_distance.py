"""Distances against textbook formulas, closed forms, and the full matrices of all pairs."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from inkwash.metrics import distance
from inkwash.metrics.distance import Cloud, frechet, kernel
from inkwash.testing import convergence_order


def cloud(n: int, d: int, seed: int = 0) -> Tensor:
    """n correlated points of d numbers, whose mean is not 0."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(d, d, generator=generator, dtype=torch.float64) + 2 * torch.eye(d, dtype=torch.float64)
    return torch.randn(n, d, generator=generator, dtype=torch.float64) @ mixing + seed / 3


def rotation(d: int) -> Tensor:
    return torch.linalg.qr(cloud(d, d, 9)).Q


def orthogonal(n: int, d: int) -> Tensor:
    """[n,d] with columns of mean 0 and of sample covariance exactly the identity: a discrete cosine transform."""
    angles = math.pi / n * (torch.arange(n, dtype=torch.float64)[:, None] + 0.5) * torch.arange(1, d + 1)
    return torch.cos(angles) * math.sqrt(2 * (n - 1) / n)


# ---- Fréchet


@pytest.mark.parametrize(("n", "m", "d"), [(300, 200, 1), (300, 200, 6), (90, 500, 30), (4000, 100, 12)])
def test_frechet_is_the_textbooks(n: int, m: int, d: int) -> None:
    a, b = cloud(n, d).numpy(), cloud(m, d, 1).numpy()
    cov_a, cov_b = np.cov(a.T).reshape(d, d), np.cov(b.T).reshape(d, d)
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    textbook = np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(cov_a + cov_b - 2 * root)
    assert frechet(torch.from_numpy(a), torch.from_numpy(b)) == pytest.approx(textbook, rel=1e-6)


@pytest.mark.parametrize(("n", "d"), [(64, 5), (64, 60), (12, 11)])
def test_frechet_of_diagonal_covariances_is_that_of_their_roots(n: int, d: int) -> None:
    """Also where some are 0, or of very different size."""
    generator = torch.Generator().manual_seed(0)
    for size in (1.0, 1e-5, 1e5):
        one, other = torch.rand(2, d, generator=generator, dtype=torch.float64)
        one, other = one * size, other * torch.logspace(-6, 0, d, dtype=torch.float64)
        one[: d // 3] = 0
        other[d // 4 : d // 2] = 0
        points = orthogonal(n, d)
        expected = ((one - other) ** 2).sum().item() + 4 * d
        assert frechet(points * one, points[:, :d] * other + 2) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("n", "d"), [(5, 40), (40, 5), (20, 20), (21, 20), (19, 20), (2, 3)])
def test_frechet_of_a_set_that_is_scaled_and_moved(n: int, d: int) -> None:
    """|(c − 1)·μ + v|² + (c − 1)²·tr Σ, however few the points."""
    a, moved = cloud(n, d), torch.linspace(0, 1, d, dtype=torch.float64)
    for c in (1.0, 3.0, 1e-4):
        expected = ((c - 1) * a.mean(0) + moved).square().sum() + (c - 1) ** 2 * a.var(0).sum()
        assert frechet(a, c * a + moved) == pytest.approx(expected.item(), rel=1e-9)


def test_frechet_of_sets_that_share_no_direction_is_all_of_both() -> None:
    a, b = cloud(30, 8), cloud(50, 8, 1)
    a[:, 4:], b[:, :4] = 0, 0
    expected = (a.mean(0) - b.mean(0)).square().sum() + a.var(0).sum() + b.var(0).sum()
    assert frechet(a, b) == pytest.approx(expected.item(), rel=1e-9)


@pytest.mark.parametrize(("n", "m", "d"), [(50, 60, 4), (6, 30, 12), (12, 12, 12)])
def test_frechet_sees_neither_order_nor_frame(n: int, m: int, d: int) -> None:
    a, b = cloud(n, d), cloud(m, d, 1)
    known = frechet(a, b)
    assert known > 1
    moved = torch.arange(d, dtype=torch.float64)
    assert frechet(b, a) == pytest.approx(known, rel=1e-9)
    assert frechet(a.flip(0), b.roll(3, 0)) == pytest.approx(known, rel=1e-9)
    assert frechet(a @ rotation(d) + moved, b @ rotation(d) + moved) == pytest.approx(known, rel=1e-9)
    assert frechet(10 * a, 10 * b) == pytest.approx(100 * known, rel=1e-9)
    padded = (torch.nn.functional.pad(points, (2, 3)) for points in (a, b))
    assert frechet(*padded) == pytest.approx(known, rel=1e-9)


@pytest.mark.parametrize(("n", "d"), [(50, 4), (6, 30), (2, 1)])
def test_frechet_of_a_set_with_itself_is_0(n: int, d: int) -> None:
    a = cloud(n, d)
    assert abs(frechet(a, a.clone())) < 1e-12 * a.var(0).sum().item()
    assert abs(frechet(torch.ones(n, d, dtype=torch.float64), torch.ones(n, d, dtype=torch.float64))) < 1e-15


def test_frechets_bias_falls_as_the_number_of_points_grows() -> None:
    """As 1/n, for sets of one distribution, where the distance is 0."""
    ns = (40, 80, 160, 320)
    generator = torch.Generator().manual_seed(0)
    means = []
    for n in ns:
        pairs = torch.randn(100, 2, n, 4, generator=generator, dtype=torch.float64)
        means.append(sum(frechet(a, b) for a, b in pairs) / 100)
    assert convergence_order(ns, means) == pytest.approx(1, abs=0.1)


# ---- the kernel distance


def loops(a: Tensor, b: Tensor) -> float:
    """Bińkowski et al. 2018, eq. 4, pair by pair."""

    def k(x: list[float], y: list[float]) -> float:
        return (math.fsum(p * q for p, q in zip(x, y, strict=True)) / len(x) + 1) ** 3

    xs, ys = a.tolist(), b.tolist()
    within = [
        math.fsum(k(x, y) for i, x in enumerate(of) for j, y in enumerate(of) if i != j) / (len(of) * (len(of) - 1))
        for of in (xs, ys)
    ]
    return within[0] + within[1] - 2 * math.fsum(k(x, y) for x in xs for y in ys) / (len(xs) * len(ys))


def matrices(a: Tensor, b: Tensor) -> float:
    """The same by full matrices."""
    n, m = len(a), len(b)
    aa, bb, ab = (((x @ y.T).numpy() / a.shape[1] + 1) ** 3 for x, y in ((a, a), (b, b), (a, b)))
    within = (aa.sum() - np.trace(aa)) / (n * (n - 1)) + (bb.sum() - np.trace(bb)) / (m * (m - 1))
    return float(within - 2 * ab.mean())


@pytest.mark.parametrize("oracle", [loops, matrices])
@pytest.mark.parametrize(("n", "m", "d"), [(2, 2, 1), (9, 14, 3), (30, 7, 20)])
def test_the_kernel_distance_is_that_of_all_pairs(
    oracle: Callable[[Tensor, Tensor], float], n: int, m: int, d: int
) -> None:
    a, b = cloud(n, d), cloud(m, d, 1)
    assert kernel(a, b) == pytest.approx(oracle(a, b), rel=1e-10)
    assert kernel(b, a) == pytest.approx(kernel(a, b), rel=1e-10)
    assert kernel(a @ rotation(d), b @ rotation(d)) == pytest.approx(kernel(a, b), rel=1e-10)


def test_distances_do_not_depend_on_blocks_or_on_what_was_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = cloud(50, 6), cloud(61, 6, 1)
    known = frechet(a, b), kernel(a, b)
    kept = Cloud(a), Cloud(b)
    for block in (1, 7, 50, 60, 61, 1000):
        monkeypatch.setattr(distance, "BLOCK", block)
        for pair in ((a, b), kept, (kept[0], b), (a, kept[1])):
            assert (frechet(*pair), kernel(*pair)) == pytest.approx(known, rel=1e-12)


def test_the_kernel_distance_is_unbiased() -> None:
    """Its mean over many small draws is the exact distance of two small populations, and 0 for one."""
    p, q = cloud(7, 3), cloud(5, 3, 1)
    inner = {(i, j): ((x @ y.T / 3 + 1) ** 3).mean().item() for i, x in enumerate((p, q)) for j, y in enumerate((p, q))}
    generator = torch.Generator().manual_seed(0)
    for i, other in enumerate((p, q)):
        exact = inner[0, 0] + inner[i, i] - 2 * inner[0, i]
        drawn = torch.tensor([
            kernel(p[torch.randint(7, (4,), generator=generator)],
                   other[torch.randint(len(other), (6,), generator=generator)])
            for _ in range(1500)
        ])  # fmt: skip
        assert abs(drawn.mean().item() - exact) < 4 * drawn.std().item() / math.sqrt(1500)
        assert (exact == 0) == (i == 0)
    assert exact > 10 * drawn.std().item() / math.sqrt(1500)
