"""The subjects of a study (trained runs, or an exact Gaussian), and the reference for scoring their images."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Protocol, TypeVar, final

import torch
from torch import Tensor, nn

from inkwash import choices, core, settings
from inkwash.data import (
    ConditionLookup,
    Images,
    Source,
    is_path,
    load,
    permutation,
    to_uint8,
)
from inkwash.data.listing import some
from inkwash.denoise import Denoiser, Gaussian
from inkwash.errors import UsageError
from inkwash.metrics.classifier import Classifier, classifier, has_classes
from inkwash.metrics.features import Features
from inkwash.metrics.score import DRAWS, SCORES, OnStep, Reference, check_n
from inkwash.models import title
from inkwash.runs import build
from inkwash.runs.conditions import ConditionKind
from inkwash.runs.model import Model, TrainedModel, images, open_model

AModel = TypeVar("AModel", bound=Model)

_ORDER = -1  # no training has this seed, so this is the order of none


@final
@dataclass(frozen=True, eq=False)
class ConditionOrder:
    """The conditions of a study's images: that of image i is that of training image order[i mod N], so that conditions
    are as frequent as in the data.
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
        return None if kind is None else ConditionOrder(self.images("train"), kind)

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


@dataclass(frozen=True)
class Exact:
    """Gaussian images of 8×8 pixels and their exact network: theory predicts the images that come out."""

    prediction: settings.Prediction = "v"
    count: int = 20_000

    @property
    def name(self) -> str:
        return f"gaussian-{self.prediction}"

    @property
    def data_dir(self) -> None:
        return None

    def model(self, precision: torch.dtype | None = None) -> Model:
        schedule = core.Cosine()
        prediction = build.prediction(settings.Process(prediction=self.prediction))
        return Model(
            name=self.name,
            shape=(1, 8, 8),
            denoiser=Denoiser(_ExactNetwork(schedule, prediction), prediction),
            schedule=schedule,
            device=torch.device("cpu"),
            digest=hashlib.sha256(repr((self, _mean().tolist(), _std().tolist())).encode()).hexdigest(),
        )

    def condition_order(self) -> None:
        return None

    def images(self, split: str) -> Source:
        generator = torch.Generator().manual_seed(0 if split == "train" else 1)
        x = _mean() + _std() * torch.randn(self.count, 1, 8, 8, generator=generator)
        return Images("gaussian", split, to_uint8(x))


class _ExactNetwork(nn.Module):
    """The optimal network for these images, which training converges to."""

    def __init__(self, schedule: core.Schedule, prediction: core.Prediction) -> None:
        super().__init__()
        self.schedule, self.prediction = schedule, prediction

    def forward(self, x: Tensor, t: Tensor, cond: None) -> Tensor:
        level = self.schedule.at(t[0].item())
        x = x * core.marginal_std(level)
        x0 = Gaussian(_mean(), _std())(x, level)
        a, b = self.prediction.row(level)  # F = a·x̂₀ + b·ε̂, with ε̂ = (x − α·x̂₀)/σ
        return a * x0 + b * (x - level.alpha * x0) / level.sigma


def _mean() -> Tensor:
    return torch.linspace(-0.2, 0.2, 8).expand(8, 8)


def _std() -> Tensor:
    return 0.2 * torch.exp(-torch.arange(8.0) / 2.5).sqrt()[:, None].expand(8, 8)


@cache
def load_model(subject: Subject) -> Model:
    """The subject's model, built once in each process."""
    return subject.model()


@cache
def condition_order(subject: Subject) -> ConditionOrder | None:
    """The conditions of the subject's images, read once in each process; None for a model without a condition."""
    return subject.condition_order()


@dataclass(frozen=True)
class ReferenceSpec:
    """The real images and features for scoring. Every process builds the same `Reference` from it."""

    subject: Subject
    scoring: settings.Scoring

    @property
    def n(self) -> int:
        """Images in a draw, after `prepare_reference` has set it."""
        assert self.scoring.n is not None
        return self.scoring.n


_references: dict[ReferenceSpec, Reference] = {}


