"""The kinds of conditions, one per file."""

from collections.abc import Sequence

from inkwash import choices
from inkwash.runs.conditions.kind import ConditionKind, ConditionOf
from inkwash.settings import RunSettings

__all__ = ["ConditionKind", "ConditionOf", "condition"]


def condition(run: RunSettings, classes: Sequence[str], counts: Sequence[int] = ()) -> ConditionKind | None:
    """The kind of condition of a run, or None. `counts` is the number of training images of each class, if known.

    Raises UsageError if the data set does not support the condition.
    """
    name = run.conditioning.condition
    found = choices.CONDITIONS.load(name)
    choices.expect(found, f"the condition {name}", "of", "describe")
    kind: ConditionKind | None = choices.call(found.of, run=run, classes=classes, counts=counts)
    if kind is not None:
        members = ("example", "digest", "embedder", "shown", "is_requested", "requested")
        choices.expect(kind, f"the condition {name}", *members)
    return kind
