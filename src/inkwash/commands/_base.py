"""What a command is, and the arguments that several commands share."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import tyro

from inkwash.checked import Reference

RUNS = Path("runs")  # where runs, studies and races go when --out does not say

RunFolder = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN", help="Folder of the run.")]
Checkpoint = Annotated[Literal["last", "best"], tyro.conf.arg(help="Which checkpoint.")]
Device = Annotated[Literal["auto", "cpu", "cuda", "mps"], tyro.conf.arg(help="Where to compute.")]
Jobs = Annotated[
    int | None, tyro.conf.arg(help="Processes; None takes one for each processor core, or one on a GPU.")
]  # fmt: skip
DataDir = Annotated[
    Path | None, tyro.conf.arg(help="Folder of the data sets; None takes $INKWASH_DATA, else a cache folder.")
]
DataDirOfRun = Annotated[
    Path | None, tyro.conf.arg(help="Folder of the data sets; None takes where the run was trained from.")
]
Code = Annotated[
    tyro.conf.UseAppendAction[tuple[Reference, ...]],
    tyro.conf.arg(metavar="FILE.py:NAME", help="Code of your own that may run, where a run needs it; may repeat."),
]


class Command:
    """A command of `inkwash`: a frozen dataclass of its arguments, and what it does with them.

    The command line reads the class's docstring and the lines under its fields as help.
    """

    order: ClassVar[int] = 1000
    """Place in `inkwash --help`; commands of the same order stand by name."""
    resume_flags: ClassVar[tuple[str, ...]] = ()
    """Flags to add to the same command line to go on after an interruption."""

    def run(self) -> None:
        """Does it: results go to standard output, all else to standard error.

        Raises InkwashError where that fails, and UsageError, a kind of it, where the arguments are wrong.
        """
        raise NotImplementedError


class PresetCommand(Command):
    """A command whose first word names the defaults of its flags, as the recipe in `inkwash train RECIPE`."""

    @classmethod
    def presets(cls) -> Mapping[str, Self]:
        """Names and what they stand for, for help and shell completion."""
        raise NotImplementedError

    @classmethod
    def preset(cls, name: str | None) -> Self:
        """The defaults by that name; None where no name was given. Raises UsageError where there are none."""
        raise NotImplementedError

    def summary(self) -> str:
        """One line on these defaults."""
        raise NotImplementedError

    def description(self) -> str:
        """More on these defaults."""
        raise NotImplementedError

    def reread(self) -> Self | None:
        """The defaults to read the same flags against once more, where these ask for other ones than the preset's."""
        return None


def notice(words: str) -> None:
    """Prints a line that is not a result: to standard error, and under torchrun by one process only."""
    from inkwash.distributed import is_main_process

    if is_main_process():
        print(words, file=sys.stderr)