def reference(spec: ReferenceSpec, on_step: OnStep = lambda step, steps: None) -> Reference:
    """The reference of a prepared spec, built once in each process. `on_step` is called while a classifier trains."""
    if spec not in _references:
        _references[spec] = _reference(spec, on_step)
    return _references[spec]


def prepare_reference(spec: ReferenceSpec, default_n: int, on_step: OnStep) -> ReferenceSpec:
    """Returns the spec with n set, and prepares its features, which may take a minute.

    Raises UsageError if the data set is too small, or has no labels for a requested classifier.
    """
    available = len(spec.subject.images(spec.scoring.split))
    n = spec.scoring.n or min(default_n, available // (DRAWS + 1))
    check_n(n, available, f"{spec.subject.name}'s {spec.scoring.split} images")
    settled = ReferenceSpec(spec.subject, replace(spec.scoring, n=n))
    reference(settled, on_step)
    return settled


def notes(spec: ReferenceSpec) -> list[str]:
    """Sentences on scores that will not be measured, or only with a bias."""
    return [note for note in (left_out(spec), floor_note(spec), _too_few(spec), _alike(spec)) if note]


def feature_count(spec: ReferenceSpec) -> int:
    """The number of features of an image."""
    against = reference(spec)
    return against.features(against.some(1)).shape[1]


def _too_few(spec: ReferenceSpec) -> str | None:
    features = feature_count(spec)
    if spec.n > features:
        return None
    return (
        f"n = {spec.n:,} images are too few for a Fréchet distance of {features:,} features: it mostly measures n, so "
        "compare it with the floor and at equal n only."
    )


def _alike(spec: ReferenceSpec) -> str | None:
    return "the real images are all alike, so spread is not measured." if reference(spec).real_std == 0 else None


def left_out(spec: ReferenceSpec) -> str | None:
    """A sentence about class scores that will not be measured; None if none are left out."""
    if reference(spec).reader is not None or not has_classes(spec.subject.images("train")):
        return None
    names = " and ".join(name for name, score in SCORES.items() if score.reads_classes)
    return (
        f"{names} are left out: {spec.scoring.features} features train no classifier; "
        "class_scores (--class-scores) adds them."
    )


def floor_note(spec: ReferenceSpec) -> str | None:
    """A sentence if the features were trained on the images of the floor, so that the floor is optimistic; or None."""
    against = reference(spec)
    if against.unseen is None or against.floor_source is against.unseen:
        return None
    return (
        f"the floor is of images that the classifier was trained on, which makes it a little lower than that of new "
        f"images: the held-out {len(against.unseen):,} are fewer than {DRAWS} × {against.n:,}."
    )


def forget() -> None:
    """Clears the caches of this process, since runs may have been trained further."""
    for cached in (_load_run, load_model, condition_order):
        cached.cache_clear()
    _references.clear()


def _reference(spec: ReferenceSpec, on_step: OnStep) -> Reference:
    subject, scoring = spec.subject, spec.scoring
    train, test = subject.images("train"), subject.images("test")
    features, reader = features_of(scoring, train, test, load_model(subject).device, subject.data_dir, on_step)
    source = train if scoring.split == "train" else test
    unseen = test if source is train and isinstance(features, Classifier) else None
    return Reference(source, spec.n, features, reader, unseen)


def features_of(
    scoring: settings.Scoring, train: Source, test: Source, device: torch.device, data_dir: Path | None, on_step: OnStep
) -> tuple[Features, Classifier | None]:
    """The features that images of a data set are compared in, and the classifier that reads them, if there is one.

    Raises UsageError for a file of weights that the features do not take.
    """
    name = scoring.features
    if name == "auto":
        name = "inception" if scoring.inception else "classifier" if has_classes(train) else "pixels"
    make = choices.FEATURES.load(name)
    if scoring.inception and not choices.takes(make, "weights"):
        raise UsageError(f"`inception` names a file of weights, which the features {name} do not read; leave one out.")
    features: Features = choices.call(
        make, train=train, test=test, device=device, data_dir=data_dir, tick=on_step, weights=scoring.inception
    )
    choices.expect(features, f"the features {name}", "name", "digest", "__call__")
    reader = features if isinstance(features, Classifier) else None
    if reader is None and scoring.class_scores:
        reader = classifier(train, test, on_step)
    return features, reader
