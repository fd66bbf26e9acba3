"""Sampling: the loop and the solvers, one per file."""

from inkwash.sample.ddim import DDIM, DDPM
from inkwash.sample.dpmpp import DPMpp2M
from inkwash.sample.encode import encode
from inkwash.sample.heun import Heun
from inkwash.sample.loop import Snapshot, last, sample
from inkwash.sample.solver import Solver

__all__ = ["DDIM", "DDPM", "DPMpp2M", "Heun", "Snapshot", "Solver", "encode", "last", "sample"]
