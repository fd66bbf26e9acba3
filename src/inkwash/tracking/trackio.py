"""The reports of a training for trackio, in its folder of this machine."""

import hashlib
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import trackio

from inkwash.tracking.tracker import NAMES, Row, SoFar, in_order

PROJECT = "inkwash"


def name_of(folder: Path) -> str:
    """The name of a run there: that of its folder, and six digits of its path, since others may be called the same."""
    place = folder.resolve()
    return f"{place.name}-{hashlib.sha256(str(place).encode()).hexdigest()[:6]}"


class Trackio:
    """Writes a run of the project inkwash. Nothing is sent; `trackio show --project inkwash` shows it."""

    _run: Any = None

    def begin(self, so_far: SoFar) -> None:
        """Removes the run that an earlier training of the folder logged, and logs all reports anew."""
        name = name_of(so_far.folder)
        with redirect_stdout(sys.stderr):  # it prints, and standard output is for results
            trackio.SQLiteStorage.delete_run(PROJECT, name)
            self._run = trackio.init(
                project=PROJECT, name=name, config=dict(so_far.settings), resume="never", embed=False,
                auto_log_gpu=False, auto_log_cpu=False,
            )  # fmt: skip
        in_order(self, so_far)

    def log(self, row: Row) -> None:
        """Logs a report."""
        self._run.log({name: row[name] for name in NAMES if name in row}, step=row["step"])

    def sheet(self, step: int, path: Path) -> None:
        """Logs a sheet."""
        self._run.log({"previews": trackio.Image(str(path))}, step=step)

    def close(self) -> None:
        """Writes what is left to write."""
        if self._run is not None:
            with redirect_stdout(sys.stderr):
                self._run.finish()
