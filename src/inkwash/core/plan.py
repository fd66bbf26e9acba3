"""Plans: lists of levels from noise to CLEAN, for any number of steps; and transformations of plans."""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

from inkwash.core.level import CLEAN, Level, as_floats
from inkwash.core.schedule import Schedule
from inkwash.errors import UsageError

Plan = Sequence[Level]
Spacing = Callable[[Schedule, int], Plan]


def trailing(schedule: Schedule, steps: int) -> Plan:
    """Starts at the last timestep, with equal strides of t (Lin et al. 2024, section 3.3).

    t = T−1, T−1−k, … for T = k·steps, as in the course's lab.
    """
    _check(schedule, steps)
    stride = _stride(schedule, steps)
    return _walk(schedule, [1 - stride * i for i in range(steps)])


def leading(schedule: Schedule, steps: int) -> Plan:
    """Equal strides that end on the least noisy row, t = 0, k, 2k, … (Song et al. 2021a, section 4.2).

    Starts one stride below the last timestep, which degrades images at few steps; provided for comparison.
    """
    _check(schedule, steps)
    stride = _stride(schedule, steps)
    return _walk(schedule, [schedule.first + stride * i for i in reversed(range(steps))])


def linspace(schedule: Schedule, steps: int) -> Plan:
    """Both ends of the schedule and equal strides between them."""
    _check(schedule, steps)
    stride = _widest(schedule, steps)
    return _walk(schedule, [1 - stride * i for i in range(steps)])


def karras(schedule: Schedule, steps: int, rho: float = 7.0, most: float = 80.0) -> Plan:
    """σ/α in equal strides of its ρ-th root (Karras et al. 2022, eq. 5); t may fall between rows.

    Runs between the schedule's own ends, but never begins above σ/α = `most`. Where the last row of a table is pure
    noise, it begins at the row before: no t lies between the two that a network could be told.
    """
    _check(schedule, steps)
    high, low = noise_range(schedule, most)
    roots = [high ** (1 / rho) + i / max(steps - 1, 1) * (low ** (1 / rho) - high ** (1 / rho)) for i in range(steps)]
    return [*(schedule.from_logsnr(-2 * rho * math.log(root)) for root in roots), CLEAN]


def logsnr(schedule: Schedule, steps: int, most: float = 80.0) -> Plan:
    """log SNR in equal strides (Lu et al. 2022, section 3.4); t may fall between rows. The ends are as in `karras`."""
    _check(schedule, steps)
    high, low = (-2 * math.log(ratio) for ratio in noise_range(schedule, most))
    stride = (low - high) / max(steps - 1, 1)
    return [*(schedule.from_logsnr(high + i * stride) for i in range(steps)), CLEAN]


def truncate(plan: Plan, share: float) -> Plan:
    """The last `share` of a plan's steps, in (0, 1]: to start from a noised image instead of noise."""
    if not 0 < share <= 1:
        raise UsageError(f"a share of a plan lies in (0, 1] (got {share}).")
    steps = max(1, round(share * (len(plan) - 1)))
    return plan[len(plan) - 1 - steps :]


def churn(plan: Plan, schedule: Schedule, amount: float, low: float = 0.0, high: float = math.inf) -> Plan:
    """Karras et al. 2022, algorithm 2: raises the noise level before each step whose σ/α lies in [low, high].

    σ/α grows by the factor 1 + γ, γ = min(amount/steps, √2 − 1). The raised level becomes part of the plan; the
    sampling loop adds the noise. Raises UsageError for a negative amount.
    """
    if amount < 0:
        raise UsageError(f"churn adds noise; its amount is 0 or above (got {amount}).")
    gamma = min(amount / (len(plan) - 1), math.sqrt(2) - 1)
    churned: list[Level] = []
    for level in plan:
        alpha, sigma, logsnr = as_floats(level)
        churned.append(level)
        if gamma > 0 and sigma > 0 and alpha > 0 and low <= sigma / alpha <= high:
            churned.append(schedule.from_logsnr(logsnr - 2 * math.log1p(gamma)))
    return churned


def travel(plan: Plan, every: int, back: int, times: int = 1) -> Plan:
    """RePaint's resampling (Lugmayr et al. 2022, algorithm 1): after every `every` steps, go `back` again.

    The last `back` steps are undone by adding noise and then repeated, `times` times.
    """
    if not 1 <= back <= every or times < 0:
        raise UsageError(f"time travel needs 1 <= back <= every and times >= 0 (got {every=}, {back=}, {times=}).")
    travelled = [plan[0]]
    for i, level in enumerate(plan[1:], start=1):
        travelled.append(level)
        if i % every == 0 and as_floats(level)[1] > 0:
            travelled += [*plan[i - back : i + 1]] * times
    return travelled


def noise_range(schedule: Schedule, most: float = 80.0) -> tuple[float, float]:
    """σ/α of the noisiest level with signal, at most `most`, and of the least noisy level."""
    ends = [as_floats(schedule.at(schedule.time(place))) for place in (_noisiest(schedule), schedule.first)]
    high, low = (math.exp(-logsnr / 2) if alpha > 0 else math.inf for alpha, _, logsnr in ends)
    return min(high, most), low


def _noisiest(schedule: Schedule) -> Fraction:
    """The last position, or that of the row before if the last row of a table is pure noise."""
    rows, last = schedule.num_timesteps, Fraction(1)
    if rows is None or as_floats(schedule.at(schedule.time(last)))[0] > 0:
        return last
    if rows == 1:
        raise UsageError("the only row of this schedule is pure noise (α = 0); give a schedule with more rows.")
    return last - Fraction(1, rows)


def _stride(schedule: Schedule, steps: int) -> Fraction:
    """1/steps of the time range, or less if so many steps would leave the schedule."""
    return min(Fraction(1, steps), _widest(schedule, steps))


def _widest(schedule: Schedule, steps: int) -> Fraction:
    """The stride of levels that span the whole schedule."""
    return (1 - schedule.first) / max(steps - 1, 1)


def _walk(schedule: Schedule, positions: list[Fraction]) -> Plan:
    return [*(schedule.at(schedule.time(position)) for position in positions), CLEAN]


def _check(schedule: Schedule, steps: int) -> None:
    most = schedule.num_timesteps
    if steps < 1 or (most is not None and steps > most):
        end = "" if most is None else f" and at most {most}, the rows of this schedule"
        raise UsageError(f"a plan needs at least 1 step{end} (got {steps}).")
