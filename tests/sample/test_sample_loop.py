"""The loop: what it does itself, what it leaves to the solver, and how often the network is asked."""

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from inkwash.core import CLEAN, VE, Cosine, Flow, Level, Seeded, churn, karras, linear, prior, trailing, travel
from inkwash.denoise import Gaussian
from inkwash.sample import DDIM, DDPM, DPMpp2M, Heun, Snapshot, last, sample

ORACLE = Gaussian(0.3, 0.5)


class Spy:
    """A solver that keeps x and remembers how many edges it has walked since it was told to forget."""

    def __init__(self) -> None:
        self.edges: list[tuple[Level, Level]] = []
        self.memories: list[Any] = []

    def step(self, denoise, x: Tensor, t: Level, s: Level, memory: Any, noise) -> tuple[Tensor, Any]:
        assert not torch.is_grad_enabled()
        self.edges.append((t, s))
        self.memories.append(memory)
        return x + 1, (memory or 0) + 1


def ones(x: Tensor) -> Tensor:
    return torch.ones_like(x)


def nothing(x: Tensor, level: Level) -> Tensor:
    return torch.zeros_like(x)


def test_every_moment_is_told_the_first_one_included() -> None:
    plan, x = trailing(linear(100), 5), torch.zeros(2, 1, 3, 3)
    moments = list(sample(nothing, x, plan, Spy(), ones))
    assert [snapshot.step for snapshot in moments] == list(range(6))
    assert [snapshot.level for snapshot in moments] == list(plan)
    assert moments[0].x is x


def test_the_solver_walks_all_edges_but_the_last_which_is_the_denoised_image() -> None:
    plan, spy, asked = trailing(linear(100), 5), Spy(), []

    def denoise(x: Tensor, level: Level) -> Tensor:
        asked.append((x.clone(), level))
        return 10 * x

    end = last(sample(denoise, torch.zeros(1), plan, spy, ones))
    assert spy.edges == list(pairwise(plan[:-1]))
    assert spy.memories == [None, 1, 2, 3]
    assert [level for _, level in asked] == [plan[-2]]
    assert end.item() == 40


def test_a_noisier_level_is_reached_by_the_forward_kernel_and_forgets() -> None:
    """(α_t/α_s)·x + √(σ_t² − (α_t/α_s)²·σ_s²)·z, by hand; the solver never sees that edge."""
    clear, noisy = Level(3, 0.8, 0.6), Level(7, 0.6, 0.8)
    plan = [noisy, clear, noisy, clear, CLEAN]
    spy = Spy()
    moments = list(sample(nothing, torch.zeros(1, dtype=torch.float64), plan, spy, ones))
    expected = 0.6 / 0.8 * 1 + (0.8**2 - (0.6 / 0.8) ** 2 * 0.6**2) ** 0.5
    assert moments[2].x.item() == pytest.approx(expected, rel=1e-14, abs=0)
    assert spy.edges == [(noisy, clear), (noisy, clear)]
    assert spy.memories == [None, None]


def test_a_level_met_twice_costs_nothing() -> None:
    level = Level(3, 0.8, 0.6)
    x = torch.randn(3)
    moments = list(sample(nothing, x, [level, level, CLEAN], Spy(), ones))
    assert torch.equal(moments[1].x, x)


def test_noising_again_from_a_clean_image_starts_from_it() -> None:
    plan = [CLEAN, Level(5, 0.6, 0.8), CLEAN]
    moments = list(sample(nothing, torch.full((2,), 3.0), plan, Spy(), ones))
    torch.testing.assert_close(moments[1].x, torch.full((2,), 0.6 * 3 + 0.8))


@pytest.mark.parametrize("steps", [1, 2, 5, 20])
@pytest.mark.parametrize(
    ("solver", "evaluations"),
    [(DDIM(), lambda n: n), (DDPM(), lambda n: n), (DPMpp2M(), lambda n: n), (Heun(), lambda n: 2 * n - 1)],
)
def test_the_network_is_asked_no_more_than_needed(steps: int, solver, evaluations) -> None:
    calls = 0

    def counted(x: Tensor, level: Level) -> Tensor:
        nonlocal calls
        calls += 1
        assert level.sigma > 0
        return ORACLE(x, level)

    last(sample(counted, torch.zeros(1, 1, 2, 2), karras(VE(), steps), solver, ones))
    assert calls == evaluations(steps)


def test_gradients_are_off_and_can_be_turned_on_within() -> None:
    """Guidance by gradient differentiates inside denoise, so the loop may not use inference mode."""

    def guided(x: Tensor, level: Level) -> Tensor:
        assert not torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(leaf.pow(3).sum(), leaf)
        torch.testing.assert_close(gradient, 3 * x**2)
        return ORACLE(x, level)

    x = torch.randn(2, requires_grad=True)
    for snapshot in sample(guided, x, trailing(linear(100), 4), DDIM(), ones):
        assert torch.is_grad_enabled()  # whoever consumes the walk is not in its no_grad
        assert snapshot.step == 0 or not snapshot.x.requires_grad


@pytest.mark.parametrize("solver", [DDPM(), DDIM(), DPMpp2M()])
def test_an_image_does_not_depend_on_its_batch(solver) -> None:
    plan = trailing(linear(1000), 7)

    def drawn(indices: list[int]) -> Tensor:
        noise, like = Seeded(3, indices), torch.empty(len(indices), 1, 4, 4)
        return last(sample(ORACLE, prior(noise, plan[0], like), plan, solver, noise))

    assert torch.equal(drawn([0, 1, 2, 3, 4])[[1, 3]], drawn([1, 3]))


def moments_of_a_walk(plan, solver, n: int = 200_000) -> tuple[float, float]:
    generator = torch.Generator().manual_seed(0)
    level = plan[0]
    x = level.alpha * 0.3 + (level.alpha**2 * 0.25 + level.sigma**2) ** 0.5 * torch.randn(n, generator=generator)
    end = last(sample(ORACLE, x, plan, solver, lambda x: torch.randn(x.shape, generator=generator)))
    return end.mean().item(), end.std().item()


@pytest.mark.parametrize("schedule", [Cosine(), Flow(), VE()])
def test_churn_and_time_travel_keep_the_distribution(schedule) -> None:
    """Many exact-enough steps with noise put back on the way still end at the data: within 1 % and 4 errors."""
    plan = karras(schedule, 60)
    for edited in (plan, churn(plan, schedule, 20.0), travel(plan, 10, 5, 2)):
        mean, std = moments_of_a_walk(edited, Heun(), 20_000)
        assert mean == pytest.approx(0.3, abs=4 * 0.5 / 20_000**0.5 + 0.003)
        assert std == pytest.approx(0.5, abs=4 * 0.5 / 40_000**0.5 + 0.005)


def test_last_is_the_last_moments_image() -> None:
    x = torch.randn(2)
    assert last(iter([Snapshot(0, CLEAN, torch.zeros(2)), Snapshot(1, CLEAN, x)])) is x
