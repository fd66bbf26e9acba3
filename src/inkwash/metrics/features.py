"""What images are compared in: features, float64 [N,D] from uint8 pixels [N,C,H,W]."""

import hashlib
from dataclasses import dataclass
from typing import Protocol, final

from torch import Tensor

from inkwash.data import to_float


class Features(Protocol):
    """Anything that turns images into vectors, and can be named beside every score made with it."""

    @property
    def name(self) -> str: ...  # "pixels", "classifier", "inception", "dinov2"
    @property
    def digest(self) -> str: ...  # sha256 hex of all that the vectors depend on besides the images
    def __call__(self, pixels: Tensor) -> Tensor: ...  # uint8 [N,C,H,W] -> float64 [N,D]


@final
@dataclass(frozen=True)
class Pixels:
    """The pixels themselves, in [−1, 1]: D = C·H·W. Knows nothing of what images mean."""

    name: str = "pixels"

    @property
    def digest(self) -> str:
        return hashlib.sha256(b"pixels in [-1, 1]").hexdigest()

    def __call__(self, pixels: Tensor) -> Tensor:
        return to_float(pixels).double().flatten(1)
