"""Classes of images whose labels stand beside them, as numbers or as names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from inkwash.data.collect import Asked, Entry
from inkwash.errors import UsageError

_CLASSES = 1_000_000  # at most


def named_classes(
    path: Path,
    entries: Sequence[Entry],
    labels: Sequence[str | int | None],
    asked: Asked,
    names: tuple[str, ...] = (),
) -> tuple[list[Entry], tuple[str, ...] | None]:
    """The entries with the names of their classes, and all names in the order of their numbers.

    Numbers name themselves, unless `names` has their names; texts are sorted. Entries without a label where others have
    one are left out if `asked.unreadable` is "skip". Raises UsageError for these otherwise, for numbers that are out of
    range, and for captions that only some of the images have.
    """
    if entries and any(entry.captions for entry in entries) and not all(entry.captions for entry in entries):
        without = [entry for entry in entries if not entry.captions]
        if asked.unreadable == "refuse":
            raise _lacking(path, without, len(entries), "caption")
        pairs = [(entry, label) for entry, label in zip(entries, labels, strict=True) if entry.captions]
        entries, labels = [entry for entry, _ in pairs], [label for _, label in pairs]
    if all(label is None for label in labels):
        return list(entries), ()
    without = [entry for entry, label in zip(entries, labels, strict=True) if label is None]
    if without and asked.unreadable == "refuse":
        raise _lacking(path, without, len(entries), "label")
    kept = [(entry, label) for entry, label in zip(entries, labels, strict=True) if label is not None]
    numbers = [label for _, label in kept if isinstance(label, int)]
    if len(numbers) < len(kept):
        words = [entry._replace(kind=str(label)) for entry, label in kept]
        return words, tuple(sorted({entry.kind for entry in words}))
    if min(numbers) < 0 or max(numbers) >= (len(names) or _CLASSES):
        most = (len(names) or _CLASSES) - 1
        raise UsageError(f"{path} has labels from {min(numbers)} to {max(numbers)}, where 0 to {most:,} were expected.")
    known = names or tuple(map(str, range(max(numbers) + 1)))
    if len(set(known)) < len(known):
        raise UsageError(f"{path} names two classes alike.")
    return [entry._replace(kind=known[number]) for (entry, _), number in zip(kept, numbers, strict=True)], known


def _lacking(path: Path, without: Sequence[Entry], count: int, what: str) -> UsageError:
    return UsageError(
        f"{path}: {len(without)} of {count} images have no {what} where others have one, such as {without[0].file}. "
        "Leave them out with `unreadable='skip'`."
    )
