"""Plans: laws for every spacing and every number of steps, and the edits of plans."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inkwash import choices
from inkwash.core import (
    CLEAN,
    VE,
    Cosine,
    Discrete,
    Flow,
    Plan,
    Schedule,
    churn,
    cosine,
    karras,
    leading,
    linear,
    linspace,
    logsnr,
    scaled_linear,
    sigmoid,
    trailing,
    travel,
    truncate,
)
from inkwash.errors import UsageError

SPACINGS = [row.load() for row in choices.SPACINGS]
spaced = pytest.mark.parametrize("spacing", SPACINGS)
CONTINUOUS = {"Cosine": Cosine(), "Flow": Flow(), "VE": VE(), "wide VE": VE(1e-3, 500.0)}
T200 = {
    "linear": linear(200),
    "scaled": scaled_linear(200),
    "cosine": cosine(200),
    "sigmoid": sigmoid(200),
    "no signal": linear(200, 1e-4, 1.0),
}
FEW = [1, 2, 3, 5, 7, 10, 37, 50, 100, 333, 999, 1000]


def ratio(level) -> float:
    return level.sigma / level.alpha if level.alpha else math.inf


def check(plan: Plan, steps: int) -> None:
    """n + 1 levels, from noise to CLEAN, each strictly cleaner than the one before."""
    assert len(plan) == steps + 1
    assert plan[-1] is CLEAN
    logsnrs = [level.logsnr for level in plan]
    assert all(t < s for t, s in pairwise(logsnrs))
    assert all(type(value) in (int, float) for level in plan for value in level)


def check_rows(spacing, schedule: Discrete, steps: int) -> None:
    plan = spacing(schedule, steps)
    check(plan, steps)
    rows = [level.t for level in plan[:-1]]
    if spacing in (karras, logsnr):
        assert all(a >= b for a, b in pairwise(rows))
        return
    assert list(plan[:-1]) == [schedule.at(row) for row in rows]
    assert all(a > b for a, b in pairwise(rows))  # no row repeated
    if spacing in (trailing, linspace):
        assert rows[0] == schedule.num_timesteps - 1
    if spacing is leading or (spacing is linspace and steps > 1):
        assert rows[-1] == 0
    # equal strides, as near as whole rows allow
    stride = (schedule.num_timesteps - 1) / max(steps - 1, 1) if spacing is linspace else schedule.num_timesteps / steps
    assert all(abs(a - b - stride) <= 1 for a, b in pairwise(rows))


@spaced
@pytest.mark.parametrize("schedule", T200.values(), ids=T200)
def test_every_number_of_steps_of_a_table(spacing, schedule: Discrete) -> None:
    for steps in range(1, 201, 1 if schedule is T200["linear"] else 7):
        check_rows(spacing, schedule, steps)


@spaced
@pytest.mark.parametrize("steps", FEW)
def test_a_table_of_a_thousand_rows(spacing, steps: int) -> None:
    for schedule in (linear(1000), cosine(1000)):
        check_rows(spacing, schedule, steps)


@spaced
def test_a_table_of_one_row(spacing) -> None:
    schedule = linear(1, 0.4, 0.4)
    plan = spacing(schedule, 1)
    check(plan, 1)
    assert plan[0][1:] == pytest.approx(schedule.at(0)[1:], rel=1e-14)


@spaced
@pytest.mark.parametrize("schedule", CONTINUOUS.values(), ids=CONTINUOUS)
@pytest.mark.parametrize("steps", [*FEW, 1001, 1500, 2000, 3000])
def test_continuous_schedules_take_any_number_of_steps(spacing, schedule: Schedule, steps: int) -> None:
    """Never below `first`, the least noisy level that a network is asked about."""
    plan = spacing(schedule, steps)
    check(plan, steps)
    times = [level.t for level in plan[:-1]]
    assert all(a >= b for a, b in pairwise(times))
    assert 0.001 - 1e-9 <= times[-1] <= times[0] <= 1
    if spacing not in (karras, logsnr):
        assert list(plan[:-1]) == [schedule.at(t) for t in times]
        strides = [a - b for a, b in pairwise(times)]
        assert strides == pytest.approx([strides[0]] * (steps - 1) if strides else [], rel=1e-9)
    if spacing in (trailing, linspace):
        assert times[0] == 1
    if spacing is leading or (spacing is linspace and steps > 1):
        assert times[-1] == pytest.approx(0.001)


def test_the_strides_of_a_table_that_divides() -> None:
    def rows(plan: Plan) -> list:
        return [level.t for level in plan[:-1]]

    schedule = linear(1000)
    assert rows(trailing(schedule, 10)) == list(range(999, 0, -100))
    assert rows(leading(schedule, 10)) == list(range(900, -1, -100))
    assert rows(linspace(schedule, 10)) == list(range(999, -1, -111))
    assert rows(trailing(schedule, 1)) == rows(linspace(schedule, 1)) == [999]
    assert rows(leading(schedule, 1)) == [0]
    for spacing in (trailing, leading, linspace):
        assert rows(spacing(schedule, 1000)) == list(range(999, -1, -1))


def edm(steps: int, low: float, high: float, rho: float) -> list[float]:
    """Karras et al. 2022, eq. 5, for i < N."""
    a, b = high ** (1 / rho), low ** (1 / rho)
    return [(a + i / (steps - 1) * (b - a)) ** rho for i in range(steps)]


@pytest.mark.parametrize("steps", [2, 5, 18, 256, 1000])
@pytest.mark.parametrize("rho", [1.0, 3.0, 7.0])
def test_karras_is_their_equation_5(steps: int, rho: float) -> None:
    """Between the ends of the schedule that a network is asked about, and never above 80."""
    for schedule, low, high in [
        (VE(), 0.002 * 40_000**0.001, 80.0),
        (VE(0.01, 20.0), 0.01 * 2000**0.001, 20.0),
        (VE(0.01, 500.0), 0.01 * 50_000**0.001, 80.0),
        (Flow(), 1 / 999, 80.0),
        (Cosine(), math.tan(math.pi / 2000), 80.0),
        (linear(1000), math.sqrt(1e-4 / (1 - 1e-4)), 80.0),
        (linear(1000, 1e-4, 0.01), 0.01000050003750, None),
    ]:
        high = ratio(schedule.at(schedule.num_timesteps - 1)) if high is None else high
        plan = karras(schedule, steps, rho)
        assert [ratio(level) for level in plan[:-1]] == pytest.approx(edm(steps, low, high, rho), rel=1e-10)


def test_karras_at_one_step_begins_at_the_top() -> None:
    assert ratio(karras(VE(), 1)[0]) == pytest.approx(80, rel=1e-12)
    assert ratio(karras(Flow(), 1, most=10.0)[0]) == pytest.approx(10, rel=1e-12)


@spaced
@pytest.mark.parametrize("schedule", [*T200.values(), linear(1000), cosine(1000)])
def test_too_few_and_too_many_steps_are_refused(spacing, schedule: Discrete) -> None:
    for steps in (0, -1, schedule.num_timesteps + 1):
        with pytest.raises(UsageError, match=rf"at least 1 step and at most {schedule.num_timesteps},.*got {steps}"):
            spacing(schedule, steps)


@spaced
def test_continuous_schedules_need_a_step_too(spacing) -> None:
    with pytest.raises(UsageError, match=r"at least 1 step \(got 0\)"):
        spacing(Flow(), 0)


@given(steps=st.integers(1, 60), share=st.floats(0.001, 1))
def test_truncating_leaves_the_last_share(steps: int, share: float) -> None:
    plan = trailing(linear(100), steps)
    kept = truncate(plan, share)
    assert list(kept) == list(plan[-len(kept) :])
    assert len(kept) >= 2
    assert abs((len(kept) - 1) - share * steps) <= max(0.5, 1 - share * steps)
    assert list(truncate(plan, 1.0)) == list(plan)


@pytest.mark.parametrize("share", [0, -0.1, 1.01, math.nan])
def test_a_share_lies_between_0_and_1(share: float) -> None:
    with pytest.raises(UsageError, match=r"\(0, 1\]"):
        truncate(trailing(linear(100), 10), share)


@pytest.mark.parametrize("schedule", [VE(), Flow(), Cosine(), linear(1000)])
@pytest.mark.parametrize("amount", [0.5, 3.0, 40.0, 1000.0])
def test_churning_raises_each_level_in_range(schedule: Schedule, amount: float) -> None:
    """γ = min(S_churn/N, √2 − 1) while σ is in [S_tmin, S_tmax], and σ̂ = σ + γσ (their algorithm 2)."""
    steps, low, high = 18, 0.05, 50.0
    plan = karras(schedule, steps)
    churned = churn(plan, schedule, amount, low, high)
    gamma = min(amount / steps, math.sqrt(2) - 1)
    walk = iter(churned)
    for level in plan:
        assert next(walk) == level
        if level.sigma > 0 and low <= ratio(level) <= high:
            assert ratio(next(walk)) == pytest.approx((1 + gamma) * ratio(level), rel=1e-12)
    assert next(walk, None) is None


def test_no_churn_is_the_plan_and_pure_noise_is_left_alone() -> None:
    plan = trailing(Cosine(), 10)
    assert churn(plan, Cosine(), 0.0) == list(plan)
    churned = churn(plan, Cosine(), 5.0)
    assert churned[:2] == list(plan[:2])  # α = 0 has no more noise to take
    assert len(churned) == len(plan) + 9


@given(steps=st.integers(1, 30), every=st.integers(1, 12), back=st.integers(1, 12), times=st.integers(0, 3))
def test_travelling_undoes_and_repeats(steps: int, every: int, back: int, times: int) -> None:
    """Every edge is one of the plan's, or goes `back` levels up; `times` of those after each `every` steps."""
    plan = linspace(Flow(), steps)
    if back > every:
        with pytest.raises(UsageError, match="1 <= back <= every"):
            travel(plan, every, back, times)
        return
    places = [list(plan).index(level) for level in travel(plan, every, back, times)]
    assert places[0] == 0
    assert places[-1] == steps
    moves = [b - a for a, b in pairwise(places)]
    assert set(moves) <= {1, -back}
    returns = [a for a, b in pairwise(places) if b < a]
    assert returns == [i for i in range(every, steps, every) for _ in range(times)]


