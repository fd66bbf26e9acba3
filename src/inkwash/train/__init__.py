"""Training: the objective, the loop, the average of weights, and checkpoints."""

from inkwash.train.checkpoint import Checkpoint, load, save
from inkwash.train.ema import Ema
from inkwash.train.loop import Progress, Saved, Step, held_out_loss, train
from inkwash.train.objective import (
    SNR,
    Chance,
    Draw,
    LogitNormal,
    LogNormal,
    MinSNR,
    Objective,
    Plain,
    Stratified,
    Uniform,
    Weight,
)
from inkwash.train.state import State

__all__ = [
    "SNR", "Chance", "Checkpoint", "Draw", "Ema", "LogNormal", "LogitNormal", "MinSNR", "Objective", "Plain",
    "Progress", "Saved", "State", "Step", "Stratified", "Uniform", "Weight", "held_out_loss", "load", "save", "train",
]  # fmt: skip
