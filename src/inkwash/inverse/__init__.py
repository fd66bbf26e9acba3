"""Restoration of the picture behind a measurement: operators, methods, and exact posteriors to check them by."""

from inkwash.inverse.exact import Posterior, posterior_of
from inkwash.inverse.measurement import Measurement, measure
from inkwash.inverse.method import Method, Walk
from inkwash.inverse.operator import SVD, Operator
from inkwash.inverse.seen import as_images, same
from inkwash.inverse.spec import make_method, make_operator

__all__ = [
    "SVD",
    "Measurement",
    "Method",
    "Operator",
    "Posterior",
    "Walk",
    "as_images",
    "make_method",
    "make_operator",
    "measure",
    "posterior_of",
    "same",
]  # fmt: skip
