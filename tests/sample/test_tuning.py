"""Tuned plans: the shortest path is the shortest of all, and on Gaussian data the best plan is known.

For N(0, s²), with tan φ = σ/(α·s), a DDIM step from φ to ψ multiplies x, relative to the standard deviation of its
level, by cos(φ − ψ), where the flow multiplies by 1. So the error of the end is 1 − Π cos, least where all strides of φ
are equal.
"""

import math
from itertools import combinations

import pytest
import torch

from inkwash.core import CLEAN, Cosine, Flow, Schedule, Seeded, karras
from inkwash.denoise import Gaussian
from inkwash.sample import DDIM, DPMpp2M
from inkwash.sample.tuning import Reference, Start, end_error, local_errors, reference, refine, shortest, start_errors

STD, STRIDES = 0.5, 60


def on_angles(schedule: Schedule) -> tuple[Reference, float]:
    """The flow on a grid of equal strides of φ, and the first φ."""
    first = math.atan(80 / STD)
    angles = [first * (1 - i / STRIDES) for i in range(STRIDES)]
    grid = [schedule.from_logsnr(-2 * math.log(STD * math.tan(angle))) for angle in angles]
    like = torch.zeros(16, 1, 4, 4, dtype=torch.float64)
    return reference(Start(Gaussian(0.0, STD), Seeded(0, range(16))(like)), grid), first


@pytest.mark.parametrize("steps", [1, 2, 4, 7])
def test_the_shortest_path_is_the_shortest_of_all(steps: int) -> None:
    size = 7
    costs = torch.rand(size, size + 1, generator=torch.Generator().manual_seed(steps), dtype=torch.float64).tolist()

    def cost(path: tuple[int, ...]) -> float:
        return sum(costs[i][j] for i, j in zip(path, (*path[1:], size), strict=True))

    best = min(((0, *rest) for rest in combinations(range(1, size), steps - 1)), key=cost)
    assert shortest(costs, steps) == list(best)


@pytest.mark.parametrize("steps", [0, 4])
def test_a_path_of_more_steps_than_levels_is_refused(steps: int) -> None:
    with pytest.raises(ValueError, match="has 1 to 3 steps"):
        shortest([[1.0] * 4] * 3, steps)


def test_the_reference_is_the_flow() -> None:
    found, first = on_angles(Cosine())
    exact = STD * found.path[0] / math.hypot(found.grid[0].sigma, STD * found.grid[0].alpha)
    torch.testing.assert_close(found.end, exact, rtol=3e-3, atol=0)
    assert first == pytest.approx(1.5645, abs=1e-3)


@pytest.mark.parametrize("schedule", [Cosine(), Flow()])
@pytest.mark.parametrize("steps", [3, 6, 10])
def test_gaussian_data_want_equal_strides_of_the_angle(schedule: Schedule, steps: int) -> None:
    found, first = on_angles(schedule)
    best = [k * STRIDES // steps for k in range(steps)]
    assert shortest(local_errors([found]), steps) == best
    error = end_error([found], [*(found.grid[i] for i in best), CLEAN], DDIM())
    expected = (1 - math.cos(first / steps) ** steps) * float(found.end.square().mean().sqrt())
    assert error == pytest.approx(expected, rel=0.03)  # the flow's own error is 0.2 % of the images


def test_noise_is_x_at_the_noisiest_level_alone() -> None:
    """For N(0, s²) noise has variance α² + σ² where x has α²s² + σ², and is proportional to it."""
    found, _ = on_angles(Cosine())
    errors = start_errors([found])
    first = math.sqrt((1 + 80**2) / (STD**2 + 80**2))
    for i in (0, 20, 40, 59):
        _, alpha, sigma = found.grid[i]
        expected = math.sqrt((alpha**2 + sigma**2) / ((alpha * STD) ** 2 + sigma**2)) - first
        assert math.sqrt(errors[i]) == pytest.approx(abs(expected), abs=0.01)
    assert shortest([[0.0] * 4] * 3, 1, [2.0, 1.0, 3.0]) == [1]


def test_refining_never_loses_and_knows_the_solver() -> None:
    found, _ = on_angles(Cosine())
    begun = shortest(local_errors([found]), 5)
    before = end_error([found], [*(found.grid[i] for i in begun), CLEAN], DPMpp2M())
    chosen, error = refine([found], begun, DPMpp2M())
    assert error < 0.7 * before  # its second order wants other levels than DDIM
    assert error < 0.7 * end_error([found], karras(Cosine(), 5), DPMpp2M())
    assert error == end_error([found], [*(found.grid[i] for i in chosen), CLEAN], DPMpp2M())


def test_evaluations_are_counted() -> None:
    seen = {"images": 0}
    gaussian = Gaussian(0.0, STD)

    def counting(x, level):
        seen["images"] += len(x)
        return gaussian(x, level)

    told = []
    grid = karras(Cosine(), 8)[:-1]
    start = Start(counting, Seeded(0, range(16))(torch.zeros(16, 1, 2, 2, dtype=torch.float64)))
    found = reference(start, grid, told.append)
    local_errors([found], told.append)
    end_error([found], karras(Cosine(), 3), DPMpp2M(), told.append)
    assert sum(told) == seen["images"]
