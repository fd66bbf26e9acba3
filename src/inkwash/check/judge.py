"""Compares what a function returned with the right formula and with the wrong ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from inkwash.check.case import SHAPE
from inkwash.check.formulas import Formula, Parts
from inkwash.check.kinds import Kind, Reading
from inkwash.check.likely import mistakes_of
from inkwash.check.mistakes import Mistake

TOLERANCE = 6e-4  # float32 tables are wrong by up to 2e-4; the mildest mistake by twice this
FLOOR = 1e-3  # and numbers below this are as good as 0


class WrongShapeError(ValueError):
    """The result has another shape than the formula's."""


@dataclass(frozen=True)
class Verdict:
    """What the numbers say: the largest relative error, the reading that fits, and the mistakes that do."""

    error: float
    words: str
    mistakes: tuple[Mistake, ...] = ()
    part: str = ""  # the part of the result that is wrong

    @property
    def right(self) -> bool:
        """Whether a right formula fits."""
        return self.error <= TOLERANCE


def judge(kind: Kind, readings: Sequence[Reading], cases: Sequence[object], found: Sequence[Parts]) -> Verdict:
    """Judges the observations `found`, one for each case. Raises WrongShapeError for a result of another shape."""
    _check_shapes(kind, found[0], kind.readings[0].formula(cases[0]))
    best = min(readings, key=lambda reading: _score(_errors(kind, reading.formula, cases, found)))
    errors = _errors(kind, best.formula, cases, found)
    if max(errors) <= TOLERANCE:
        return Verdict(max(errors), best.words)
    bad = [i for i, error in enumerate(errors) if error > TOLERANCE]
    part = " and ".join(kind.parts[i] for i in bad) if len(kind.parts) > 1 else ""
    rows: list[tuple[Mistake, list[float]]] = []
    for row in mistakes_of(kind):  # one mistake that explains everything
        of_row = _errors(kind, row.wrong, cases, found, hopeless=True)
        rows.append((row, of_row))
        if max(of_row) <= TOLERANCE:
            return Verdict(max(errors), best.words, (row,), part)
    named: list[Mistake] = []
    for i in bad:  # or one for each part
        fits = next((row for row, of_row in rows if of_row[i] <= TOLERANCE), None)
        if fits is not None and all(fits.name != other.name for other in named):
            named.append(fits)
    return Verdict(max(errors), best.words, tuple(named), part)


def _check_shapes(kind: Kind, found: Parts, wanted: Parts) -> None:
    """A standard deviation may be one number for an image; all else has the formula's shape."""
    for i, (one, other) in enumerate(zip(found, wanted, strict=True)):
        whole = other.shape if other.ndim < 4 or kind.observed != "pair" else SHAPE
        fits = one.shape == other.shape if kind.observed != "pair" or i < 2 else _spreads(one, whole)
        if not fits:
            raise WrongShapeError(f"it returns the shape {tuple(one.shape)}; {tuple(other.shape)} is expected.")


def _spreads(found: Tensor, whole: tuple[int, ...]) -> bool:
    return found.ndim in (0, 4) and all(one in (1, other) for one, other in zip(found.shape, whole, strict=False))


def _score(errors: list[float]) -> tuple[int, float]:
    return sum(error > TOLERANCE for error in errors), max(errors)


def _errors(
    kind: Kind, formula: Formula, cases: Sequence[Any], found: Sequence[Parts], hopeless: bool = False
) -> list[float]:
    """The largest relative error of each part, over all cases; with `hopeless`, over enough to see that none fits.

    Cases in which the formula is no number for most images are left out, but not all may be.
    """
    errors = [-1.0] * len(found[0])
    for case, one in zip(cases, found, strict=True):
        for i, part in enumerate(formula(case)):
            apart = _apart(one[i], part, _origin(case) if kind.observed == "step" and i == 0 else None)
            errors[i] = errors[i] if apart is None else max(errors[i], apart)
        if hopeless and min(errors) > TOLERANCE:
            break
    return [float("inf") if error < 0 else error for error in errors]


def _origin(case: Any) -> Tensor:
    """x_t, for errors of a step are measured by how far it goes; but 0 where it goes to the finished image."""
    return torch.where(case.s.view(-1, 1, 1, 1) < 0, 0.0, case.x)


def _apart(found: Tensor, wanted: Tensor, origin: Tensor | None) -> float | None:
    """The largest error of an image by its largest number, or by its largest distance from `origin`.

    Images where the formula is no number are left out; None if those are most.
    """
    shape = torch.broadcast_shapes(found.shape, wanted.shape)  # type: ignore[no-untyped-call]
    one, other = (each.expand(shape).reshape(shape[0], -1) for each in (found, wanted))
    known = other.isfinite()
    rows = known.any(1)
    if rows.sum() * 2 < len(rows):
        return None
    gap = torch.where(known, (one - other).abs(), 0.0).nan_to_num(nan=torch.inf, posinf=torch.inf)
    far = other if origin is None else other - origin.flatten(1)
    size = torch.where(known, far.abs(), 0.0).amax(1).clamp(min=FLOOR)
    return float((gap.amax(1) / size)[rows].max())
