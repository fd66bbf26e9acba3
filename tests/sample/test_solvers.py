"""What holds for every solver; a new one is tested by its row in `inkwash.choices`."""

import pytest
import torch

from inkwash import choices
from inkwash import sample as room
from inkwash.core import VE, Cosine, Flow, Plan, Schedule, cosine, linear, marginal_std, trailing
from inkwash.denoise import Gaussian
from inkwash.sample import DDIM, Solver, last, sample
from inkwash.testing import check_solver, order_of
from solvers import BY_HAND, SOLVERS

ALL = {**{name: solver for name, (solver, _) in BY_HAND.items()}, **SOLVERS}
EDGE = Cosine().at(0.6), Cosine().at(0.5)
SCHEDULES = {"VE": VE(), "Cosine": Cosine(), "Flow": Flow(), "linear": linear(1000), "cosine": cosine(1000)}
each_solver = pytest.mark.parametrize("solver", ALL.values(), ids=ALL)


def test_every_solver_has_a_row() -> None:
    public = {getattr(room, name) for name in room.__all__} - {Solver}
    classes = {each for each in public if isinstance(each, type) and Solver in each.__mro__}
    assert {type(solver) for solver in SOLVERS.values()} == classes


@pytest.mark.parametrize("row", list(choices.SOLVERS), ids=lambda row: row.name)
def test_a_solver_that_takes_no_variance_says_so(row: choices.Choice) -> None:
    """A flag that a solver cannot use is refused by this fact, and would otherwise be ignored."""
    make = row.load()
    solver = choices.call(make, eta=0.0, large=0.0)
    assert solver.has_variance == choices.takes(make, "large")
    assert solver.has_eta == choices.takes(make, "eta")


@each_solver
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_each_follows_gaussian_data_with_its_order(schedule: Schedule, solver: Solver) -> None:
    check_solver(solver, schedule=schedule)
    if solver.residual > 0:  # then that is what `check_solver` holds it to
        return
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


ONE_EVALUATION = {  # a step of Heun's method evaluates twice, and pays for it where steps are few
    name: solver for name, solver in ALL.items() if solver.eta == 0 and len(solver.evaluated_at(*EDGE)) == 1
}


@pytest.mark.parametrize("steps", [5, 8, 10, 20, 50])
@pytest.mark.parametrize("spacing", choices.SPACINGS.names)
@pytest.mark.parametrize("name", ONE_EVALUATION)
def test_no_spacing_makes_a_solver_worse_than_ddim(name: str, spacing: str, steps: int) -> None:
    """The spread of Gaussian samples is not more than a tenth further from the truth than DDIM's."""
    for schedule in SCHEDULES.values():
        plan = choices.SPACINGS.load(spacing)(schedule, steps)
        if plan[0].alpha == 0 and not ONE_EVALUATION[name].starts_at_pure_noise:
            continue
        for std in (0.1, 0.25, 0.5, 0.8):
            error, of_ddim = (abs(spread(solver, plan, std) - std) for solver in (ONE_EVALUATION[name], DDIM()))
            assert error <= 1.1 * of_ddim + 1e-3 * std, (schedule, std)


def spread(solver: Solver, plan: Plan, std: float) -> float:
    """The standard deviation of samples of N(0, std²): their map is linear."""
    x = torch.full((1, 1, 1, 1), float(marginal_std(plan[0])), dtype=torch.float64)
    return abs(last(sample(Gaussian(0.0, std), x, plan, solver, torch.zeros_like)).item())
