"""metrics.jsonl in the folder of a run: one JSON object a line for each report of the training."""

import contextlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from inkwash.atomic import replacing
from inkwash.data.regular import open_regular
from inkwash.errors import InkwashError
from inkwash.training.progress import Saved, Step

METRICS = "metrics.jsonl"
UNKNOWN = 1_000_000_000  # steps of a training that is limited by time, until they are chosen


class Metrics:
    """Appends reports to the file, in the order of their steps, each step once.

    A training that was killed has reports of steps after its last checkpoint, and perhaps half a line. When it is
    resumed at `step`, these are removed, and reports that the file lacks are made from the histories in the checkpoint:
    (step, loss) in training, and (step, held-out loss).
    """

    def __init__(
        self,
        folder: Path,
        step: int,
        history: list[tuple[int, float]],
        held_out: list[tuple[int, float]],
        follow: Callable[[dict[str, Any]], None] = lambda row: None,
    ) -> None:
        self._folder, self._begun, self._follow = folder, False, follow
        self._step, self._history, self._held_out = step, tuple(history), tuple(held_out)

    def add(self, step: int, report: Step | None = None, saved: Saved | None = None) -> None:
        """Appends a report. A full disk does not end the training here: it does where the checkpoint is written."""
        row: dict[str, Any] = {"step": step}
        if report is not None:
            row |= {name: value for name, value in vars(report).items() if value is not None}
        if saved is not None:
            row["held_out"] = saved.held_out
        self._follow(row)
        with contextlib.suppress(OSError, InkwashError):
            if not self._begun:
                self._begin()
            with (self._folder / METRICS).open("a", encoding="utf-8") as file:
                file.write(f"{json.dumps(row)}\n")

    def _begin(self) -> None:
        rows = so_far(self._folder, self._step, self._history, self._held_out)
        with replacing(self._folder / METRICS) as temporary:
            temporary.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
        self._begun = True


def so_far(
    folder: Path, step: int, history: Iterable[tuple[int, float]], held_out: Iterable[tuple[int, float]]
) -> list[dict[str, Any]]:
    """The reports of a training up to a step, each step once: those in the file, and others made from the histories."""
    rows: dict[int, dict[str, Any]] = {}
    for name, pairs in (("loss", history), ("held_out", held_out)):
        for at, value in pairs:
            rows.setdefault(at, {"step": at})[name] = value
    for row in reports(folder) if step else ():
        if row["step"] <= step:
            rows[row["step"]] = {**rows.get(row["step"], {}), **row}
    return [rows[at] for at in sorted(rows)]


def reports(folder: Path) -> list[dict[str, Any]]:
    """The complete reports in the folder of a run, which another process may be writing; [] if there are none."""
    try:
        with open_regular(folder / METRICS) as file:
            lines = file.read().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        with contextlib.suppress(ValueError, RecursionError):
            row = json.loads(line)
            if isinstance(row, dict) and isinstance(row.get("step"), int):
                found.append(row)
    return found
