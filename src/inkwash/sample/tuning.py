"""Finds the noise levels at which a solver's few steps end closest to the exact flow of a given model."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from inkwash.core import CLEAN, Denoise, Level, Plan, as_floats, prior
from inkwash.sample.ddim import DDIM
from inkwash.sample.heun import Heun
from inkwash.sample.loop import Snapshot, last, sample
from inkwash.sample.solver import Solver, fact

OFFSETS = (8, 4, 2, 1)  # levels of the grid by which the search moves a step, the far ones first
Tick = Callable[[int], object]  # called with a number of evaluations of the network, over all images


@dataclass(frozen=True)
class Start:
    """A batch to draw: its denoiser, and the unit noise [B,C,H,W] that walks begin with. They draw no other noise."""

    denoise: Denoise
    unit: Tensor

    def walk(self, plan: Plan, solver: Solver) -> Iterator[Snapshot]:
        """The walk of the batch along a plan, by a solver that adds no noise."""
        return sample(self.denoise, self.at(plan[0]), plan, solver, torch.zeros_like)

    def at(self, level: Level) -> Tensor:
        """The noise as x at a level."""
        return prior(lambda x: x, level, self.unit)


@dataclass(frozen=True)
class Reference:
    """The flow of one batch on a fine grid: `path` has x at each level of `grid`, and `end` the images at σ = 0."""

    start: Start
    grid: Sequence[Level]
    path: Sequence[Tensor]
    end: Tensor


def reference(start: Start, grid: Sequence[Level], tick: Tick = lambda evaluations: None) -> Reference:
    """Follows the flow by Heun's method through `grid`, from noisy to clean, without CLEAN."""
    solver, plan, path = Heun(), [*grid, CLEAN], []
    for snapshot in start.walk(plan, solver):
        path.append(snapshot.x)
        if snapshot.step:
            tick(_cost(plan[snapshot.step - 1 : snapshot.step + 1], solver) * len(snapshot.x))
    return Reference(start, grid, path[:-1], path[-1])


def start_errors(found: Sequence[Reference]) -> list[float]:
    """The squared error of scaled noise as x at each level of the grid, relative as in `local_errors`.

    Noise stands for x at the noisiest level; at others, it has nothing of the image that the flow has found by then.
    """
    grid, variance = found[0].grid, _variance(found)
    costs = [0.0] * len(grid)
    for each in found:
        for i, level in enumerate(grid):
            alpha, sigma, _ = as_floats(level)
            error = float((each.start.at(level) - each.path[i]).square().mean())
            costs[i] += error / (alpha**2 * variance + sigma**2) / len(found)
    return costs


def local_errors(found: Sequence[Reference], tick: Tick = lambda evaluations: None) -> list[list[float]]:
    """The squared error of one DDIM step from each level of the grid to each later one, and to CLEAN.

    Entry [i][j] is the mean over images and pixels for the step from level i to j, j = len(grid) being CLEAN. It is
    relative to the variance of x at level j, α²s² + σ² with the variance s² of the images: the flow of Gaussian data
    carries an error to σ = 0 in this proportion, so that errors at all levels count alike.
    """
    grid = found[0].grid
    size = len(grid)
    costs = [[0.0] * (size + 1) for _ in range(size)]
    variance = _variance(found)
    solver = DDIM()
    with torch.no_grad():
        for each in found:
            weight = 1 / len(found)
            for i, t in enumerate(grid):
                x0 = each.start.denoise(each.path[i], t)
                tick(len(x0))

                def known(x: Tensor, level: Level, x0: Tensor = x0) -> Tensor:
                    return x0

                costs[i][size] += weight * float((x0 - each.end).square().mean()) / variance
                for j in range(i + 1, size):
                    alpha, sigma, _ = as_floats(grid[j])
                    there, _ = solver.step(known, each.path[i], t, grid[j], None, torch.zeros_like)
                    error = float((there - each.path[j]).square().mean())
                    costs[i][j] += weight * error / (alpha**2 * variance + sigma**2)
    return costs


def shortest(costs: Sequence[Sequence[float]], steps: int, starts: Sequence[float] = (0.0,)) -> list[int]:
    """The `steps` levels of least total cost, to CLEAN, by dynamic programming (GITS, Chen et al. 2024).

    `starts` has the cost of beginning at each of the first levels; by default, level 0 is the first.
    Raises ValueError unless 1 <= steps <= len(costs).
    """
    size = len(costs)
    if not 1 <= steps <= size:
        raise ValueError(f"a path through {size} levels has 1 to {size} steps (got {steps})")
    total = [costs[i][size] for i in range(size)]  # least cost from i to CLEAN in as many steps as counted so far
    choice: list[list[int]] = []
    for _ in range(steps - 1):
        options = [[(costs[i][j] + total[j], j) for j in range(i + 1, size)] for i in range(size)]
        best = [min(each, default=(math.inf, size)) for each in options]
        total = [cost for cost, _ in best]
        choice.append([j for _, j in best])
    first = min((cost + total[i], i) for i, cost in enumerate(starts))
    path = [first[1]]
    for row in reversed(choice):
        path.append(row[path[-1]])
    return path


def end_error(found: Sequence[Reference], plan: Plan, solver: Solver, tick: Tick = lambda evaluations: None) -> float:
    """Root mean square distance of the images that `solver` draws by `plan` from those of the flow, in [-1, 1]."""
    squares, count = 0.0, 0
    cost = _cost(plan, solver)
    for each in found:
        x = last(each.start.walk(plan, solver))
        squares += float((x - each.end).square().sum())
        count += x.numel()
        tick(cost * len(x))
    return math.sqrt(squares / count)


def refine(
    found: Sequence[Reference], chosen: Sequence[int], solver: Solver, tick: Tick = lambda evaluations: None
) -> tuple[list[int], float]:
    """Moves one step at a time to the level of the grid with the least `end_error`, until no move helps.

    Returns the levels, and their error. Unlike a sum of local errors, this knows the solver and how its errors add up.
    """
    grid = found[0].grid
    path = list(chosen)

    def error(of: Sequence[int]) -> float:
        return end_error(found, [*(grid[i] for i in of), CLEAN], solver, tick)

    least = error(path)
    for offset in OFFSETS:
        moved = True
        while moved:
            moved = False
            for k in range(len(path)):
                for place in (path[k] - offset, path[k] + offset):
                    after = path[k + 1] if k + 1 < len(path) else len(grid)
                    before = path[k - 1] if k else -1
                    if not before < place < after:
                        continue
                    trial = [*path[:k], place, *path[k + 1 :]]
                    if (value := error(trial)) < least:
                        path, least, moved = trial, value, True
    return path, least


def _variance(found: Sequence[Reference]) -> float:
    return float(torch.cat([each.end for each in found]).var())


def _cost(plan: Plan, solver: Solver) -> int:
    """How often a walk evaluates the network, along a plan whose levels fall."""
    return sum(1 if as_floats(s)[1] == 0 else len(fact(solver, "evaluated_at")(t, s)) for t, s in pairwise(plan))
