"""The real images and the features that a study scores its images with."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from inkwash import choices, settings
from inkwash.data import Source
from inkwash.errors import UsageError
from inkwash.metrics.classifier import Classifier, classifier, has_classes
from inkwash.metrics.features import Features
from inkwash.metrics.score import DRAWS, SCORES, OnStep, Reference, check_n
from inkwash.study.subject import Subject, load_model
from inkwash.study.subject import forget as forget_models


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
    forget_models()
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
