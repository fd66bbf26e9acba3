"""Sampling: the loop and the solvers, one per file."""

from inkwash.sample.adaptive import Adaptive
from inkwash.sample.ddim import DDIM, DDPM
from inkwash.sample.deis import DEIS
from inkwash.sample.dpmpp import DPMpp2M
from inkwash.sample.edict import edict_decode, edict_encode
from inkwash.sample.encode import encode
from inkwash.sample.euler_maruyama import EulerMaruyama
from inkwash.sample.heun import Heun
from inkwash.sample.ipndm import IPNDM
from inkwash.sample.langevin import AnnealedLangevin, PredictorCorrector
from inkwash.sample.loop import Snapshot, denoising_edges, last, sample
from inkwash.sample.solver import Solver
from inkwash.sample.unipc import UniPC

__all__ = [
    "DDIM",
    "DDPM",
    "DEIS",
    "IPNDM",
    "Adaptive",
    "AnnealedLangevin",
    "DPMpp2M",
    "EulerMaruyama",
    "Heun",
    "PredictorCorrector",
    "Snapshot",
    "Solver",
    "UniPC",
    "denoising_edges",
    "edict_decode",
    "edict_encode",
    "encode",
    "last",
    "sample",
]
