"""inkwash info."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from inkwash.commands._base import Command, RunFolder


@dataclass(frozen=True)
class Info(Command):
    """Tell what a run is: what was trained, on what, how far, how big, how good."""

    order: ClassVar[int] = 80

    folder: RunFolder
    out: Path | None = None
    """A PNG to draw the losses into."""

    def run(self) -> None:
        from inkwash.commands._flags import in_flags
        from inkwash.commands.train import Train
        from inkwash.runs.info import draw_losses, run_facts

        for name, value in run_facts(self.folder):
            print(f"{name:12} {in_flags(value, Train)}")
        if self.out is not None:
            draw_losses(self.folder, self.out)
            print(self.out)
