"""ILVR's low-pass filter."""

from inkwash.inverse.basis import Separable
from inkwash.inverse.operator import Shape, number
from inkwash.inverse.resample import bicubic


class LowPass(Separable):
    """φ_N of ILVR (Choi et al. 2021, section 3.2): bicubic shrinking by N = `argument`, and enlarging back to H×W."""

    def __init__(self, shape: Shape, argument: str = "4", seed: int = 0) -> None:
        factor = number(argument or "4", "the factor of lowpass", 1, min(shape[1:]))
        small = [(side, max(1, round(side / factor))) for side in shape[1:]]
        super().__init__(shape, *(bicubic(few, side) @ bicubic(side, few) for side, few in small))
