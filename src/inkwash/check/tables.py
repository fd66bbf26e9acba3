"""The page's β, α and ᾱ: which schedule they are, and whether they follow from one another."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from inkwash.check.finding import Finding
from inkwash.core import cosine, linear, scaled_linear, sigmoid

BETAS = "betas beta _betas _beta"
ALPHAS = "alphas alpha _alphas"
ABARS = "alphas_cumprod alpha_bars alpha_bar alphas_bar alpha_cumprod alphas_cum_prod abar alpha_hat"
TOLERANCE = 1e-4

# what the page's ᾱ may be instead: a name, a sentence, and the wrong formula
MISTAKES: tuple[tuple[str, str, Callable[[Tensor], Tensor]], ...] = (
    ("off-by-one", "ᾱ is one row late: row t holds the product up to t − 1; it includes α_t.",
     lambda beta: torch.cat([torch.ones(1, dtype=beta.dtype), (1 - beta).cumprod(0)[:-1]])),
    ("sum-for-product", "ᾱ is a sum of the α; it is their product.", lambda beta: (1 - beta).cumsum(0)),
    ("alpha-for-alpha-bar", "ᾱ is α; it is the product of all α up to t.", lambda beta: 1 - beta),
    ("beta-for-alpha", "ᾱ is the product of the β; it is that of the α = 1 − β.", lambda beta: beta.cumprod(0)),
    ("root-too-many", "ᾱ holds √ᾱ.", lambda beta: (1 - beta).cumprod(0).sqrt()),
    ("backwards", "ᾱ runs backwards: row 0 is nearly clean.", lambda beta: (1 - beta).cumprod(0).flip(0)),
)  # fmt: skip
SCHEDULES: dict[str, Callable[[int], Tensor]] = {
    "linear": lambda T: linear(T, 1e-4, 0.02).betas,
    "linear, its ends scaled by 1000/T": lambda T: linear(T, 0.1 / T, min(20 / T, 0.999)).betas,
    "cosine": lambda T: cosine(T).betas,
    "sigmoid": lambda T: sigmoid(T).betas,
    "scaled linear": lambda T: scaled_linear(T, 0.00085, 0.012).betas,
}
WRONG_BETAS: tuple[tuple[str, str, Callable[[Tensor], Tensor]], ...] = (
    ("backwards", "β falls with t; it rises from nearly clean to nearly noise.", lambda beta: beta.flip(0)),
    ("root-missing", "β is the root of a schedule's β.", lambda beta: beta.sqrt()),
    ("variance-for-std", "β is the square of a schedule's β.", lambda beta: beta**2),
    ("alpha-for-beta", "β holds α = 1 − β.", lambda beta: 1 - beta),
)


def betas_of(page: Any) -> Tensor | None:
    """The page's β [T] in float64, from an object or a module; from its ᾱ where it has no β. None without either.

    Where β is that of a known schedule to float32, it is that schedule's.
    """
    found = _table(page, BETAS)
    if found is None and hasattr(page, "schedule"):
        found = _table(page.schedule, BETAS)
    if found is None and (abar := _table(page, ABARS)) is not None:
        found = 1 - abar / torch.cat([torch.ones(1, dtype=abar.dtype), abar[:-1]])
    if found is None or not bool(((found > 0) & (found <= 1)).all()):
        return None
    name = schedule_of(found)
    return SCHEDULES[name](len(found)) if name else found


def schedule_of(betas: Tensor) -> str:
    """The name of the known schedule with these β, or ""."""
    for name, of in SCHEDULES.items():
        if torch.allclose(betas, of(len(betas)), rtol=TOLERANCE, atol=1e-9):
            return name
    return ""


def check_tables(page: Any, label: str) -> Iterator[Finding]:
    """What is said of β, α and ᾱ, those that are there."""
    given = _table(page, BETAS)
    if given is None:
        return
    where = f"{label}." if label else ""
    if len(given) > 1:
        yield from _check_betas(given, f"{where}{_name(page, BETAS)}")
    for names, right in ((ALPHAS, 1 - given), (ABARS, (1 - given).cumprod(0))):
        found = _table(page, names)
        if found is None:
            continue
        name = f"{where}{_name(page, names)}"
        if len(found) != len(given):
            says = f"it has {len(found)} rows and β has {len(given)}; they are one for each time."
            yield Finding(name, "table", "wrong", says, None, ("off-by-one",) if len(found) == len(given) + 1 else ())
            continue
        error = _error(found, right)
        if error <= TOLERANCE:
            says = "1 − β" if names == ALPHAS else "the product of 1 − β"
            yield Finding(name, "table", "right", f"{says}.", error)
            continue
        rows = MISTAKES if names == ABARS else ()
        fits = next((row for row in rows if _error(found, row[2](given)) <= TOLERANCE), None)
        if fits is None:
            says = "it is not the product of 1 − β up to t." if names == ABARS else "it is not 1 − β."
        yield Finding(name, "table", "wrong", fits[1] if fits else says, error, (fits[0],) if fits else ())


def _check_betas(given: Tensor, name: str) -> Iterator[Finding]:
    known = schedule_of(given)
    if known:
        yield Finding(name, "table", "right", f"the {known} schedule, T = {len(given)}.", 0.0)
        return
    for called, says, edit in WRONG_BETAS:
        for of in SCHEDULES.values():
            wrong = edit(of(len(given)))
            if torch.allclose(given, wrong, rtol=TOLERANCE, atol=1e-9):
                yield Finding(name, "table", "wrong", says, None, (called,))
                return
    if not bool(((given > 0) & (given <= 1)).all()):
        low, high = float(given.min()), float(given.max())
        yield Finding(name, "table", "wrong", f"β lies from {low:.3g} to {high:.3g}; it lies between 0 and 1.")


def _error(found: Tensor, right: Tensor) -> float:
    return float(((found - right).abs() / right.abs().clamp(min=1e-9)).nan_to_num(nan=torch.inf).max())


def _table(page: Any, names: str) -> Tensor | None:
    name = _name(page, names)
    found = getattr(page, name, None) if name else None
    try:
        tensor = torch.as_tensor(found).detach().double().flatten().cpu()
    except (TypeError, ValueError, RuntimeError):
        return None
    return tensor if len(tensor) > 1 else None


def _name(page: Any, names: str) -> str:
    return next((name for name in names.split() if getattr(page, name, None) is not None), "")
