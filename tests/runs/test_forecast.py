"""The estimate of a training's length: from the first step, and mended once later steps are known."""

from types import SimpleNamespace
from typing import Any

import pytest

from inkwash.runs.forecast import Forecast
from inkwash.training import Step

BATCH = 10


def told(first: float, later: float, start: int = 0, before: float = 0.0, **job: Any) -> list[str | None]:
    """What is said when the first step takes `first` seconds, and each later one `later`; `before` is of other runs."""
    facts = {"steps": 1000, "start": start, "batch_size": BATCH, "images": 500, "minutes": None, **job}
    forecast = Forecast(SimpleNamespace(**facts))  # type: ignore[arg-type]
    said = []
    for done in (1, 10, 20):
        took = first + later * (done - 1)
        speed = done / took * BATCH
        step = Step(start + done, facts["steps"], 0.1, 1e-3, (start + done) * BATCH, before + took, speed)
        said.append(forecast.after(step))
    return said


@pytest.mark.parametrize(("start", "before"), [(0, 0.0), (100, 50.0)])
def test_a_slow_first_step_is_corrected_once(start: int, before: float) -> None:
    first, second, third = told(4.0, 0.1, start, before)
    assert "the first step took 4 s" in str(first)
    assert second == f"later steps take 0.1 s: 1,000 steps end in {99 - start // 10} s"
    assert third is None


def test_a_right_estimate_is_said_once() -> None:
    assert [said is None for said in told(0.11, 0.1)] == [False, True, True]


def test_a_shorter_training_is_proposed_by_the_later_steps() -> None:
    first, second, _ = told(40.0, 20.0)
    assert "--minutes 60, about 90 steps" in str(first)
    assert "--minutes 60, about 180 steps" in str(second)


def test_no_length_is_told_before_it_is_chosen() -> None:
    first, second, third = told(4.0, 0.1, steps=None, minutes=1.0)
    assert "a few more are timed" in str(first)
    assert second is third is None
