"""Training: the objective, the loop, the exponential moving average of the weights, and checkpoints.

Names are imported lazily, so that reading a checkpoint does not import the training code.
"""

from typing import TYPE_CHECKING

from inkwash import lazy

if TYPE_CHECKING:
    from inkwash.training.checkpoint import Checkpoint, load, save
    from inkwash.training.ema import Ema
    from inkwash.training.loop import held_out_loss, train
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
    from inkwash.training.progress import Previewed, Progress, Saved, Step, Untracked
    from inkwash.training.state import State

_PLACES = {
    "checkpoint": ("Checkpoint", "load", "save"),
    "ema": ("Ema",),
    "loop": ("held_out_loss", "train"),
    "objective": (
        "SNR", "Draw", "LogNormal", "LogitNormal", "MinSNR", "Objective", "Plain", "StepRandomness", "Stratified",
        "Uniform", "Weight",
    ),
    "progress": ("Previewed", "Progress", "Saved", "Step", "Untracked"),
    "state": ("State",),
}  # fmt: skip

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy.names(
        __name__, {name: f"{__name__}.{module}:{name}" for module, names in _PLACES.items() for name in names}
    )

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
    "Previewed",
    "Progress",
    "Saved",
    "State",
    "Step",
    "StepRandomness",
    "Stratified",
    "Uniform",
    "Untracked",
    "Weight",
    "held_out_loss",
    "load",
    "save",
    "train",
]  # fmt: skip
