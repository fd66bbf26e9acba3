"""What a run's images are asked for by, one kind a file."""

from collections.abc import Sequence

from inkwash import choices
from inkwash.runs.conditions.kind import ConditionKind, ConditionOf
from inkwash.settings import RunSettings

__all__ = ["ConditionKind", "ConditionOf", "condition"]


def condition(run: RunSettings, classes: Sequence[str], counts: Sequence[int] = ()) -> ConditionKind | None:
    """The run's kind of condition; None for none. `counts` are the classes' images in training, where known.

    Raises UsageError where it cannot be had.
    """
    name = run.conditioning.condition
    found = choices.CONDITIONS.load(name)
    choices.expect(found, f"the condition {name}", "of", "describe")
    kind: ConditionKind | None = choices.call(found.of, run=run, classes=classes, counts=counts)
    if kind is not None:
        members = ("example", "digest", "embedder", "shown", "is_requested", "requested")
        choices.expect(kind, f"the condition {name}", *members)
    return kind
