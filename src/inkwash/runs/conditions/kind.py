"""What a kind of condition is: how images of a run are asked for, and how that is said."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Protocol, Self

from torch import Tensor

from inkwash import settings
from inkwash.data import ConditionLookup, Source
from inkwash.nets import Embedder

ConditionOf = Callable[[Sequence[int]], Tensor | None]  # images i, … of a request -> their conditions


class ConditionKind(Protocol):
    """A kind of condition: settings become rows for an embedder. Another kind is one file, and a row of `choices`."""

    example: ClassVar[str]  # of how a request says what to draw
    digest: str  # of what rows depend on besides the run; "" for nothing

    @classmethod
    def of(cls, run: settings.RunSettings, classes: Sequence[str]) -> Self | None:
        """That of a run whose data set has these classes. Raises UsageError where it cannot have it."""

    @classmethod
    def describe(cls, conditioning: settings.Conditioning, classes: Sequence[str]) -> str:
        """In words, for `inkwash info`; loads nothing."""

    def embedder(self) -> Embedder:
        """A freshly initialised embedder of the rows below."""

    def shown(self, source: Source) -> ConditionLookup:
        """What the images of a source show: (indices [b], step) -> rows [b,…]. Raises UsageError if unknown."""

    def is_requested(self, sampling: settings.Sampling) -> bool:
        """Whether a request says what each of its images is to show."""

    def requested(self, sampling: settings.Sampling) -> ConditionOf:
        """What the images of a request are to show: indices of n images -> rows [n,…], or None for anything.

        Raises UsageError for what this kind cannot be asked.
        """


class Unconditional:
    """The kind of a run without conditions, of which there is no object."""

    @classmethod
    def of(cls, run: settings.RunSettings, classes: Sequence[str]) -> None:
        return None

    @classmethod
    def describe(cls, conditioning: settings.Conditioning, classes: Sequence[str]) -> str:
        return "none"
