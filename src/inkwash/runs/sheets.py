"""How the images of a request lie on a sheet: in rows by class or prompt, with labels."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from inkwash.runs.model import TrainedModel
from inkwash.settings import Sampling
from inkwash.view.grid import BACKGROUND


def laid_out(
    images: Any, model: TrainedModel, sampling: Sampling, columns: int | None
) -> tuple[Any, int | None, list[str] | None]:
    """Arranges images uint8 [N,H,W,C] for a grid. Returns the images, the number of columns, and the row labels if each
    row is a class.
    """
    labels = _asked_in_turn(model, sampling)[: sampling.n]
    return (*by_class(images, len(labels)), labels) if labels else (images, columns, None)


def strips(moments: Sequence[Any]) -> Any:
    """Images at several moments, each uint8 [N,H,W,C], in the order of a grid whose rows are the images."""
    each = np.stack(moments, axis=1)
    return each.reshape(-1, *each.shape[2:])


def strip_names(model: TrainedModel, sampling: Sampling) -> list[str] | None:
    """What each image was asked to be, if that differs between them."""
    names = _asked_in_turn(model, sampling)
    return [names[i % len(names)] for i in range(sampling.n)] if names else None


def _asked_in_turn(model: TrainedModel, sampling: Sampling) -> list[str]:
    """What images are asked to be in turn: several prompts, or all classes; none if all are asked alike."""
    if len(sampling.text) > 1:
        return list(sampling.text)
    return row_names(model) if sampling.label == "all" else []


def row_names(model: TrainedModel) -> list[str]:
    """The row labels of a grid of all classes: "number:3" if no installed font can draw the name of the class."""
    from inkwash.view.label import unshown

    numbers = getattr(model.condition, "learned", range(len(model.facts["classes"])))
    names = [model.facts["classes"][i] for i in numbers]
    for i in unshown(names):
        names[i] = f"number:{numbers[i]} (its name needs another font)"
    return names


def by_class(images: Any, classes: int) -> tuple[Any, int]:
    """Reorders images uint8 [N,H,W,C] that cycle through the classes to one row per class.

    Returns them and the number of columns. If the last column is incomplete, the rest of it is left empty.
    """
    columns = math.ceil(len(images) / classes)
    places = np.full((columns * classes, *images.shape[1:]), BACKGROUND, np.uint8)
    places[..., 3:] = 255  # opaque, if they have transparency
    places[: len(images)] = images
    return places.reshape(columns, classes, *images.shape[1:]).swapaxes(0, 1).reshape(places.shape), columns
