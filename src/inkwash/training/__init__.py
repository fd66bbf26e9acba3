"""Training: the objective, the loop, the average of weights, and checkpoints."""

from inkwash.training.checkpoint import Checkpoint, load, save
from inkwash.training.ema import Ema
from inkwash.training.loop import Progress, Saved, Step, held_out_loss, train
from inkwash.training.objective import (
    SNR,
    Draw,
    LogitNormal,
    LogNormal,
    MinSNR,
    Objective,
    Plain,
    StepRandomness,
    Stratified,
    Uniform,
    Weight,
)
from inkwash.training.state import State

__all__ = [
    "SNR",
    "Checkpoint",
    "Draw",
    "Ema",
    "LogNormal",
    "LogitNormal",
    "MinSNR",
    "Objective",
    "Plain",
    "Progress",
    "Saved",
    "State",
    "Step",
    "StepRandomness",
    "Stratified",
    "Uniform",
    "Weight",
    "held_out_loss",
    "load",
    "save",
    "train",
]  # fmt: skip
