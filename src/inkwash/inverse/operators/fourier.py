"""Fourier undersampling: single-coil MRI of a real image."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from inkwash.errors import UsageError
from inkwash.inverse.basis import Selection, hartley
from inkwash.inverse.operator import Shape, number


class Fourier(Selection):
    """A share of the Fourier values of an image: y [B,C,M]. `argument` is SHARE[:cartesian|radial|poisson].

    A real image's values at k and −k are conjugate, so patterns are symmetric, and y holds the two numbers of each
    pair (its Hartley values), with independent noise. cartesian keeps whole lines with a full centre of 0.32·SHARE of
    all lines (as fastMRI, Zbontar et al. 2018, section 4.1), radial spokes, poisson points that lie the further apart
    the further out. The picture of a measurement is the zero-filled reconstruction.
    """

    def __init__(self, shape: Shape, argument: str = "0.25", seed: int = 0) -> None:
        word, _, pattern = (argument or "0.25").partition(":")
        share = number(word, "the share of Fourier values", 1e-3, 1)
        if (pattern or "cartesian") not in PATTERNS:
            raise UsageError(f"the patterns of fourier are {', '.join(PATTERNS)} (got {pattern!r}).")
        rows, columns = (torch.fft.fftfreq(side, 1 / side).long() for side in shape[1:])
        kept = PATTERNS[pattern or "cartesian"](rows, columns, share, torch.Generator().manual_seed(seed))
        turned = kept[(-rows) % len(rows)][:, (-columns) % len(columns)]
        super().__init__(shape, kept | turned)

    def v_t(self, x: Tensor) -> Tensor:
        return hartley(x)

    def v(self, z: Tensor) -> Tensor:
        return hartley(z)


def _cartesian(rows: Tensor, columns: Tensor, share: float, generator: torch.Generator) -> Tensor:
    wanted = max(1, round(share * len(rows)))
    nearest = rows.abs()[torch.argsort(rows.abs())]
    centre = int(nearest[max(1, round(0.32 * wanted)) - 1])
    kept = rows.abs() <= centre
    outside = torch.arange(centre + 1, len(rows) // 2 + 1)
    for line in outside[torch.randperm(len(outside), generator=generator)]:
        if int(kept.sum()) + 1 > wanted:
            break
        kept = kept | (rows.abs() == line)
    return kept[:, None].expand(len(rows), len(columns)).clone()


def _radial(rows: Tensor, columns: Tensor, share: float, generator: torch.Generator) -> Tensor:
    kept = torch.zeros(len(rows), len(columns), dtype=torch.bool)
    reach = torch.linspace(-0.5, 0.5, 4 * max(kept.shape), dtype=torch.float64)
    start = float(torch.rand(1, generator=generator)) * math.pi
    for spoke in range(4 * max(kept.shape)):
        if int(kept.sum()) >= share * kept.numel():
            break
        angle = start + spoke * math.pi * (math.sqrt(5) - 1) / 2  # the golden angle spreads any number of spokes
        down = torch.round(reach * len(rows) * math.sin(angle)).long() % len(rows)
        right = torch.round(reach * len(columns) * math.cos(angle)).long() % len(columns)
        kept[down, right] = True
    return kept


def _poisson(rows: Tensor, columns: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Darts in random order that keep their distance from those before; the distance is found by bisection."""
    places = torch.cartesian_prod(rows, columns).double()
    apart = (places / torch.tensor([len(rows), len(columns)], dtype=torch.float64)).norm(dim=1)
    order = torch.randperm(len(places), generator=generator)
    low, high, kept = 0.0, 8.0, torch.ones(len(places), dtype=torch.bool)
    for _ in range(8):
        unit = (low + high) / 2
        trial, blocked = torch.zeros(len(places), dtype=torch.bool), torch.zeros(len(places), dtype=torch.bool)
        for i in order.tolist():
            if not blocked[i]:
                trial[i] = True
                blocked |= (places - places[i]).norm(dim=1) < unit * (0.4 + 3 * apart[i])
        if int(trial.sum()) >= share * len(places):
            low, kept = unit, trial
        else:
            high = unit
    return kept.view(len(rows), len(columns))


Pattern = Callable[[Tensor, Tensor, float, torch.Generator], Tensor]
PATTERNS: dict[str, Pattern] = {"cartesian": _cartesian, "radial": _radial, "poisson": _poisson}
