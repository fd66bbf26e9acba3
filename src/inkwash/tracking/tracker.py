"""What a tracker is, and how the trackers of a training are made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from inkwash import own
from inkwash.choices import TRACKERS, call, expect
from inkwash.errors import UsageError

Row = Mapping[str, Any]  # "step", and those of NAMES that are known
NAMES = ("loss", "held_out", "lr", "images_seen", "seconds", "images_per_second")


@dataclass(frozen=True)
class SoFar:
    """What is known of a training when a tracker begins."""

    folder: Path  # of the run
    settings: Mapping[str, Any]  # the run's, as nested dictionaries
    rows: Sequence[Row]  # all reports up to the step that the training goes on from, in order
    sheets: Mapping[int, Path]  # the sheets of --preview-every, by step


class Tracker(Protocol):
    """Writes the reports of one training somewhere. Made by a call without arguments; only the main process begins it.

    An error that a method raises ends the tracking, and not the training.
    """

    def begin(self, so_far: SoFar) -> None:
        """Writes all that is known already, in place of what an earlier training of the same folder wrote.

        A training that was killed has reports of later steps, which come again. So a log that is written anew here has
        each step once.
        """

    def log(self, row: Row) -> None:
        """Writes one report. Steps increase."""

    def sheet(self, step: int, path: Path) -> None:
        """Writes a sheet of samples, a PNG."""

    def close(self) -> None:
        """Ends the log; also called after an error of another method."""


def values(row: Row) -> dict[str, Any]:
    """The numbers of a report that are known, by those of NAMES."""
    return {name: row[name] for name in NAMES if name in row}


def in_order(tracker: Tracker, so_far: SoFar) -> None:
    """Logs all that is known already, by step."""
    reports: list[tuple[int, Any]] = [(row["step"], row) for row in so_far.rows]
    for step, what in sorted([*reports, *so_far.sheets.items()], key=lambda pair: pair[0]):
        if isinstance(what, Path):
            tracker.sheet(step, what)
        else:
            tracker.log(what)


def opened(names: Sequence[str]) -> dict[str, Tracker]:
    """The trackers of these names or references. Nothing is written yet.

    Raises UsageError if a library is missing, or an object is no tracker.
    """
    return {name: _opened(name) for name in names}


def _opened(name: str) -> Tracker:
    try:
        made: Tracker = call(TRACKERS.load(name))
    except ModuleNotFoundError as error:
        if own.is_reference(name) or error.name is None:
            raise
        package = error.name.partition(".")[0]
        raise UsageError(
            f"`track={name!r}` needs the package {package}; install it with: pip install {package}"
        ) from error
    expect(made, f"the tracker {name}", "begin", "log", "sheet", "close")
    return made
