"""inkwash check."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from inkwash.commands._base import Command
from inkwash.errors import UsageError
from inkwash.foreign import show


@dataclass(frozen=True)
class Check(Command):
    """Check your own scheduler, solver or loss against closed forms, and name the likely mistakes."""

    order: ClassVar[int] = 115

    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FILE.py")]
    """Python file with a scheduler, a solver, a loss, guidance or a flow. Its code is run."""
    names: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(name="as", metavar="NAME=METHOD")] = ()
    """The name that your file uses for a function, as in add_noise=noisify; repeatable."""
    json: Path | None = None
    """JSON file to write the findings to; - prints them instead of the table."""
    seconds: float = 60.0
    """Time limit of the page."""
    memory: int = 2048
    """Memory limit of the page in megabytes, beyond what torch needs."""

    def run(self) -> None:
        """Prints a table. Exits with 0 if all that is found is right, and with 1 if not."""
        from inkwash.check.finding import passed
        from inkwash.check.guard import Limits, check_file
        from inkwash.check.table import as_json, lines

        if self.seconds <= 0 or self.memory < 1:
            raise UsageError("`seconds` and `memory` must be over 0.")
        named: dict[str, str] = {}
        for word in self.names:
            name, _, method = word.partition("=")
            if not (name and method):
                raise UsageError(f"`as` takes NAME=METHOD, as in add_noise=noisify (got {word!r}).")
            named[name] = method
        findings = check_file(self.file, named, Limits(self.seconds, self.memory))
        if self.json == Path("-"):
            for line in as_json(self.file, findings).rstrip("\n").split("\n"):
                show(line)
        else:
            for line in lines(findings):
                show(line)
            if self.json is not None:
                from inkwash.atomic import replacing

                with replacing(self.json) as fresh:
                    fresh.write_text(as_json(self.file, findings), encoding="utf-8")
        if not passed(findings):
            sys.exit(1)
