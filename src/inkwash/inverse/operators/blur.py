"""Blur: deconvolution."""

import math
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from inkwash.data.picture import UnreadableError, decode
from inkwash.errors import UsageError
from inkwash.inverse.basis import hartley
from inkwash.inverse.operator import CUT, SVD, Operator, Shape, number


class Blur(Operator):
    """Convolution with a kernel of sum 1: y [B,C,H,W]. The picture continues at its opposite edge.

    `argument` is a standard deviation in pixels (a Gaussian), motion:LENGTH[:DEGREES], or a picture of the kernel.
    Raises UsageError for a kernel that cannot be read, is black or is larger than the images.
    """

    def __init__(self, shape: Shape, argument: str = "2", seed: int = 0) -> None:
        super().__init__(shape)
        kind, _, words = (argument or "2").partition(":")
        if kind == "motion":
            kernel = _motion(words, shape)
        elif Path(argument).is_file():
            kernel = _painted(argument)
            self.files = (Path(argument),)
        else:
            kernel = _gaussian(number(kind, "the standard deviation of blur, if it is not a file,", 0, 1e4), shape)
        height, width = kernel.shape
        if height > shape[1] or width > shape[2]:
            raise UsageError(f"the kernel has {height}×{width} pixels, more than the images' {shape[1]}×{shape[2]}.")
        padded = torch.zeros(shape[1:], dtype=torch.float64)
        padded[:height, :width] = kernel / kernel.sum()
        self.response = torch.fft.fft2(padded.roll((-(height // 2), -(width // 2)), (0, 1)))  # complex [H,W]

    def _filtered(self, x: Tensor, by: Tensor) -> Tensor:
        complex_type = torch.complex128 if x.dtype == torch.float64 else torch.complex64
        filtered: Tensor = torch.fft.ifft2(torch.fft.fft2(x) * by.to(x.device, complex_type))
        return filtered.real

    def forward(self, x: Tensor) -> Tensor:
        return self._filtered(x, self.response)

    def adjoint(self, y: Tensor) -> Tensor:
        return self._filtered(y, self.response.conj())

    @cached_property
    def svd(self) -> SVD:
        """|k̂| in the Hartley basis, as AᵀA is a symmetric convolution; U turns the phases of k̂."""
        size = self.response.abs()
        kept = size > CUT * size.max()
        phase = torch.where(kept, self.response.conj() / size.clamp(min=1e-300), 0.0)
        values = torch.where(kept, size, 0.0).expand(self.shape)
        return SVD(values, hartley, hartley, lambda y: hartley(self._filtered(y, phase)))


def _gaussian(std: float, shape: Shape) -> Tensor:
    """A Gaussian of `std` pixels on the torus of the image, wrapped."""
    sides = []
    for side in shape[1:]:
        at = torch.arange(side, dtype=torch.float64) - side // 2
        wrapped = torch.stack([at + side * turn for turn in range(-3, 4)])
        sides.append(torch.exp(-(wrapped**2) / (2 * max(std, 1e-6) ** 2)).sum(0))
    return sides[0][:, None] * sides[1]


def _motion(words: str, shape: Shape) -> Tensor:
    length, _, angle = words.partition(":")
    pixels = number(length or "9", "the length of motion", 1, min(shape[1:]))
    turn = math.radians(number(angle or "0", "the angle of motion", -360, 360))
    half = int(pixels // 2)
    kernel = torch.zeros(2 * half + 1, 2 * half + 1, dtype=torch.float64)
    for i in range(-4 * half, 4 * half + 1):  # a line, in quarter pixels
        kernel[half - round(i / 4 * math.sin(turn)), half + round(i / 4 * math.cos(turn))] += 1
    return kernel


def _painted(name: str) -> Tensor:
    try:
        kernel = torch.from_numpy(decode(Path(name), None, 1))[0].double()
    except UnreadableError as error:
        raise UsageError(f"the kernel {name} cannot be read: {error}.") from error
    if not kernel.any():
        raise UsageError(f"the kernel {name} is black everywhere; white is where it has weight.")
    return kernel
