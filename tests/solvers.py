"""The solvers that the tests run over: a new solver is one row of SOLVERS."""

import math
from functools import partial

from gaussian_flow import Recursion, ddim, dpmpp, heun
from inkwash.sample import DDIM, DDPM, DPMpp2M, Heun, Solver

# Each solver with its defaults. Every class of inkwash.sample is here; a test of tests/sample holds it.
SOLVERS: dict[str, Solver] = {"ddpm": DDPM(), "ddim": DDIM(), "heun": Heun(), "dpmpp2m": DPMpp2M()}

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
