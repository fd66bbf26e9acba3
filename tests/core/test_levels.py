"""Plans whose levels are listed: they visit them, read their own names, and refuse what is no plan."""

import math

import pytest

from inkwash import choices
from inkwash.core import CLEAN, Cosine, Flow, karras, linear
from inkwash.core.levels import as_levels, levels
from inkwash.errors import UsageError

SCHEDULES = [Cosine(), Flow(), linear(1000)]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_levels_are_those_that_are_listed(schedule) -> None:
    plan = choices.SPACINGS.load("levels:80/3/0.5/0.02")(schedule, 4)
    assert plan[-1] is CLEAN
    assert [level.sigma / level.alpha for level in plan[:-1]] == pytest.approx([80, 3, 0.5, 0.02], rel=1e-9)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_plan_survives_its_name(schedule) -> None:
    plan = karras(schedule, 7)
    again = choices.SPACINGS.load(as_levels(plan))(schedule, 7)
    for (_, *before), (_, *after) in zip(plan, again, strict=True):
        assert after == pytest.approx(before, rel=1e-5)


@pytest.mark.parametrize("text", ["", "a", "1/2", "1/1", "2/-1", "2/0", "nan", "inf/1", "3,2,1", "2//1"])
def test_what_is_no_falling_list_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="numbers above 0 that fall"):
        levels(text)


def test_another_number_of_steps_and_other_levels_than_the_schedules_are_refused() -> None:
    with pytest.raises(UsageError, match="lists 2 levels; give `steps=2`"):
        levels("2/1")(Cosine(), 3)
    schedule = linear(1000)
    least = math.exp(-schedule.at(0).logsnr / 2)
    levels(f"2/{least}")(schedule, 2)
    for text in (f"2/{least * 0.99}", "200/1"):
        with pytest.raises(UsageError, match="of this schedule lies between"):
            levels(text)(schedule, 2)


def test_a_name_with_an_argument_is_no_plain_name() -> None:
    assert "levels" not in choices.SPACINGS.names
    assert choices.SPACINGS.check("levels:2/1") == "levels:2/1"
    for wrong in ("levels", "level:2/1", "karras:2/1"):
        with pytest.raises(UsageError, match="there is no spacing"):
            choices.SPACINGS.check(wrong)
        with pytest.raises(UsageError, match="there is no spacing"):
            choices.SPACINGS.load(wrong)