@pytest.mark.parametrize("wrong", [(5, 0, 1), (5, 6, 1), (5, 2, -1), (0, 0, 1)])
def test_a_journey_that_cannot_be_is_refused(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(UsageError, match="1 <= back <= every and times >= 0"):
        travel(trailing(linear(100), 10), *wrong)


@pytest.mark.parametrize("steps", [1, 2, 5, 20])
def test_karras_tells_each_level_another_t_where_a_table_ends_in_pure_noise(steps: int) -> None:
    betas = torch.cat([torch.linspace(0.001, 0.2, 30, dtype=torch.float64), torch.ones(1, dtype=torch.float64)])
    schedule = Discrete(betas)
    assert schedule.at(30).alpha == 0
    plan = karras(schedule, steps)[:-1]
    times = [level.t for level in plan]
    assert times == sorted(set(times), reverse=True)
    assert times[0] == pytest.approx(29, abs=1e-9)
    for level in plan:  # what is told is what is meant
        low, high = schedule.at(math.floor(level.t)), schedule.at(min(math.ceil(level.t), 29))
        assert high.logsnr - 1e-9 <= level.logsnr <= low.logsnr + 1e-9


@pytest.mark.parametrize("schedule", [Cosine(), Flow(), VE(), linear(1000), cosine(1000)])
@pytest.mark.parametrize("steps", [2, 7, 500])
def test_logsnr_has_equal_strides_between_the_ends_of_karras(schedule: Schedule, steps: int) -> None:
    plan = [level.logsnr for level in logsnr(schedule, steps)[:-1]]
    strides = [b - a for a, b in pairwise(plan)]
    assert strides == pytest.approx([strides[0]] * len(strides), rel=1e-6)
    ends = [level.logsnr for level in karras(schedule, steps)[:-1]]
    assert (plan[0], plan[-1]) == pytest.approx((ends[0], ends[-1]), rel=1e-9)


def test_karras_refuses_a_schedule_of_pure_noise_alone() -> None:
    with pytest.raises(UsageError, match="only row of this schedule is pure noise"):
        karras(Discrete(torch.ones(1)), 1)
