"""Precision, recall, density and coverage point by point, and what they are there to see."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from inkwash.metrics import manifold as module
from inkwash.metrics.manifold import Manifold, manifold

Points = list[list[float]]


def normal(n: int, d: int, seed: int) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def on_a_lattice(n: int, d: int, seed: int) -> Tensor:
    """Points with many equal distances, and many points twice."""
    return torch.randint(0, 3, (n, d), generator=torch.Generator().manual_seed(seed)).double() / 127.5 - 1


def twice(n: int, d: int, seed: int) -> Tensor:
    """Every point at least twice, far from 0."""
    half = normal((n + 1) // 2, d, seed) + 50
    return torch.cat([half, half])[:n]


def squared(x: list[float], y: list[float]) -> float:
    return sum((p - q) ** 2 for p, q in zip(x, y, strict=True))


def by_hand(real: Points, fake: Points, k: int) -> Manifold:
    """Kynkäänniemi et al. 2019, eq. 2, and Naeem et al. 2020, eq. 3 and 5; equal distances count as near."""

    def kth(point: int, points: Points) -> float:
        others = [squared(points[point], other) for i, other in enumerate(points) if i != point]
        return sorted(others)[k - 1] * (1 + 1e-9) + 1e-20

    reach_real = [kth(i, real) for i in range(len(real))]
    reach_fake = [kth(j, fake) for j in range(len(fake))]
    near = [[squared(x, y) for y in fake] for x in real]
    balls = [sum(near[i][j] <= reach_real[i] for i in range(len(real))) for j in range(len(fake))]
    return Manifold(
        precision=sum(number > 0 for number in balls) / len(fake),
        recall=sum(any(d <= reach for d, reach in zip(row, reach_fake, strict=True)) for row in near) / len(real),
        density=sum(balls) / (k * len(fake)),
        coverage=sum(min(row) <= reach for row, reach in zip(near, reach_real, strict=True)) / len(real),
    )


@pytest.mark.parametrize("points", [normal, on_a_lattice, twice])
@pytest.mark.parametrize(("n", "m", "k"), [(40, 30, 3), (21, 47, 1), (30, 30, 5), (6, 6, 5), (9, 40, 7)])
def test_it_is_the_papers_definitions(points: Callable[..., Tensor], n: int, m: int, k: int) -> None:
    for d in (2, 30):  # distances of many points in many dimensions are computed in another way
        real, fake = points(n, d, 1), points(m, d, 2)
        fake[: m // 3] = real[torch.arange(m // 3) % n]  # some lie on real ones
        assert manifold(real, fake, k) == pytest.approx(by_hand(real.tolist(), fake.tolist(), k))


@pytest.mark.parametrize("points", [normal, on_a_lattice, twice])
def test_blocks_change_nothing(points: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    for k in (1, 3):
        real, fake = points(50, 30, 1), points(41, 30, 2)
        fake[:20] = real[:20]
        whole = manifold(real, fake, k)
        for block in (1, 7, 26, 40, 50):
            monkeypatch.setattr(module, "BLOCK", block)
            assert manifold(real, fake, k) == whole
        monkeypatch.undo()


@pytest.mark.parametrize("points", [normal, twice])
def test_a_set_against_itself_has_all_that_can_be_had(points: Callable[..., Tensor]) -> None:
    """In the ball of each point lie k others and itself."""
    for d in (3, 40):
        real = points(60, d, 1)
        for fake in (real.clone(), real.flip(0)):
            found = manifold(real, fake, 3)
            assert (found.precision, found.recall, found.coverage) == (1, 1, 1)
            assert found.density == pytest.approx(4 / 3)


def test_roles_change_when_sets_change_places() -> None:
    real, fake = normal(40, 3, 1), 0.5 * normal(50, 3, 2)
    assert manifold(real, fake).precision == manifold(fake, real).recall
    assert manifold(real, fake).recall == manifold(fake, real).precision
    assert manifold(real, fake).recall < manifold(real, fake).precision


@pytest.mark.parametrize("dropped", [1, 2, 3])
def test_dropped_modes_are_missed_by_recall_and_coverage_alone(dropped: int) -> None:
    """Of four clusters that are alike as many as `dropped` are never drawn; what is drawn is as good as before."""
    far = torch.eye(4, dtype=torch.float64).repeat_interleave(50, 0) * 100
    real, fake = normal(50, 4, 1).repeat(4, 1) + far, normal(50, 4, 2).repeat(4, 1) + far
    whole, part = manifold(real, fake), manifold(real, fake[: 50 * (4 - dropped)])
    assert min(whole) > 0.75
    share = (4 - dropped) / 4
    expected = (whole.precision, whole.recall * share, whole.density, whole.coverage * share)
    assert part == pytest.approx(expected)


def test_outliers_are_missed_by_precision_and_density_alone() -> None:
    """Each counts as one."""
    real, fake = normal(200, 4, 1), normal(200, 4, 2)
    with_outliers = torch.cat([fake[:150], 1000 * normal(50, 4, 3)])
    good, all_of_them = manifold(real, fake[:150]), manifold(real, with_outliers)
    assert all_of_them.precision == pytest.approx(0.75 * good.precision)
    assert all_of_them.density == pytest.approx(0.75 * good.density)
    assert all_of_them.coverage == good.coverage
    assert all_of_them.recall >= good.recall


def test_a_collapsed_set_is_precise_and_has_no_diversity() -> None:
    real = normal(100, 30, 1)
    found = manifold(real, real[:1].expand(80, -1))
    assert found.precision == 1
    assert found.recall == 0.01
    assert found.coverage < 0.2


def test_density_forgives_a_real_outlier_that_precision_does_not() -> None:
    """The ball of one real outlier holds all that is drawn: one k-th of a point each (Naeem et al. 2020, figure 3)."""
    real, fake = normal(100, 2, 1), normal(80, 2, 2) + 100
    outlier = torch.full((1, 2), 300.0, dtype=torch.float64)
    found = manifold(torch.cat([real, outlier]), fake)
    assert found.precision == 1
    assert found.density == pytest.approx(1 / 3)
    assert found.coverage == pytest.approx(1 / 101)
