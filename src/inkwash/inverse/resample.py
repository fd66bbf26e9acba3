"""Resampling matrices of one dimension, from which downsampling and low-pass filters are made."""

import torch
from torch import Tensor


def area(old: int, new: int) -> Tensor:
    """float64 [new, old]: each new pixel is the mean of the old ones under it, in part or whole."""
    edges = torch.arange(new + 1, dtype=torch.float64) * old / new
    cells = torch.arange(old, dtype=torch.float64)
    overlap = torch.minimum(edges[1:, None], cells + 1) - torch.maximum(edges[:-1, None], cells)
    return overlap.clamp(min=0) * new / old


def bicubic(old: int, new: int) -> Tensor:
    """float64 [new, old]: Keys' cubic (1981, eq. 4, a = −1/2), widened when shrinking so that nothing aliases."""
    scale = max(1.0, old / new)
    centre = (torch.arange(new, dtype=torch.float64) + 0.5) * old / new - 0.5
    apart = (torch.arange(old, dtype=torch.float64) - centre[:, None]).abs() / scale
    near = (1.5 * apart - 2.5) * apart**2 + 1
    far = ((-0.5 * apart + 2.5) * apart - 4) * apart + 2
    weight = torch.where(apart <= 1, near, torch.where(apart < 2, far, 0.0))
    return weight / weight.sum(1, keepdim=True)


KERNELS = {"area": area, "bicubic": bicubic}
