"""`load`, which opens a trained run from Python."""

from typing import Literal

from torch import nn

from inkwash import own
from inkwash.api import network as own_network
from inkwash.api.run import PathLike, Run
from inkwash.errors import UsageError
from inkwash.models import find
from inkwash.runs.model import open_model


def load(
    path: PathLike,
    checkpoint: Literal["last", "best"] = "last",
    device: str = "auto",
    network: nn.Module | type[nn.Module] | str | None = None,
    encoder: str | None = None,
    weights: Literal["ema", "raw"] = "ema",
) -> Run:
    """Opens the run in a folder that `train` or `inkwash train` wrote.

    Args:
        path: the run's folder, or the name of a model in the box (`inkwash models`), as "mnist-class".
        checkpoint: "last", or "best" for the lowest loss on held-out images.
        device: "auto", "cpu", "cuda" or "mps".
        network: for a run of a network of your own: its class, the function that builds it, an instance of the same
            shape, or the reference that the run recorded (FILE.py:NAME or package.module:NAME), which allows its code
            to be executed. Code that a run recorded is never executed otherwise.
        weights: "ema" for the moving average of the weights, "raw" for those of the last step of training.
        encoder: for a run on texts that a model of your own reads: the folder or the name that the run recorded, which
            allows it to be opened, and downloaded if it is not on this machine.

    Raises:
        UsageError: if there is no run, or if it needs a network that was not given.
        InkwashError: if the checkpoint file is damaged.
    """
    if checkpoint not in ("last", "best"):
        raise UsageError(f"`checkpoint` is 'last' or 'best' (got {checkpoint!r}).")
    if weights not in ("ema", "raw"):
        raise UsageError(f"`weights` is 'ema' or 'raw' (got {weights!r}).")
    folder = find(path)
    if network is not None:
        own_network.provide_for(folder, network)
    if encoder is not None:
        own.allow_encoder(encoder)
    return Run(open_model(folder, checkpoint, device, weights=weights))
