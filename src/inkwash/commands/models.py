"""inkwash models."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from inkwash import models
from inkwash.commands._base import RUNS, Command
from inkwash.errors import InkwashError
from inkwash.foreign import say, show


@dataclass(frozen=True)
class Models(Command):
    """List the models that can be drawn from: those in the box, and the runs in a folder."""

    order: ClassVar[int] = 85

    folder: Path = RUNS
    """Folder whose subfolders are listed if they are runs."""

    def run(self) -> None:
        """One line each: what to type as RUN, and what it is. A damaged run is named on standard error."""
        from inkwash.runs.info import one_line

        rows = []
        for name, folder in self._found():
            try:
                rows.append((name, one_line(folder)))
            except InkwashError as error:
                say(f"{name}: {error}")
        width = max((len(name) for name, _ in rows), default=0)
        for name, words in rows:
            show(f"{name:{width}}  {words}")

    def _found(self) -> Iterator[tuple[str, Path]]:
        yield from ((name, models.folder(name)) for name in models.names())
        if self.folder.is_dir():
            for file in sorted(self.folder.glob("*/last.safetensors")):
                yield str(file.parent), file.parent
