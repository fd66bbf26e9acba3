"""The subjects of a study: what it draws images from, and in which order it asks for classes or texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Protocol, TypeVar, final

import torch
from torch import Tensor

from inkwash.data import (
    ConditionLookup,
    Source,
    is_path,
    load,
    permutation,
)
from inkwash.data.listing import some
from inkwash.errors import UsageError
from inkwash.models import title
from inkwash.runs.conditions import ConditionKind
from inkwash.runs.model import Model, TrainedModel, images, open_model

AModel = TypeVar("AModel", bound=Model)

_ORDER = -1  # no training has this seed, so this is the order of none


@final
@dataclass(frozen=True, eq=False)
class ConditionOrder:
    """The conditions of a study's images: that of image i is that of image order[i mod N] of a source, so that
    conditions are as frequent as in the data. It is the training images', or what the kind is `asked_of`.
    """

    source: Source
    condition: ConditionKind

    def __call__(self, indices: Sequence[int]) -> Tensor:
        """The embedder's input for the images of these indices."""
        return self._rows(self._chosen(indices), 0)

    def labels(self, indices: Sequence[int]) -> Tensor | None:
        """The expected classes of the images, int64; None if the training images have no labels."""
        labels = self.source.labels
        return None if labels is None else labels.cpu()[self._chosen(indices)]

    @property
    def digest(self) -> str:
        """Everything besides the checkpoint that the order depends on."""
        return self.source.fingerprint

    @cached_property
    def _rows(self) -> ConditionLookup:
        return self.condition.shown(self.source)

    def _chosen(self, images: Sequence[int]) -> Tensor:
        n = len(self.source)
        return permutation(_ORDER, 0, n)[torch.tensor(list(images)) % n]


class Subject(Protocol):
    """A small description from which every process can build the same model and images. Hashable and picklable."""

    @property
    def name(self) -> str: ...
    @property
    def prediction(self) -> str: ...  # what its network predicts, by the name that --prediction takes
    @property
    def data_dir(self) -> Path | None: ...  # where files are looked for, as `inkwash.data.load` takes it
    def model(self, precision: torch.dtype | None = None) -> Model: ...  # None computes as it was trained
    def images(self, split: str) -> Source: ...
    def condition_order(self) -> ConditionOrder | None: ...  # None for a model without a condition
    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class Trained:
    """A trained run. `data_dir` is that of `inkwash.data.load`; None uses the folder that the run was trained from.

    `against` names real images to compare with in place of those that it was trained on.
    """

    folder: Path
    checkpoint: str = "last"
    device: str = "auto"
    data_dir: Path | None = None
    weights: str = "ema"
    against: str | None = None

    @property
    def name(self) -> str:
        return title(self.folder)

    @property
    def prediction(self) -> str:
        return _load_run(self).run.process.prediction

    def model(self, precision: torch.dtype | None = None) -> TrainedModel:
        known = _load_run(self)
        if precision is None:
            return known
        return same_checkpoint(
            open_model(self.folder, self.checkpoint, self.device, precision, self.weights), known.digest
        )

    def condition_order(self) -> ConditionOrder | None:
        kind = _load_run(self).condition
        return None if kind is None else ConditionOrder(self.images(getattr(kind, "asked_of", "train")), kind)

    def images(self, split: str) -> Source:
        if self.against is None:
            return images(_load_run(self), split, self.data_dir)
        return _fitting(whole(self.against, split, self.data_dir), _load_run(self))


def whole(name: str | Path, split: str, data_dir: Path | None) -> Source:
    """A split of a set; all of it, if it is a folder or a file that has no splits of its own."""
    if is_path(name):
        try:
            return load(name, split, held_out="none")
        except UsageError:  # it has splits, or is no set at all
            return load(name, split)
    return load(name, split, data_dir=data_dir)


def _fitting(source: Source, model: TrainedModel) -> Source:
    """The images, if they have the shape of the model's and, where it is told labels, its classes."""
    if tuple(source.shape) != tuple(model.shape):
        raise UsageError(
            f"{model.name} draws {size(model.shape)} and {source.name} holds {size(source.shape)}, which cannot be "
            "compared; scale the images to that size."
        )
    if model.condition is not None and tuple(source.classes) != tuple(model.facts["classes"]):
        raise UsageError(
            f"{model.name} draws the classes {some(model.facts['classes'])} and {source.name} has "
            f"{some(source.classes) or 'none'}; give images of the same classes."
        )
    if model.condition is not None:
        model.condition.shown(source)  # refuses images that do not say what to ask the run for
    return source


def size(shape: Sequence[int]) -> str:
    """A shape (C, H, W) in words."""
    channels, height, width = shape
    return f"images of {height}×{width}×{channels} (height×width×channels)"


@cache
def _load_run(subject: Trained) -> TrainedModel:
    return open_model(subject.folder, subject.checkpoint, subject.device, weights=subject.weights)


def same_checkpoint(model: AModel, digest: str) -> AModel:
    """Returns the model. Raises UsageError if its digest is another one, as its run was trained in the meantime."""
    if model.digest != digest:
        raise UsageError(
            f"the checkpoint of {model.name} was {digest[:12]} when this began, and is {model.digest[:12]} now, as its "
            "training goes on. Nothing of the new one was kept; take a copy of the run, or wait until it has ended."
        )
    return model


@cache
def load_model(subject: Subject) -> Model:
    """The subject's model, built once in each process."""
    return subject.model()


@cache
def condition_order(subject: Subject) -> ConditionOrder | None:
    """The conditions of the subject's images, read once in each process; None for a model without a condition."""
    return subject.condition_order()


def forget() -> None:
    """Clears the models and orders of this process; `references.forget` clears the references too."""
    for cached in (_load_run, load_model, condition_order):
        cached.cache_clear()
