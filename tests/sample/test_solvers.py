"""What holds for every solver; a new one is tested by its row in `inkwash.choices`."""

import pytest
import torch

from inkwash import sample as room
from inkwash.core import VE, Cosine, Flow, Schedule, cosine, linear, trailing
from inkwash.sample import Solver, sample
from inkwash.testing import check_solver, order_of
from solvers import BY_HAND, SOLVERS

ALL = {**{name: solver for name, (solver, _) in BY_HAND.items()}, **SOLVERS}
SCHEDULES = {"VE": VE(), "Cosine": Cosine(), "Flow": Flow(), "linear": linear(1000), "cosine": cosine(1000)}
each_solver = pytest.mark.parametrize("solver", ALL.values(), ids=ALL)


def test_every_solver_has_a_row() -> None:
    public = {getattr(room, name) for name in room.__all__} - {Solver}
    classes = {each for each in public if isinstance(each, type) and Solver in each.__mro__}
    assert {type(solver) for solver in SOLVERS.values()} == classes


@each_solver
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_each_follows_gaussian_data_with_its_order(schedule: Schedule, solver: Solver) -> None:
    check_solver(solver, schedule=schedule)
    assert order_of(solver, schedule) == pytest.approx(solver.order, abs=0.15)


@pytest.mark.parametrize("steps", [2, 3, 10])
@pytest.mark.parametrize("name", [name for name, solver in ALL.items() if solver.eta == 0])
def test_a_constant_x0_is_followed_exactly(name: str, steps: int) -> None:
    """Then the flow is x = α·x̂₀ + σ·ε with ε fixed, for any number of steps."""
    x0, eps = torch.randn(2, 4, dtype=torch.float64)
    plan = trailing(linear(1000), steps)
    x = plan[0].alpha * x0 + plan[0].sigma * eps
    for snapshot in sample(lambda x, level: x0, x, plan, ALL[name], torch.zeros_like):
        expected = snapshot.level.alpha * x0 + snapshot.level.sigma * eps
        torch.testing.assert_close(snapshot.x, expected, rtol=1e-10, atol=1e-12)
