"""What a run's images are asked for by: their classes or their captions. Settings become rows for an embedder."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Protocol

import torch
from torch import Tensor

from inkwash import settings
from inkwash.core import mix
from inkwash.data import ConditionLookup, Source
from inkwash.errors import UsageError
from inkwash.nets import Embedder, OneHot

ConditionOf = Callable[[Sequence[int]], Tensor | None]  # what images i, … of a request are asked to show


class ConditionKind(Protocol):
    """A kind of condition. Another kind is another class like this, and a line in `condition`."""

    digest: str  # of what rows depend on besides the run; "" for nothing

    def embedder(self) -> Embedder:
        """A freshly initialised embedder of the rows below."""

    def shown(self, source: Source) -> ConditionLookup:
        """What the images of a source show: (indices [b], step) -> rows [b,…]. Raises UsageError if unknown."""

    def wanted(self, sampling: settings.Sampling) -> ConditionOf:
        """What the user asks for: indices of n images -> rows [n,…], or None for nothing in particular.

        Raises UsageError for what this kind cannot be asked.
        """


def condition(run: settings.Run, classes: Sequence[str]) -> ConditionKind | None:
    """The run's kind of condition; None for none. Raises UsageError where it cannot be had."""
    match run.conditioning.condition:
        case "class":
            if len(classes) < 2:
                raise UsageError(
                    f"{run.data.source} has {'one class' if classes else 'no classes'}, so none can be asked for; "
                    "leave out --condition class, or put the images into one folder a class."
                )
            return ByClass(tuple(classes))
        case "text":
            return ByText(run.conditioning.encoder)
        case _:
            return None


class ByClass:
    """Labels 0..K−1."""

    digest = ""

    def __init__(self, classes: tuple[str, ...]) -> None:
        self.classes = classes

    def embedder(self) -> Embedder:
        return OneHot(len(self.classes))

    def shown(self, source: Source) -> ConditionLookup:
        labels = source.labels
        if labels is None:
            raise UsageError(f"{source.name} has no labels; leave out --condition class.")
        labels = labels.cpu()
        return lambda indices, step: labels[indices]

    def wanted(self, sampling: settings.Sampling) -> ConditionOf:
        if sampling.text is not None:
            raise UsageError(
                f"this run knows classes, not text; ask with --label for one of {', '.join(self.classes)}."
            )
        if sampling.label in (None, "all"):
            return lambda indices: torch.tensor([i % len(self.classes) for i in indices])
        label = which(sampling.label, self.classes)
        return lambda indices: torch.full((len(indices),), label)


def which(label: str, classes: Sequence[str]) -> int:
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


class ByText:
    """Captions, as a text encoder reads them."""

    def __init__(self, encoder: str) -> None:
        from inkwash.text import find

        self.encoder = find(encoder)
        self.digest = self.encoder.digest

    def embedder(self) -> Embedder:
        return self.encoder.embedder()

    def shown(self, source: Source) -> ConditionLookup:
        from inkwash.text import embedded

        if not source.captions:
            raise UsageError(
                f"{source.name} has no captions; leave out --condition text, or put a captions.jsonl with lines such "
                'as {"file_name": "1.png", "text": "a red fox"} beside the images.'
            )
        texts = sorted({text for each in source.captions for text in each})
        rows, place = embedded(self.encoder, texts), {text: i for i, text in enumerate(texts)}
        most = max(len(each) for each in source.captions)
        table = torch.tensor([[place[each[i % len(each)]] for i in range(most)] for each in source.captions])
        counts = torch.tensor([len(each) for each in source.captions])

        def chosen(indices: Tensor, step: int) -> Tensor:
            """One of each image's wordings, by (image, step) alone."""
            salt = mix(step)
            turn = ((indices + salt) * 0x9E3779B1 % 2**32 >> 7) % counts[indices]
            return rows[table[indices, turn]]

        return chosen

    def wanted(self, sampling: settings.Sampling) -> ConditionOf:
        if sampling.label is not None:
            raise UsageError('this run knows text, not classes; ask with --text "what to draw".')
        if sampling.text is None:
            return lambda indices: None
        row = self.encoder([sampling.text])
        return lambda indices: row.expand(len(indices), *row.shape[1:])
