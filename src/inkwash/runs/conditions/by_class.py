"""Images asked for by their class."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Self

import torch

from inkwash import settings
from inkwash.data import ConditionLookup, Source
from inkwash.errors import UsageError
from inkwash.nets import Embedder, OneHot
from inkwash.runs.conditions.kind import ConditionOf


class ByClass:
    """Labels 0..K−1. A request for nothing in particular is for all classes in turn."""

    example = "`label`"
    digest = ""

    def __init__(self, classes: tuple[str, ...]) -> None:
        self.classes = classes

    @classmethod
    def of(cls, run: settings.RunSettings, classes: Sequence[str]) -> Self:
        if len(classes) < 2:
            raise UsageError(
                f"{run.data.source} has {'one class' if classes else 'no classes'}, so none can be asked for; "
                "leave out `condition='class'`, or put the images into one folder a class."
            )
        return cls(tuple(classes))

    @classmethod
    def describe(cls, conditioning: settings.Conditioning, classes: Sequence[str]) -> str:
        return f"one of {len(classes)} classes"

    def embedder(self) -> Embedder:
        return OneHot(len(self.classes))

    def shown(self, source: Source) -> ConditionLookup:
        labels = source.labels
        if labels is None:
            raise UsageError(f"{source.name} has no labels; leave out `condition='class'`.")
        labels = labels.cpu()
        return lambda indices, step: labels[indices]

    def is_requested(self, sampling: settings.Sampling) -> bool:
        return True

    def requested(self, sampling: settings.Sampling) -> ConditionOf:
        if sampling.text is not None:
            raise UsageError(
                f"this run knows classes, not text; ask with `label` for one of {', '.join(self.classes)}."
            )
        if sampling.label in (None, "all"):
            return lambda indices: torch.tensor([i % len(self.classes) for i in indices])
        label = class_index(sampling.label, self.classes)
        return lambda indices: torch.full((len(indices),), label)


def class_index(label: str, classes: Sequence[str]) -> int:
    """The class of that name or number. Raises UsageError, with the nearest name, where there is none."""
    if label in classes:
        return tuple(classes).index(label)
    names = [name.casefold() for name in classes]
    if label.casefold() in names:
        return names.index(label.casefold())
    if label.isdecimal() and len(label) < 10 and int(label) < len(classes):
        return int(label)
    near = get_close_matches(label.casefold(), names, n=1)
    hint = f" Did you mean {classes[names.index(near[0])]}?" if near else ""
    raise UsageError(f"there is no class {label!r}.{hint} The classes are {', '.join(classes)}, or all.")
