"""The solvers that the tests run over: all that have a row in `inkwash.choices`."""

import math
from functools import partial

from gaussian_flow import Recursion, ddim, dpmpp, heun
from inkwash import choices
from inkwash.sample import DDIM, DDPM, DPMpp2M, Heun, Solver

# Every row of choices.SOLVERS: without noise where that can be had, and half of DDPM's where there is a choice.
SOLVERS: dict[str, Solver] = {
    f"{row.name} {eta}" if choices.takes(row.load(), "eta") else row.name: choices.call(row.load(), eta=eta, large=0.0)
    for row in choices.SOLVERS
    for eta in (0.0, 0.5)
}

# Those whose steps on Gaussian data are derived by hand, with other settings too.
BY_HAND: dict[str, tuple[Solver, Recursion]] = {
    **{f"ddim {eta}": (DDIM(eta), partial(ddim, eta=eta)) for eta in (0.0, 0.3, 0.8, 1.0)},
    "ddim 0.3 large": (DDIM(0.3, 1.0), partial(ddim, eta=0.3, large=True)),
    "ddpm": (DDPM(), partial(ddim, eta=1.0)),
    "ddpm large": (DDPM(1.0), partial(ddim, eta=1.0, large=True)),
    "lab 0.3": (DDIM.lab(0.3), partial(ddim, eta=math.sqrt(0.3))),
    "heun": (Heun(), heun),
    **{f"dpmpp2m {eta}": (DPMpp2M(DDIM(eta)), partial(dpmpp, eta=eta)) for eta in (0.0, 0.6, 1.0)},
}
