"""What a method is: a change of the three things that sampling is made of."""

from typing import ClassVar, NamedTuple, Protocol

from inkwash.core import Denoise, Plan, Schedule
from inkwash.errors import UsageError
from inkwash.inverse.measurement import Measurement
from inkwash.sample import Solver


class Walk(NamedTuple):
    """What the sampling loop walks with."""

    denoise: Denoise
    plan: Plan
    solver: Solver


class Method(Protocol):
    """Draws from p(x | y), or near it: takes a walk that draws from p(x), and returns another.

    It may wrap the denoiser, edit the plan or replace the solver; the sampling loop stays as it is. Any object with
    this call is a method; a class that inherits from this one also gets the facts below.
    """

    linear_only: ClassVar[bool] = True  # whether the operator must be linear
    needs_svd: ClassVar[bool] = False  # whether its singular values must be known
    maps_images: ClassVar[bool] = False  # whether y must be an image of the same shape as x
    own_solver: ClassVar[bool] = False  # whether the method has its own solver and ignores the one of the walk
    limit_after: ClassVar[bool] = False  # whether x̂₀ is limited to [−1, 1] after the method, not before
    trained: ClassVar[bool] = False  # whether the denoiser itself must read y, so the network was trained on pairs
    particles: int = 1  # chains that run together for each restoration, of which one is kept

    def __call__(self, walk: Walk, measured: Measurement, schedule: Schedule) -> Walk:
        """The walk of a restoration. It is used once, for one batch."""


def particles_of(method: Method) -> int:
    """Chains that run together for each restoration; 1 for objects that state none."""
    return getattr(method, "particles", 1)


def serves(method: Method, measured: Measurement) -> str:
    """Why a method cannot serve a measurement; "" if it can."""
    operator = measured.operator
    if getattr(method, "linear_only", True) and not operator.linear:
        return "it needs a linear operator"
    if getattr(method, "needs_svd", False) and operator.svd is None:
        return "it needs the singular values of the operator"
    if getattr(method, "maps_images", False) and tuple(measured.y.shape[1:]) != tuple(operator.shape):
        return "it needs an operator that makes an image of the same size"
    return ""


def check(name: str, method: Method, measured: Measurement, others: dict[str, Method]) -> None:
    """Raises UsageError, with the names of the methods that can, if `method` cannot serve a measurement."""
    if why := serves(method, measured):
        can = [other for other, each in others.items() if not serves(each, measured)]
        raise UsageError(f"the method {name} cannot restore this measurement: {why}. These can: {', '.join(can)}.")
