"""Features for the comparison of images: float64 [N,D] from uint8 pixels [N,C,H,W]."""

import hashlib
from dataclasses import dataclass
from typing import Protocol, final

from torch import Tensor

from inkwash.data import to_float


class Features(Protocol):
    """A map from images to vectors, with a name and digest that are reported with every score."""

    @property
    def name(self) -> str: ...  # "pixels", "classifier", "inception", "dinov2"
    @property
    def digest(self) -> str: ...  # sha256 hex of everything except the images that determines the vectors
    def __call__(self, pixels: Tensor) -> Tensor: ...  # uint8 [N,C,H,W] -> float64 [N,D]


@final
@dataclass(frozen=True)
class Pixels:
    """The pixels themselves, in [−1, 1]: D = C·H·W. They carry no semantic information."""

    name: str = "pixels"

    @property
    def digest(self) -> str:
        return hashlib.sha256(b"pixels in [-1, 1]").hexdigest()

    def __call__(self, pixels: Tensor) -> Tensor:
        return to_float(pixels).double().flatten(1)
