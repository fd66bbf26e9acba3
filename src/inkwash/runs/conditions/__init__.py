"""The kinds of conditions, one per file."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from inkwash import choices
from inkwash.errors import UsageError
from inkwash.runs.conditions.kind import ConditionKind, ConditionOf, ReadsMeasurements
from inkwash.settings import RunSettings

__all__ = ["ConditionKind", "ConditionOf", "ReadsMeasurements", "condition", "rests_on"]


def condition(
    run: RunSettings,
    classes: Sequence[str],
    counts: Sequence[int] = (),
    texts: Mapping[str, Tensor] | None = None,
    shape: Sequence[int] | None = None,
) -> ConditionKind | None:
    """The kind of condition of a run, or None.

    `counts` is the number of training images of each class, if known; `texts` are the tensors of the table of texts
    that the run keeps, if it keeps one; `shape` is (C, H, W) of the images, which a condition of images needs.

    Raises UsageError if the data set does not support the condition, and KeyError or ValueError if `texts` is no such
    table.
    """
    name = run.conditioning.condition
    found = choices.CONDITIONS.load(name)
    choices.expect(found, f"the condition {name}", "of", "describe")
    measured = run.conditioning.operator is not None or run.conditioning.noise
    if measured and not getattr(found, "measures", False):
        raise UsageError(
            f"`operator` and `noise` say what images go through, which `condition={name!r}` does not read; add "
            "`condition='image'`, or leave them out."
        )
    known = {} if shape is None else {"shape": tuple(shape)}
    kind: ConditionKind | None = choices.call(found.of, run=run, classes=classes, counts=counts, texts=texts, **known)
    if kind is not None:
        members = ("example", "digest", "embedder", "shown", "is_requested", "requested")
        choices.expect(kind, f"the condition {name}", *members)
    return kind


def rests_on(kind: ConditionKind | None, run: RunSettings) -> str:
    """What the rows of a condition rest on, as messages say it where the digest of a run is another."""
    words: str = getattr(kind, "changed", f"texts read by another {run.conditioning.encoder}")
    return words
