"""Scores of images that no model of inkwash drew: a folder or an .npz against a set of real images."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inkwash import __version__
from inkwash.data import Source
from inkwash.errors import UsageError
from inkwash.metrics.classifier import Classifier
from inkwash.metrics.distance import Cloud
from inkwash.metrics.features import Features
from inkwash.metrics.score import NEIGHBOURS, SCORES, Comparison, OnStep, Scores, as_json, total_std
from inkwash.settings import Scoring
from inkwash.study.references import features_of
from inkwash.study.subject import size, whole


@dataclass(frozen=True, eq=False)
class RealImages:
    """All images of a set, which `n` others are compared with; the same quantities as `metrics.score.Reference` has."""

    source: Source
    n: int
    features: Features
    reader: Classifier | None

    @cached_property
    def pixels(self) -> Tensor:
        """uint8 [N,C,H,W]."""
        return self.source.take(torch.arange(len(self.source))).cpu()

    @cached_property
    def real(self) -> Cloud:
        """Their features."""
        return Cloud(self.features(self.pixels))

    @cached_property
    def real_std(self) -> float:
        """Their total standard deviation, in [−1, 1] units."""
        return total_std(self.pixels)

    def score(self, pixels: Tensor, labels: Tensor | None) -> Scores:
        """Scores of images uint8 [n,C,H,W]; `labels` int64 [n] are the classes that they should show, if known."""
        compared = Comparison(self, pixels, labels)
        return Scores({name: score.compute(compared) for name, score in SCORES.items()})


@dataclass(frozen=True, eq=False)
class Judged:
    """The scores of a set of images, and of as many other real images where the real set has another split."""

    images: Source
    n: int
    against: RealImages
    found: Scores
    floor: Scores | None


def judge(
    images: str | Path,
    against: str | Path,
    scoring: Scoring,
    device: torch.device | None = None,
    data_dir: Path | None = None,
    on_step: OnStep = lambda step, steps: None,
    tick: Callable[[], object] = lambda: None,
) -> Judged:
    """Scores the images of a folder, an .npz or a known set against all real ones of `against`.

    `scoring.n` images are scored, the first of them; None scores all. Where `against` has a train and a test split,
    the images are compared with `scoring.split`, and the floor is that of n images of the other. `on_step` is called
    while a classifier is trained, `tick` after each of the two sets was scored.

    Raises UsageError for images of another shape than the real ones, for labels of other classes, and for fewer than 4
    images.
    """
    generated, real = whole(images, "train", data_dir), whole(against, scoring.split, data_dir)
    other = whole(against, "test" if scoring.split == "train" else "train", data_dir)
    n = len(generated) if scoring.n is None else scoring.n
    _check(generated, real, n)
    train, test = (real, other) if scoring.split == "train" else (other, real)
    features, reader = features_of(scoring, train, test, device or torch.device("cpu"), data_dir, on_step)
    reference = RealImages(real, n, features, reader)
    found = reference.score(generated.take(torch.arange(n)).cpu(), _labels(generated, real, n))
    tick()
    floor = None
    if other.fingerprint != real.fingerprint and len(other) >= n:
        labels = None if other.labels is None else other.labels.cpu()[:n]
        floor = reference.score(other.take(torch.arange(n)).cpu(), labels)
    tick()
    return Judged(generated, n, reference, found, floor)


def _check(images: Source, real: Source, n: int) -> None:
    if tuple(images.shape) != tuple(real.shape):
        raise UsageError(
            f"{images.name} holds {size(images.shape)} and {real.name} {size(real.shape)}, which cannot be compared; "
            "scale one set to the size of the other."
        )
    if not NEIGHBOURS < n <= len(images) or len(real) <= NEIGHBOURS:
        raise UsageError(
            f"scores take more than {NEIGHBOURS} images of each set: {images.name} has {len(images):,}, {real.name} "
            f"{len(real):,} (got `n={n}`)."
        )
    if images.labels is not None and not set(images.classes) <= set(real.classes):
        strange = sorted(set(images.classes) - set(real.classes))
        raise UsageError(
            f"{images.name} has the classes {', '.join(strange[:5])}, which {real.name} does not have; give images "
            "without labels, or a set of the same classes."
        )


def _labels(images: Source, real: Source, n: int) -> Tensor | None:
    """The labels of the first n images, as numbers of the real set's classes."""
    if images.labels is None:
        return None
    numbers = torch.tensor([real.classes.index(name) for name in images.classes])
    return numbers[images.labels.cpu()[:n]]


def lines(found: Judged) -> list[str]:
    """The scores as a table of text."""
    against, width = found.against, max(len(score.title) for score in SCORES.values()) + 1
    text = [
        f"{found.n:,} images of {found.images.name} against {len(against.source):,} of {against.source.name}'s "
        f"{against.source.split} split, in {against.features.name} features {against.features.digest[:12]}"
        + (f" (reads {against.reader.accuracy:.1%} of the test images)" if against.reader else ""),
        "",
        f"{'':{width}}{'images':>10}   {'real ones':>10}",
    ]
    for name, score in SCORES.items():
        value, floor = found.found[name], found.floor[name] if found.floor else None
        if value is not None:
            text.append(f"{score.title:{width}}{value:10.4g}   " + (f"{floor:10.4g}" if floor is not None else ""))
    features = against.real.points.shape[1]
    if found.n <= features:
        text.append(
            f"n = {found.n:,} images are too few for a Fréchet distance of {features:,} features: it mostly measures n."
        )
    if found.floor is None:
        text.append(f"no real images are scored: that takes {found.n:,} besides the ones compared with.")
    return [line.rstrip() for line in text]


def facts(found: Judged) -> dict[str, Any]:
    """All numbers, and everything that they depend on."""
    against = found.against
    return {
        "inkwash": __version__,
        "images": {"name": found.images.name, "n": found.n, "fingerprint": found.images.fingerprint},
        "against": {
            "name": against.source.name, "split": against.source.split, "n": len(against.source),
            "fingerprint": against.source.fingerprint,
        },
        "features": against.features.name,
        "features_digest": against.features.digest,
        "scores": as_json(found.found),
        "floor": None if found.floor is None else as_json(found.floor),
    }  # fmt: skip
