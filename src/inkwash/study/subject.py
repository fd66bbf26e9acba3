"""What is studied: trained runs, and a Gaussian whose denoiser is known exactly."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Protocol, final

import torch
from torch import Tensor, nn

from inkwash import choices, core, settings
from inkwash.data import ConditionLookup, Images, Source, permutation, to_uint8
from inkwash.denoise import Denoiser, Gaussian
from inkwash.metrics.classifier import Classifier, classifier
from inkwash.metrics.features import Features, Pixels
from inkwash.metrics.score import DRAWS, OnStep, Reference, check_n
from inkwash.runs import build
from inkwash.runs.conditions import ConditionKind
from inkwash.runs.model import Model, images, open_model

_ORDER = 7  # another order than training's


@final
@dataclass(frozen=True, eq=False)
class ConditionOrder:
    """Image i of a study is asked to show what training image order[i mod N] does: conditions as they come in data."""

    source: Source
    condition: ConditionKind

    def __call__(self, indices: Sequence[int]) -> Tensor:
        """What the embedder takes, for images of these indices."""
        return self._asks(self._chosen(indices), 0)

    def labels(self, indices: Sequence[int]) -> Tensor | None:
        """The classes to be read from them, int64; None where the images have no labels."""
        labels = self.source.labels
        return None if labels is None else labels.cpu()[self._chosen(indices)]

    @property
    def digest(self) -> str:
        """What the order depends on besides the checkpoint."""
        return self.source.fingerprint

    @cached_property
    def _asks(self) -> ConditionLookup:
        return self.condition.shown(self.source)

    def _chosen(self, images: Sequence[int]) -> Tensor:
        n = len(self.source)
        return permutation(_ORDER, 0, n)[torch.tensor(list(images)) % n]


class Subject(Protocol):
    """A small description that every process can make the same model and images from. Hashable, picklable."""

    @property
    def name(self) -> str: ...
    def model(self) -> Model: ...
    def images(self, split: str) -> Source: ...
    def shown(self) -> ConditionOrder | None: ...  # what its images are asked to show; None where nothing can be asked
    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class Trained:
    """A run of `inkwash train`. `data_dir` as `inkwash.data.load` takes it; None takes where it was trained from."""

    folder: Path
    checkpoint: str = "last"
    device: str = "auto"
    data_dir: Path | None = None

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    def model(self, precision: torch.dtype | None = None) -> Model:
        return open_model(self.folder, self.checkpoint, self.device, precision)

    def shown(self) -> ConditionOrder | None:
        told = opened(self).condition
        return None if told is None else ConditionOrder(self.images("train"), told)

    def images(self, split: str) -> Source:
        return images(opened(self), split, self.data_dir)


@dataclass(frozen=True)
class Exact:
    """Gaussian images of 8×8 pixels and a network that knows them: every score of theirs can be foretold."""

    prediction: settings.Prediction = "v"
    count: int = 20_000

    @property
    def name(self) -> str:
        return f"gaussian-{self.prediction}"

    def model(self) -> Model:
        process = settings.Process(schedule="continuous-cosine", prediction=self.prediction)
        run = settings.RunSettings("gaussian", settings.Data("gaussian"), process=process)
        schedule = build.schedule(process)
        prediction = build.prediction(process)
        net = _KnowsAll(schedule, prediction)
        digest = hashlib.sha256(repr((self, _mean().tolist(), _std().tolist())).encode()).hexdigest()
        denoiser = Denoiser(net, prediction)
        return Model(Path(self.name), "last", digest, run, (1, 8, 8), {}, denoiser, schedule, torch.device("cpu"))

    def shown(self) -> None:
        return None

    def images(self, split: str) -> Source:
        generator = torch.Generator().manual_seed(0 if split == "train" else 1)
        x = _mean() + _std() * torch.randn(self.count, 1, 8, 8, generator=generator)
        return Images("gaussian", split, to_uint8(x))


class _KnowsAll(nn.Module):
    """The network that every training on these images tends to."""

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
def shown(subject: Subject) -> ConditionOrder | None:
    """What the subject's images are asked to show, read once in each process."""
    return subject.shown()


@cache
def opened(subject: Subject) -> Model:
    """The subject's model, opened once in each process."""
    return subject.model()


@dataclass(frozen=True)
class Measure:
    """How the images of a subject are scored; a yardstick is made of it in each process."""

    subject: Subject
    scoring: settings.Scoring

    @property
    def n(self) -> int:
        """Images in a draw, once `ready` has said how many."""
        assert self.scoring.n is not None
        return self.scoring.n


_references: dict[Measure, Reference] = {}


def reference(measure: Measure, tick: OnStep = lambda step, steps: None) -> Reference:
    """The yardstick of a measure whose n is settled, made once in each process; `tick` if that takes a training."""
    if measure not in _references:
        _references[measure] = _reference(measure, tick)
    return _references[measure]


def _reference(measure: Measure, tick: OnStep) -> Reference:
    subject, scoring = measure.subject, measure.scoring
    train = subject.images("train")
    source = train if scoring.split == "train" else subject.images(scoring.split)
    wanted = scoring.features
    reader: Classifier | None = None
    features: Features
    if wanted == "classifier" or (train.labels is not None and len(train.classes) > 1):
        reader = classifier(train, subject.images("test"), tick)
    features = reader or Pixels()
    if wanted not in ("auto", "classifier"):
        features = choices.call(
            choices.FEATURES.load(wanted), train=train, test=subject.images("test"), device=opened(subject).device,
            data_dir=getattr(subject, "data_dir", None), tick=tick,
        )  # fmt: skip
        choices.expect(features, f"the features {wanted}", "name", "digest", "__call__")
    return Reference(source, measure.n, features, reader)


def forget() -> None:
    """Lets go of all that was opened in this process, for runs that were trained further since."""
    opened.cache_clear()
    shown.cache_clear()
    _references.clear()


def ready(measure: Measure, default_n: int, tick: OnStep) -> Measure:
    """The measure with its n settled and its features at hand: what may take a minute is done here.

    Raises UsageError where the data set is too small or has no labels for what is asked.
    """
    available = len(measure.subject.images(measure.scoring.split))
    n = measure.scoring.n or min(default_n, available // (DRAWS + 1))
    check_n(n, available, f"{measure.subject.name}'s {measure.scoring.split} images")
    settled = Measure(measure.subject, replace(measure.scoring, n=n))
    reference(settled, tick)
    return settled
