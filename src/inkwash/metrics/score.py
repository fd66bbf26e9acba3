"""Scores of images against real ones, and the floor: the scores of an equal number of real images."""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol, final

import torch
from torch import Tensor

from inkwash.data import Source, to_float
from inkwash.errors import UsageError
from inkwash.metrics.classifier import Classifier
from inkwash.metrics.distance import Cloud, frechet, kernel
from inkwash.metrics.features import Features
from inkwash.metrics.manifold import Manifold, manifold

DRAWS = 3  # every score is a mean over three draws, reported with their standard deviation
NEIGHBOURS = 3  # k of the nearest-neighbour scores
AT_MOST = 10_000  # real images to compare with
OnStep = Callable[[int, int], None]  # (steps done, total steps) of a training
VERSION = 3  # raise it when the value of a score changes: files with scores of another version are ignored


class Real(Protocol):
    """The real images that others are compared with."""

    @property
    def features(self) -> Features: ...
    @property
    def reader(self) -> Classifier | None: ...  # which reads classes, if there is one
    @property
    def n(self) -> int: ...  # images to compare
    @property
    def real(self) -> Cloud: ...  # features of the real images
    @property
    def real_std(self) -> float: ...  # their total standard deviation, in [−1, 1] units


@final
@dataclass(frozen=True, eq=False)
class Comparison:
    """Images to score and the real images to compare them with. Quantities that several scores need are cached."""

    reference: Real
    pixels: Tensor  # uint8 [n,C,H,W]
    labels: Tensor | None  # int64 [n]: the classes that the images were conditioned on, if any

    @property
    def real(self) -> Cloud:
        """Features of the real images."""
        return self.reference.real

    @cached_property
    def generated(self) -> Cloud:
        """Features of the images."""
        return Cloud(self.reference.features(self.pixels))

    @cached_property
    def manifold(self) -> Manifold:
        """The nearest-neighbour scores, with as many real images as generated ones, as in the papers."""
        return manifold(self.real.points[: self.reference.n], self.generated.points, NEIGHBOURS)

    @cached_property
    def spread(self) -> float:
        """The images' standard deviation relative to that of the real images; nan if the latter is 0."""
        real = self.reference.real_std
        return total_std(self.pixels) / real if real > 0 else math.nan

    @cached_property
    def classes(self) -> Tensor | None:
        """The predicted class of each image, int64 [n]; None without a classifier."""
        reader = self.reference.reader
        return None if reader is None else reader.read(reader(self.pixels))

    @cached_property
    def histogram(self) -> Tensor | None:
        """The share of each predicted class, float64 [K]; None without a classifier."""
        reader, classes = self.reference.reader, self.classes
        if reader is None or classes is None:
            return None
        return torch.bincount(classes, minlength=len(reader.classes)).double() / len(classes)


def _entropy(compared: Comparison) -> float | None:
    shares = compared.histogram
    return None if shares is None else abs(float(torch.special.entr(shares).sum() / math.log(2)))


def _accuracy(compared: Comparison) -> float | None:
    classes, labels = compared.classes, compared.labels
    return None if classes is None or labels is None else (classes == labels).double().mean().item()


@dataclass(frozen=True)
class Score:
    """One score, with all properties that tables, figures and races need."""

    title: str
    better: Literal["lower", "higher"] | None  # None if the best value is that of real images
    compute: Callable[[Comparison], float | None]  # None if it cannot be computed
    share: bool = False  # whether it lies in [0, 1]
    reads_classes: bool = False  # whether it needs a classifier, which must be trained on labelled images


SCORES: dict[str, Score] = {  # add a row to add a score
    "frechet": Score("Fréchet distance", "lower", lambda compared: frechet(compared.generated, compared.real)),
    "kernel": Score("kernel distance", "lower", lambda compared: kernel(compared.generated, compared.real)),
    "precision": Score("precision", "higher", lambda compared: compared.manifold.precision, share=True),
    "recall": Score("recall", "higher", lambda compared: compared.manifold.recall, share=True),
    "density": Score("density", "higher", lambda compared: compared.manifold.density),
    "coverage": Score("coverage", "higher", lambda compared: compared.manifold.coverage, share=True),
    "spread": Score("spread", None, lambda compared: compared.spread),
    "entropy": Score("class entropy, bits", None, _entropy, reads_classes=True),
    "accuracy": Score("accuracy", "higher", _accuracy, share=True, reads_classes=True),
}


@dataclass(frozen=True)
class Scores:
    """The scores of n images by name. `histogram` is the share of each class, if there is a classifier."""

    values: Mapping[str, float | None]  # of all SCORES; None for those that cannot be computed
    histogram: tuple[float, ...] | None = None

    def __getitem__(self, name: str) -> float | None:
        return self.values[name]


