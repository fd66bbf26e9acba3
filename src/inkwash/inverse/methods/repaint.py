"""RePaint: replacement with time travel."""

from inkwash.core import Schedule, travel
from inkwash.inverse.measurement import Measurement
from inkwash.inverse.method import Method, Walk
from inkwash.inverse.methods.replacement import Replacement
from inkwash.inverse.operator import number


class RePaint(Method):
    """Replacement on a plan that goes back JUMP steps, again and again (Lugmayr et al. 2022, algorithm 1).

    `argument` is TIMES[:JUMP], by default 5:10: each stretch of 10 steps is walked 5 times (10 in the paper), so a
    picture costs 5 times the evaluations. Going back lets the hole and its surroundings agree.
    """

    def __init__(self, argument: str = "") -> None:
        first, _, second = argument.partition(":")
        self.times = int(number(first or "5", "how often repaint walks a stretch", 1, 1000))
        self.jump = int(number(second or "10", "the jump of repaint", 1, 1000))

    def __call__(self, walk: Walk, measured: Measurement, schedule: Schedule) -> Walk:
        replaced = Replacement()(walk, measured, schedule)
        jump = max(1, min(self.jump, len(walk.plan) - 2))
        return replaced._replace(plan=travel(walk.plan, jump, jump, self.times - 1))
