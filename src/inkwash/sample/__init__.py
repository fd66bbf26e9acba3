"""Sampling: the loop and the solvers, one per file."""

from inkwash.sample.ddim import Ddim, ddpm
from inkwash.sample.dpmpp import DPMpp2M
from inkwash.sample.encode import encode
from inkwash.sample.heun import Heun
from inkwash.sample.loop import Moment, Solver, last, sample

__all__ = ["DPMpp2M", "Ddim", "Heun", "Moment", "Solver", "ddpm", "encode", "last", "sample"]
