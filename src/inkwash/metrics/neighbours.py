"""Finds the nearest training image of each image, and the share of images that are copies."""

from typing import NamedTuple

import torch
from torch import Tensor

from inkwash.data import to_float

BLOCK = 4096  # training images at a time
SAME = 1e-6  # below any difference of one grey level in one pixel, above rounding


class Neighbours(NamedTuple):
    """The two nearest training images of each image."""

    which: Tensor  # int64 [N], index of the nearest
    distance: Tensor  # float64 [N], root mean square over pixels in [−1, 1], to the nearest
    second: Tensor  # float64 [N], the same to the second nearest


def neighbours(images: Tensor, training: Tensor, mirrored: bool = False) -> Neighbours:
    """The nearest of `training` to each of `images`, both uint8 [·,C,H,W], by root mean square over pixels.

    With `mirrored`, the distance to a training image is that to itself or to its mirror image, whichever is smaller.
    """
    x = to_float(images).double().flatten(1)
    views = (x, to_float(images.flip(-1)).double().flatten(1)) if mirrored else (x,)
    best = torch.full((len(x), 2), torch.inf, dtype=torch.float64)
    place = torch.zeros(len(x), dtype=torch.int64)
    first = 0
    for part in torch.split(training, BLOCK):
        y = to_float(part).double().flatten(1)
        product = torch.stack([view @ y.T for view in views]).amax(0)
        squares = x.square().sum(1)[:, None] + y.square().sum(1) - 2 * product
        near, which = squares.clamp(min=0).topk(min(2, len(part)), dim=1, largest=False)
        place = torch.where(near[:, 0] < best[:, 0], first + which[:, 0], place)
        best = torch.cat([best, near], dim=1).sort(dim=1).values[:, :2]
        first += len(part)
    root = (best / x.shape[1]).sqrt()
    return Neighbours(place, root[:, 0], root[:, 1])


def copied(found: Neighbours, ratio: float = 1 / 3) -> float:
    """The share of images in [0, 1] whose nearest training image is nearer than `ratio` of the second nearest.

    Yoon et al. 2023 ("Diffusion Probabilistic Models Generalize when They Fail to Memorize"), section 3, with
    their 1/3. New images are about as far from their second neighbour as from their first. An exact copy counts
    even if the training set contains the image twice.
    """
    return ((found.distance < ratio * found.second) | (found.distance < SAME)).double().mean().item()
