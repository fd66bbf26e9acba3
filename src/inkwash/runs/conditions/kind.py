"""The interface of a kind of condition."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Protocol, Self, runtime_checkable

from torch import Tensor

from inkwash import settings
from inkwash.data import ConditionLookup, Source
from inkwash.inverse import Measurement, Operator
from inkwash.nets import Embedder

ConditionOf = Callable[[Sequence[int]], Tensor | None]  # images i, … of a request -> their conditions


class ConditionKind(Protocol):
    """The interface of conditions, which convert settings to rows for an embedder. Add a kind as a file and a row of
    `choices`.

    A kind may also have `examples(source, n)`, which returns the fields of a `Sampling` that ask for n images of what
    the training images show; previews of a training use it. `scale` replaces the run's default guidance, and `asked_of`
    ("train" or "test") says which images' conditions studies ask for. `changed` says in a message what rows rest on.
    """

    example: ClassVar[str]  # of how a request says what to draw

    @property
    def digest(self) -> str:
        """Of what rows depend on besides the run; "" for nothing."""

    @classmethod
    def of(cls, run: settings.RunSettings, classes: Sequence[str]) -> Self | None:
        """Creates the condition of a run whose data set has these classes. Raises UsageError if that is impossible."""

    @classmethod
    def describe(cls, conditioning: settings.Conditioning, classes: Sequence[str]) -> str:
        """A description for `inkwash info`. Loads nothing."""

    def embedder(self) -> Embedder:
        """Returns a newly initialised embedder of the rows."""

    def shown(self, source: Source) -> ConditionLookup:
        """The conditions of the images of a source: (indices [b], step) -> rows [b,…]. Raises UsageError if unknown."""

    def is_requested(self, sampling: settings.Sampling) -> bool:
        """Whether a request specifies a condition for each of its images."""

    def requested(self, sampling: settings.Sampling) -> ConditionOf:
        """The conditions of the images of a request: indices of n images -> rows [n,…], or None if unconditional.

        Raises UsageError for a request that this kind does not support.
        """


@runtime_checkable
class ReadsMeasurements(ConditionKind, Protocol):
    """A kind whose rows are measurements: its runs restore pictures, and `restores_with` is their method by default."""

    measures: ClassVar[bool]
    restores_with: ClassVar[str]
    spec: str  # the operator, as flags have it
    operator: Operator
    noise: float  # standard deviation

    def row(self, measured: Measurement) -> Tensor:
        """The embedder's input for a measurement, [B,…]."""


class Unconditional:
    """The kind of a run without conditions. It has no instances."""

    @classmethod
    def of(cls, run: settings.RunSettings, classes: Sequence[str]) -> None:
        return None

    @classmethod
    def describe(cls, conditioning: settings.Conditioning, classes: Sequence[str]) -> str:
        return "none"
