"""Trained restoration: a network that reads the measurement."""

from typing import ClassVar

from inkwash.core import Schedule
from inkwash.inverse.measurement import Measurement
from inkwash.inverse.method import Method, Walk


class Trained(Method):
    """The walk as it is: its denoiser E[x₀ | x, y] was trained on pairs of images and measurements (SR3, Saharia et al.
    2021; Palette, Saharia et al. 2022).

    Any operator, linear or not, but only the one that the network was trained with, at its noise.
    """

    linear_only: ClassVar[bool] = False
    trained: ClassVar[bool] = True

    def __call__(self, walk: Walk, measured: Measurement, schedule: Schedule) -> Walk:
        return walk
