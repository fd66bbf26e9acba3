"""Class conditions."""

import re
import unicodedata
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, Self

import torch

from inkwash import settings
from inkwash.data import ConditionLookup, Source
from inkwash.data.listing import some
from inkwash.errors import UsageError
from inkwash.foreign import harmless
from inkwash.nets import Embedder, OneHot
from inkwash.runs.conditions.kind import ConditionOf


class ByClass:
    """Labels 0..K−1. A request without a label draws all classes in turn.

    `counts` is the number of training images of each class, if known. Classes without images are not drawn.
    """

    example = "`label`"
    digest = ""

    def __init__(self, classes: tuple[str, ...], counts: Sequence[int] = ()) -> None:
        self.classes = classes
        self.learned = tuple(i for i in range(len(classes)) if not counts or counts[i])  # the labels to ask for

    @classmethod
    def of(cls, run: settings.RunSettings, classes: Sequence[str], counts: Sequence[int] = ()) -> Self:
        if len(classes) < 2:
            raise UsageError(
                f"{run.data.source} has {'one class' if classes else 'no classes'}, so none can be asked for; "
                "leave out `condition='class'`, or put the images into one folder a class."
            )
        return cls(tuple(classes), counts)

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

    def examples(self, source: Source, n: int) -> dict[str, Any]:
        """All classes in turn: as many of each, if there are no more classes than images."""
        k = len(self.learned)
        return {"label": "all", "n": n if n < k else -(-n // k) * k}

    def is_requested(self, sampling: settings.Sampling) -> bool:
        return True

    def requested(self, sampling: settings.Sampling) -> ConditionOf:
        if sampling.text:
            raise UsageError(f"this run knows classes, not text; ask with `label` for one of {_names(self.classes)}.")
        label = requested_class(sampling.label, self.classes)
        if label is None:
            return lambda indices: torch.tensor([self.learned[i % len(self.learned)] for i in indices])
        if label not in self.learned:
            raise UsageError(
                f"no image of class {harmless(self.classes[label])} was trained on, so it cannot be asked for; ask for "
                f"one of {_names([self.classes[i] for i in self.learned])}."
            )
        return lambda indices: torch.full((len(indices),), label)


def requested_class(label: str | None, classes: Sequence[str]) -> int | None:
    """The class that --label selects; None for each class in turn, as for "all", or "None" if no class has that name.

    Raises UsageError as `class_index` does.
    """
    if label is None or label == "all" or (label == "None" and label not in classes):
        return None
    return class_index(label, classes)


def class_index(label: str, classes: Sequence[str]) -> int:
    """The index of a class given by name or by number 0..K−1; class:NAME is always a name, number:N always a number.

    Names are compared without regard to case and Unicode form. If a name looks like a number, 1 is the class called 1
    or 01. If names begin or end with numbers, such as 001.Albatross, plain numbers are refused as ambiguous.

    Raises UsageError, with the closest name, if there is no such class.
    """
    if label in classes:
        return tuple(classes).index(label)
    kind, colon, rest = label.partition(":")
    if colon and kind in ("class", "number"):
        found = _named(rest, classes) if kind == "class" else _numbered(rest, classes)
    else:
        found = _named(label, classes)
        if found is None and (number := _number(label)) is not None:
            values = [_number(name) for name in classes]
            if values.count(number) == 1:
                found = values.index(number)
            elif number < len(classes) and any(_NUMBERED.search(name) for name in classes):
                raise UsageError(
                    f"there is no class {label!r}, and as names here hold numbers, a number alone could be a name or a "
                    f"place. Give a name, or the place as number:{label}, counted from 0. The classes are "
                    f"{_names(classes)}, or all."
                )
            else:
                found = _numbered(label, classes)
    if found is not None:
        return found
    forms = [_form(name) for name in classes]
    near = get_close_matches(_form(rest if colon else label), forms, n=1)
    hint = f" Did you mean {harmless(classes[forms.index(near[0])])}?" if near else ""
    raise UsageError(f"there is no class {label!r}.{hint} The classes are {_names(classes)}, or all.")


_NUMBERED = re.compile(r"^\W*\d|\d\W*$")
_MOST = 100  # names in a sentence


def _form(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _named(label: str, classes: Sequence[str]) -> int | None:
    """The class with exactly this name, or else the only one that equals it up to case and Unicode form."""
    if label in classes:
        return tuple(classes).index(label)
    same = [i for i, name in enumerate(classes) if _form(name) == _form(label)]
    exact = [i for i in same if unicodedata.normalize("NFC", classes[i]) == unicodedata.normalize("NFC", label)]
    if len(same) > 1 and len(exact) != 1:
        raise UsageError(
            f"{label!r} could be any of the classes {_names([classes[i] for i in same])}; write it as one of these."
        )
    return next(iter(exact or same), None)


def _numbered(label: str, classes: Sequence[str]) -> int | None:
    place = _number(label)
    return place if place is not None and place < len(classes) else None


def _number(word: str) -> int | None:
    return int(word) if word.isdecimal() and len(word) < 10 else None


def _names(classes: Sequence[str]) -> str:
    return some(classes, _MOST)
