"""Scores of images against real ones, and the floor: what real images of the same number score themselves."""

import hashlib
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, final

import torch
from torch import Tensor

from inkwash.data import Source, to_float
from inkwash.errors import UsageError
from inkwash.metrics.classifier import Classifier
from inkwash.metrics.distance import Cloud, frechet, kernel
from inkwash.metrics.features import Features
from inkwash.metrics.manifold import manifold

DRAWS = 3  # every score is a mean over three draws, and says how far they lie apart
NEIGHBOURS = 3  # k of the nearest-neighbour scores
AT_MOST = 10_000  # real images to compare with
VERSION = 2  # of what the numbers below mean: raise it when one changes


@dataclass(frozen=True)
class Scores:
    """What n images score. `entropy` and `histogram` need labels, `accuracy` also images that were asked for."""

    frechet: float  # Fréchet distance, lower is better
    kernel: float  # squared kernel distance, lower is better, about 0 for real images
    precision: float  # [0, 1], higher is better: fidelity
    recall: float  # [0, 1], higher is better: diversity
    density: float  # about 1 for real images, higher is better
    coverage: float  # [0, 1], higher is better
    spread: float  # standard deviation over images, pixel by pixel, as a multiple of the real ones': 1 is right
    entropy: float | None = None  # of the classes read from the images, in bits; at most log2 of their number
    accuracy: float | None = None  # [0, 1]: images read as the class that was asked for
    histogram: tuple[float, ...] | None = None  # share of each class


NAMES = tuple(entry.name for entry in fields(Scores) if entry.name != "histogram")


@final
@dataclass(frozen=True, eq=False)
class Reference:
    """Real images to score n others against.

    The images of one split are dealt out once and for all: 3·n of them stand in for generated ones, as the
    floor, and the rest, 10,000 at most, is what everything is compared with.
    """

    source: Source
    n: int
    features: Features
    reader: Classifier | None

    def __post_init__(self) -> None:
        check_n(self.n, len(self.source), f"{self.source.name}'s {self.source.split} split")

    @property
    def digest(self) -> str:
        """sha256 hex of all that a score depends on besides the images scored."""
        reader = self.reader.digest if self.reader else ""
        facts = (VERSION, self.source.fingerprint, self.source.split, self.n, self.features.digest, reader)
        return hashlib.sha256(repr(facts).encode()).hexdigest()

    @property
    def compared(self) -> int:
        """How many real images everything is compared with."""
        return min(AT_MOST, len(self.source) - DRAWS * self.n)

    def score(self, pixels: Tensor, asked: Tensor | None = None) -> Scores:
        """Scores of images uint8 [n,C,H,W]; `asked` int64 [n] are the classes they should show, if any were."""
        if len(pixels) != self.n:
            raise ValueError(f"this yardstick is for {self.n} images; got {len(pixels)}")
        drawn, real = Cloud(self.features(pixels)), self._real
        near = manifold(real.points[: self.n], drawn.points, NEIGHBOURS)  # as many of each, as the papers do
        spread = _spread(pixels) / self._real_spread if self._real_spread > 0 else math.nan
        entropy, accuracy, shares = None, None, None
        if self.reader is not None:
            read = self.reader.read(self.reader(pixels))
            counts = torch.bincount(read, minlength=len(self.reader.classes)).double() / len(read)
            shares = tuple(counts.tolist())
            entropy = abs(float(torch.special.entr(counts).sum() / math.log(2)))
            accuracy = None if asked is None else (read == asked).double().mean().item()
        return Scores(
            frechet(drawn, real), kernel(drawn, real), *near, spread, entropy, accuracy, shares
        )  # fmt: skip

    @cached_property
    def floor(self) -> tuple[Scores, ...]:
        """What three draws of n real images score against the others."""
        parts = [slice(i * self.n, (i + 1) * self.n) for i in range(DRAWS)]
        labels = self.source.labels
        return tuple(
            self.score(self._take(part), None if labels is None else labels.cpu()[self._order[part]]) for part in parts
        )

    def some(self, most: int) -> Tensor:
        """So many of the real images at random, or all that there are: uint8 [N,C,H,W]."""
        return self._take(slice(most))

    @cached_property
    def _order(self) -> Tensor:
        return torch.randperm(len(self.source), generator=torch.Generator().manual_seed(0))

    def _take(self, which: slice) -> Tensor:
        return self.source.take(self._order[which]).cpu()

    @cached_property
    def _compared(self) -> Tensor:
        return self._take(slice(DRAWS * self.n, DRAWS * self.n + self.compared))

    @cached_property
    def _real(self) -> Cloud:
        return Cloud(self.features(self._compared))

    @cached_property
    def _real_spread(self) -> float:
        return _spread(self._compared)


def _spread(pixels: Tensor) -> float:
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


def summary(draws: list[Scores]) -> dict[str, tuple[float, float]]:
    """Name -> (mean, standard deviation over the draws), of those scores that there are."""
    table: dict[str, tuple[float, float]] = {}
    for name in NAMES:
        values = [getattr(scores, name) for scores in draws]
        if None not in values:
            drawn = torch.tensor(values, dtype=torch.float64)
            table[name] = (drawn.mean().item(), drawn.std().item())
    return table


def as_json(scores: Scores) -> dict[str, Any]:
    """Scores as JSON holds them; `from_json` undoes it."""
    return asdict(scores)


def from_json(facts: dict[str, Any]) -> Scores:
    """The scores that `as_json` wrote."""
    histogram = facts["histogram"]
    return Scores(**{**facts, "histogram": None if histogram is None else tuple(histogram)})


OnStep = Callable[[int, int], None]
