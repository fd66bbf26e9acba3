"""Points in the plane, for looking at what a diffusion does: two moons, a swiss roll, eight Gaussians, a checkerboard.

A point (x, y) in [−1, 1]² is a grey image of 1×2 pixels, [1,1,2], so that everything that works on images works on
points. As all images, points have 256 values along each axis: they are rounded to 1/127.5.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from inkwash.data.source import Images, check_split, to_uint8

Points = npt.NDArray[np.float64]  # [N,2]
_COUNT = {"train": 20_000, "test": 2_000}
_SEED = 0  # determines the points: never change it


def two_moons(split: str) -> Images:
    """Two interlocking half circles, classes "upper" and "lower". Raises UsageError for another split."""
    u = _uniform(split, 4)
    upper = u[:, 0] < 0.5
    angle = np.pi * u[:, 1]
    x = np.where(upper, np.cos(angle), 1 - np.cos(angle))
    y = np.where(upper, np.sin(angle), 0.5 - np.sin(angle))
    points = (np.stack([x, y], 1) - (0.5, 0.25)) / 1.8 + 0.035 * _gaussian(u[:, 2:])
    return _images("two-moons", split, points, np.where(upper, 0, 1), ("upper", "lower"))


def swiss_roll(split: str) -> Images:
    """A spiral of one and a half turns. Raises UsageError for another split."""
    u = _uniform(split, 3)
    angle = 1.5 * np.pi * (1 + 2 * u[:, 0])
    spiral = np.stack([angle * np.cos(angle), angle * np.sin(angle)], 1) / (5.2 * np.pi)
    return _images("swiss-roll", split, spiral + 0.02 * _gaussian(u[:, 1:]))


def eight_gaussians(split: str) -> Images:
    """Eight Gaussians on a circle, each a class, counterclockwise. Raises UsageError for another split."""
    u = _uniform(split, 3)
    label = np.floor(8 * u[:, 0])
    angle = 2 * np.pi * label / 8
    points = 0.75 * np.stack([np.cos(angle), np.sin(angle)], 1) + 0.05 * _gaussian(u[:, 1:])
    return _images("eight-gaussians", split, points, label, tuple("01234567"))


def checkerboard(split: str) -> Images:
    """The dark squares of a 4×4 checkerboard, uniform. Raises UsageError for another split."""
    u = _uniform(split, 3)
    column = np.floor(4 * u[:, 0])
    row = 2 * np.floor(2 * u[:, 1]) + column % 2
    inside = np.stack([4 * u[:, 0] - column, u[:, 2]], 1)
    return _images("checkerboard", split, 0.9 * ((np.stack([column, row], 1) + inside) / 2 - 1))


def _uniform(split: str, columns: int) -> Points:
    """Uniform numbers [N,columns] in [0, 1), other ones in each split."""
    check_split(split)
    bits = np.random.PCG64([_SEED, list(_COUNT).index(split)])
    return np.random.Generator(bits).random((_COUNT[split], columns))


def _gaussian(u: Points) -> Points:
    """Unit normal points from uniform ones, [N,2] each (Box & Muller 1958)."""
    radius, angle = np.sqrt(-2 * np.log1p(-u[:, 0])), 2 * np.pi * u[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)


def _images(name: str, split: str, points: Points, labels: Any = None, classes: tuple[str, ...] = ()) -> Images:
    pixels = to_uint8(torch.from_numpy(points))[:, None, None, :]  # [N,1,1,2]
    return Images(name, split, pixels, None if labels is None else torch.from_numpy(labels.astype(np.int64)), classes)
