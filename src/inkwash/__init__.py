"""inkwash: train, sample and study diffusion models on your own images.

`load` opens a trained run and `train` makes one; docs/python.md shows both. Importing inkwash loads neither torch nor
numpy: each name below is imported when it is used.
"""

from typing import TYPE_CHECKING

from inkwash import lazy
from inkwash.errors import InkwashError, UsageError

if TYPE_CHECKING:
    from inkwash import core, data, denoise, inverse, nets, recipes, sample, settings, training
    from inkwash.api.images import Images
    from inkwash.api.load import load
    from inkwash.api.picture import Picture
    from inkwash.api.restore import Restorations, edit, restore
    from inkwash.api.run import Run
    from inkwash.api.train import train, train_steps
    from inkwash.settings import RunSettings

__version__ = "0.1.0"

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy.names(
        __name__,
        {
            "Images": "inkwash.api.images:Images",
            "Picture": "inkwash.api.picture:Picture",
            "Restorations": "inkwash.api.restore:Restorations",
            "Run": "inkwash.api.run:Run",
            "RunSettings": "inkwash.settings:RunSettings",
            "edit": "inkwash.api.restore:edit",
            "load": "inkwash.api.load:load",
            "restore": "inkwash.api.restore:restore",
            "train": "inkwash.api.train:train",
            "train_steps": "inkwash.api.train:train_steps",
            **{
                room: f"inkwash.{room}"
                for room in ("core", "data", "denoise", "inverse", "nets", "recipes", "sample", "settings", "training")
            },
        },
    )

__all__ = [
    "Images",
    "InkwashError",
    "Picture",
    "Restorations",
    "Run",
    "RunSettings",
    "UsageError",
    "core",
    "data",
    "denoise",
    "edit",
    "inverse",
    "load",
    "nets",
    "recipes",
    "restore",
    "sample",
    "settings",
    "train",
    "train_steps",
    "training",
]
