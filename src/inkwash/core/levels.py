"""Plans whose levels are listed one by one."""

import math
from itertools import pairwise

from inkwash.core.level import CLEAN
from inkwash.core.plan import Plan, Spacing, noise_range
from inkwash.core.schedule import Schedule
from inkwash.errors import UsageError

_SLACK = 1e-4  # relative: names of levels are rounded to six digits


def levels(ratios: str) -> Spacing:
    """The spacing that visits these σ/α, as "80/12.5/2/0.4": numbers above 0 that fall, one for each step.

    Raises UsageError for other text. The spacing raises it for another number of steps than there are numbers.
    """
    try:
        found = [float(word) for word in ratios.split("/")]
    except ValueError:
        found = []
    if not found or not all(after < before for before, after in pairwise([math.inf, *found, 0.0])):
        raise UsageError(
            f"the spacing levels:A/B/… lists σ/α of each step, numbers above 0 that fall, as in levels:80/12.5/2/0.4 "
            f"(got {ratios!r})."
        )

    def spacing(schedule: Schedule, steps: int) -> Plan:
        if steps != len(found):
            raise UsageError(f"levels:{ratios} lists {len(found)} levels; give `steps={len(found)}` (got {steps}).")
        high, low = noise_range(schedule, math.inf)
        for ratio in (found[0], found[-1]):
            if not low * (1 - _SLACK) <= ratio <= high * (1 + _SLACK):
                raise UsageError(
                    f"σ/α of this schedule lies between {low:.4g} and {high:.4g}, and levels:{ratios} names {ratio:g}."
                )
        return [*(schedule.from_logsnr(-2 * math.log(ratio)) for ratio in found), CLEAN]

    return spacing


def as_levels(plan: Plan) -> str:
    """The name of the spacing that visits the levels of a plan with signal and noise: "levels:A/B/…"."""
    ratios = (math.exp(-float(level.logsnr) / 2) for level in plan[:-1])
    return "levels:" + "/".join(f"{ratio:.6g}" for ratio in ratios)
