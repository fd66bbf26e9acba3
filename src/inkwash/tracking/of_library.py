"""Trackers that log into a run of a library with the interface of wandb."""

from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from inkwash.tracking.tracker import Row, values

PROJECT = "inkwash"


class OfLibrary:
    """Logs reports and sheets by step. The library is imported when a tracker is made; a subclass begins its run."""

    name: ClassVar[str]  # of the library's module

    def __init__(self) -> None:
        self._library = import_module(self.name)
        self._run: Any = None

    def log(self, row: Row) -> None:
        """Logs a report."""
        self._run.log(values(row), step=row["step"])

    def sheet(self, step: int, path: Path) -> None:
        """Logs a sheet."""
        self._run.log({"previews": self._library.Image(str(path))}, step=step)

    def close(self) -> None:
        """Writes what is left to write."""
        if self._run is not None:
            self._run.finish()
