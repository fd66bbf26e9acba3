"""DDNM: the null space of the operator is drawn, and its range is what was measured."""

from torch import Tensor

from inkwash.core import Level, Schedule
from inkwash.inverse.measurement import Measurement
from inkwash.inverse.method import Method, Walk


class DDNM(Method):
    """x̂₀ + A⁺·(y − A·x̂₀) (Wang et al. 2023, eq. 10), for any solver.

    Exact without noise, if what is measured and what is not are independent; noise in y stays in the picture.
    """

    def __call__(self, walk: Walk, measured: Measurement, schedule: Schedule) -> Walk:
        def denoise(x: Tensor, level: Level) -> Tensor:
            x0 = walk.denoise(x, level)
            return x0 + measured.operator.pinv(measured.residual(x0))

        return walk._replace(denoise=denoise)
