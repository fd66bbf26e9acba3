"""What a run's images are asked for by, one kind a file."""

from collections.abc import Sequence

from inkwash import choices
from inkwash.runs.conditions.kind import ConditionKind, ConditionOf
from inkwash.settings import RunSettings

__all__ = ["ConditionKind", "ConditionOf", "condition"]


def condition(run: RunSettings, classes: Sequence[str]) -> ConditionKind | None:
    """The run's kind of condition; None for none. Raises UsageError where it cannot be had."""
    kind: ConditionKind | None = choices.CONDITIONS.load(run.conditioning.condition).of(run, classes)
    return kind
