"""Downsampling: super-resolution."""

from inkwash.errors import UsageError
from inkwash.inverse.basis import Separable
from inkwash.inverse.operator import Shape, number
from inkwash.inverse.resample import KERNELS


class Downsample(Separable):
    """Fewer pixels, y [B,C,H/N,W/N]: `argument` is N[:area|bicubic], with any N of at least 1.

    area takes the mean of the pixels under each new one; bicubic is Keys' cubic, widened so that nothing aliases.
    Raises UsageError for an N of which less than one pixel remains.
    """

    def __init__(self, shape: Shape, argument: str = "4", seed: int = 0) -> None:
        word, _, kernel = (argument or "4").partition(":")
        factor = number(word, "the factor of downsample", 1, min(shape[1:]))
        if (kernel or "area") not in KERNELS:
            raise UsageError(f"downsample averages by {' or '.join(KERNELS)} (got {kernel!r}).")
        resize = KERNELS[kernel or "area"]
        super().__init__(shape, *(resize(side, max(1, round(side / factor))) for side in shape[1:]))
