"""The base classes of commands, and the arguments that several commands share."""

from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import tyro
from tyro.constructors import PrimitiveConstructorSpec

from inkwash import models, own
from inkwash.checked import Reference
from inkwash.choices import Choices
from inkwash.errors import UsageError
from inkwash.foreign import say
from inkwash.settings import Sampler

RUNS = Path("runs")  # default parent folder of runs, studies and races

RUN = PrimitiveConstructorSpec[Path](  # the box is looked into when the arguments are parsed
    nargs=1,
    metavar="RUN",
    instance_from_str=lambda words: models.find(words[0]),
    is_instance=lambda value: value is None or isinstance(value, Path),
    str_from_instance=lambda path: [str(path)],
)
RunFolder = Annotated[
    Path,
    tyro.conf.Positional,
    RUN,
    tyro.conf.arg(metavar="RUN", help="Folder of the run, a model in the box, or hf://OWNER/NAME[@REVISION]."),
]
Checkpoint = Annotated[Literal["last", "best"], tyro.conf.arg(help="Checkpoint to open.")]
Weights = Annotated[
    Literal["ema", "raw"],
    tyro.conf.arg(help="Weights to draw with: their moving average, or those of the last step of training."),
]
Device = Annotated[Literal["auto", "cpu", "cuda", "mps"], tyro.conf.arg(help="Device to compute on.")]
Private = Annotated[
    bool, tyro.conf.arg(help="Leave everything out of the metadata of files that a replay can do without.")
]  # fmt: skip
Jobs = Annotated[
    int | None, tyro.conf.arg(help="Number of processes; None uses one per processor core, or a single one on a GPU.")
]  # fmt: skip
DataDir = Annotated[
    Path | None, tyro.conf.arg(help="Folder of the data sets; None uses $INKWASH_DATA, or else a cache folder.")
]
DataDirOfRun = Annotated[
    Path | None, tyro.conf.arg(help="Folder of the data sets; None uses the one that the run was trained from.")
]
Encoder = Annotated[
    str | None,
    tyro.conf.arg(
        metavar="FOLDER|NAME", help="Text encoder that may be opened if the run names it and inkwash does not know it."
    ),
]
Code = Annotated[
    tyro.conf.UseAppendAction[tuple[Reference, ...]],
    tyro.conf.arg(metavar="FILE.py:NAME", help="Allow your own code to be executed if the run needs it; repeatable."),
]


class Command:
    """A command of `inkwash`: a frozen dataclass of its arguments, with a method that runs it.

    The docstrings of the class and of its fields are the help text.
    """

    order: ClassVar[int] = 1000
    """Position in `inkwash --help`; commands of the same order are sorted by name."""
    resume_flags: ClassVar[tuple[str, ...]] = ()
    """Flags to add to the same command line to resume after an interruption."""

    def reread(self) -> Self | None:
        """The defaults to parse the flags with again, if these arguments select other defaults; else None."""
        return None

    def given(self, flags: Set[str]) -> Self:
        """These arguments, where what some flags mean depends on which others were given (by name, as `steps`)."""
        return self

    def follows(self, defaults: Self) -> bool:
        """Whether arguments that were parsed with the defaults of `reread` are to be used."""
        return True

    def run(self) -> None:
        """Runs the command. Results go to standard output, everything else to standard error.

        Raises InkwashError if it fails, and its subclass UsageError if the arguments are invalid.
        """
        raise NotImplementedError


class PresetCommand(Command):
    """A command whose first argument selects the defaults of its flags, as the recipe in `inkwash train RECIPE`."""

    @classmethod
    def presets(cls) -> Mapping[str, Self]:
        """The presets by name, for help and shell completion."""
        raise NotImplementedError

    @classmethod
    def preset(cls, name: str | None) -> Self:
        """The preset called `name`, which is None if no name was given. Raises UsageError if there is none."""
        raise NotImplementedError

    def summary(self) -> str:
        """A one-line description of the preset."""
        raise NotImplementedError

    def description(self) -> str:
        """A longer description of the preset."""
        raise NotImplementedError


def defaults_of(folder: Path, checkpoint: Literal["last", "best"]) -> tuple[Sampler, bool] | None:
    """The sampler and `stretch` of the recipe of the run in a folder; None if there is no run or it has the usual."""
    from inkwash.runs.record import described
    from inkwash.training.checkpoint import FILES, facts

    path = folder / FILES[checkpoint]
    if not path.exists():
        return None
    settings = described(path, facts(path))
    found = settings.default_sampler, settings.stretch
    return None if found == (Sampler(), False) else found


def allow_choices(kind: Choices, *specs: str | None) -> None:
    """Allows the code of the user's own that flags of the form NAME[:ARGUMENT] refer to, as FILE.py:NAME."""
    names = [spec for spec in specs if spec is not None and spec.partition(":")[0] not in kind]
    own.allow(kind.check(name) for name in names)


def notice(words: str) -> None:
    """Prints a line to standard error; under torchrun, only on the main process."""
    from inkwash.distributed import is_main_process

    if is_main_process():
        say(words)


@contextmanager
def needing_play() -> Iterator[None]:
    """For the import of the page's server. Raises UsageError if a package of the extra `play` is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in ("fastapi", "uvicorn", "starlette"):
            raise
        raise UsageError(
            f"the page needs the package {error.name}; install it with: pip install 'inkwash[play]'"
        ) from error