@final
@dataclass(frozen=True, eq=False)
class Reference:
    """Real images to score n images against.

    The images of one split are divided in a fixed way: 3·n of them are scored like generated images, which gives the
    floor; the rest, at most 10,000, are the real images that all scores compare with.

    Features that were trained on these images make the floor lower than that of new images. Where `unseen`, images of
    another split, has 3·n or more, the floor is made of those instead.
    """

    source: Source
    n: int
    features: Features
    reader: Classifier | None
    unseen: Source | None = None

    def __post_init__(self) -> None:
        check_n(self.n, len(self.source), f"{self.source.name}'s {self.source.split} split")

    @property
    def digest(self) -> str:
        """sha256 hex of everything except the scored images that determines a score."""
        reader = self.reader.digest if self.reader else ""
        unseen = self.floor_source.fingerprint if self.floor_source is not self.source else ""
        facts = (VERSION, self.source.fingerprint, self.source.split, self.n, self.features.digest, reader, unseen)
        return hashlib.sha256(repr(facts).encode()).hexdigest()

    @property
    def compared(self) -> int:
        """The number of real images that all scores compare with."""
        return min(AT_MOST, len(self.source) - DRAWS * self.n)

    def score(self, pixels: Tensor, labels: Tensor | None = None) -> Scores:
        """Scores of images uint8 [n,C,H,W]. `labels` int64 [n] are the classes they were conditioned on, if any."""
        if len(pixels) != self.n:
            raise ValueError(f"this reference scores {self.n} images at a time; got {len(pixels)}")
        compared = Comparison(self, pixels, labels)
        histogram = None if compared.histogram is None else tuple(compared.histogram.tolist())
        return Scores({name: score.compute(compared) for name, score in SCORES.items()}, histogram)

    @cached_property
    def floor(self) -> tuple[Scores, ...]:
        """The scores of three draws of n real images against the other real images."""
        source = self.floor_source
        order = _order(source)
        parts = [order[i * self.n : (i + 1) * self.n] for i in range(DRAWS)]
        labels = source.labels
        return tuple(
            self.score(source.take(part).cpu(), None if labels is None else labels.cpu()[part]) for part in parts
        )

    @property
    def floor_source(self) -> Source:
        """Where the images of the floor come from."""
        return self.unseen if self.unseen is not None and len(self.unseen) >= DRAWS * self.n else self.source

    @cached_property
    def real(self) -> Cloud:
        """Features of the real images that all scores compare with."""
        return Cloud(self.features(self._compared))

    @cached_property
    def real_std(self) -> float:
        """Their total standard deviation, in [−1, 1] units."""
        return total_std(self._compared)

    def some(self, most: int) -> Tensor:
        """A random sample of at most `most` real images: uint8 [N,C,H,W]."""
        return self._take(slice(most))

    def _take(self, which: slice) -> Tensor:
        return self.source.take(_order(self.source)[which]).cpu()

    @cached_property
    def _compared(self) -> Tensor:
        return self._take(slice(DRAWS * self.n, DRAWS * self.n + self.compared))


def _order(source: Source) -> Tensor:
    """A fixed random order of the images."""
    return torch.randperm(len(source), generator=torch.Generator().manual_seed(0))


def total_std(pixels: Tensor) -> float:
    """√(the trace of the covariance of images), in [−1, 1] units."""
    return float(to_float(pixels).double().flatten(1).var(0).sum().sqrt())


def check_n(n: int, available: int, of: str) -> None:
    """Raises UsageError unless n images can be scored against `available` real ones."""
    least, most = NEIGHBOURS + 1, available // (DRAWS + 1)
    if not least <= n <= most:
        raise UsageError(
            f"scores need {least} images or more in each of {DRAWS} draws, and for the floor at most a quarter of "
            f"{of}, which is {most:,} (got `n={n}`)."
        )


def summary(draws: Sequence[Scores]) -> dict[str, tuple[float, float]]:
    """Name -> (mean, standard deviation over the draws), for the scores that every draw has."""
    table: dict[str, tuple[float, float]] = {}
    for name in SCORES:
        values = [scores[name] for scores in draws]
        if None not in values:
            over = torch.tensor(values, dtype=torch.float64)
            table[name] = (over.mean().item(), over.std().item())
    return table


def as_json(scores: Scores) -> dict[str, Any]:
    """Scores as a JSON-serialisable dict; the inverse of `from_json`."""
    return {**scores.values, "histogram": scores.histogram}


def from_json(facts: dict[str, Any]) -> Scores:
    """The scores that `as_json` wrote. Raises KeyError if one is missing, as in files of an older inkwash."""
    histogram = facts["histogram"]
    return Scores({name: facts[name] for name in SCORES}, None if histogram is None else tuple(histogram))
