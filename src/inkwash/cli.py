"""The command line: parsing, help, shell completion, and what the process prints and returns when a command fails.

Parsing needs no torch; each command imports what it needs when it runs.
"""

import os
import shlex
import sys
from difflib import get_close_matches
from inspect import cleandoc
from io import TextIOWrapper
from typing import Annotated, Any, Union

import tyro

from inkwash import __version__, commands, own
from inkwash.checked import references
from inkwash.commands import Command, PresetCommand
from inkwash.commands._flags import given, in_flags
from inkwash.commands._language import localize, translated
from inkwash.distributed import per_machine, take_gpu
from inkwash.errors import InkwashError, Stopped, UsageError
from inkwash.foreign import say, show

_ABOUT = "Train, sample and study diffusion models on your own images."
_CONFIG = (tyro.conf.OmitArgPrefixes, tyro.conf.AvoidSubcommands, tyro.conf.OmitSubcommandPrefixes)


def main(argv: list[str] | None = None) -> None:
    """Runs the command line. Exits with 0 for success, 1 for failure, 2 for invalid arguments, 130 after Ctrl-C."""
    args = sys.argv[1:] if argv is None else argv
    _ready_streams()
    kind: type[Command] | None = None
    try:
        kind = _kind(args)
        command = _parse(kind, args)
        take_gpu()
        command.run()
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        say("inkwash: stopped.")
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        known = _known(error)
        if known is None:
            raise
        sentence = str(known) if kind is None else in_flags(str(known), kind)
        if kind is not None and isinstance(known, Stopped):
            sentence += f" Go on with: {_again(args, kind)}"
        say(f"inkwash: {sentence}")
        sys.exit(known.exit_code)


def _ready_streams() -> None:
    """Prevents output errors if the terminal cannot encode a character or if there is no terminal."""
    none = os.open(os.devnull, os.O_WRONLY) if sys.stdout is None or sys.stderr is None else 0
    sys.stdout, sys.stderr = (stream or os.fdopen(none, "w", closefd=False) for stream in (sys.stdout, sys.stderr))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _known(error: Exception) -> InkwashError | None:
    """Converts an error to a message for the user; None if it is a bug of inkwash."""
    words = str(error)
    if isinstance(error, InkwashError):
        return error
    if isinstance(error, MemoryError) or "out of memory" in words or "DefaultCPUAllocator" in words:
        return InkwashError("the memory ran out; try a smaller --batch-size, smaller images or a smaller network.")
    if (blamed := own.blamed(error)) is not None:
        return blamed
    if isinstance(error, OSError):
        return InkwashError(f"{error.filename or 'the system'}: {error.strerror or words}.")
    if isinstance(error, ImportError) and "shtab" in words:  # tyro's, for other shells
        return UsageError("completion can be had for bash and zsh.")
    if "remote worker" in words or type(error).__name__ == "DistBackendError":  # gloo's, and NCCL's
        return InkwashError("another process of this training has ended, and says why; go on with --resume.")
    if "home directory" in words:  # pathlib's words
        return UsageError("there is no such home folder here; write paths in full, and give --data-dir.")
    return None


def _again(args: list[str], kind: type[Command]) -> str:
    """The command line that resumes the interrupted work."""
    each = per_machine()
    start = ["inkwash"] if each is None else ["torchrun", "--nproc-per-node", each, "-m", "inkwash"]
    return shlex.join([*start, *args, *(flag for flag in kind.resume_flags if flag not in args)])


def _kind(args: list[str]) -> type[Command]:
    """The command named by the first argument. Prints the version or the help and exits if a flag requests it."""
    name = args[0] if args else "--help"
    if name == "--version":
        show(f"inkwash {__version__}")
        sys.exit(0)
    if name.startswith("-"):
        tyro.cli(_all(args), prog="inkwash", args=args or [name], config=_CONFIG, description=translated(_ABOUT))
    if name not in commands.names():
        known = commands.all_commands()
        near = get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(f"there is no command {name!r}.{hint} The commands are {', '.join(known)}.")
    return commands.find(name)


def _parse(kind: type[Command], args: list[str]) -> Command:
    """Parses the arguments of a command. tyro prints help and parsing errors, and exits."""
    name, *rest = args
    localize(kind)
    flags = given(rest, kind)
    if not issubclass(kind, PresetCommand):
        told: dict[str, Any] = {"description": translated(cleandoc(kind.__doc__ or "")), "config": _CONFIG}
        command: Command = tyro.cli(kind, prog=f"inkwash {name}", args=rest, **told)
        own.allow(references(command))
        if isinstance(named := getattr(command, "encoder", None), str):
            own.allow_encoder(named)
        if (found := command.reread()) is not None:
            again: Command = tyro.cli(kind, prog=f"inkwash {name}", args=rest, default=found, **told)
            command = again if again.follows(found) else command
        return command.given(flags)
    if rest[:1] in (["-h"], ["--help"]):
        tyro.cli(_presets(kind), prog=f"inkwash {name}", args=rest, config=_CONFIG)
    named = bool(rest) and not rest[0].startswith("-")
    default = kind.preset(rest[0] if named else None)
    command, unknown = _known_flags(rest[1:], default)
    stored = references(default)  # of a run on disk; only references in the flags are allowed
    own.allow([*(each for each in references(command) if each not in stored), *getattr(command, "code", ())])
    if (other := command.reread()) is not None:
        _, left = _known_flags(rest[1:], other)
        if lost := [word for word in left if word.startswith("--") and word not in unknown]:
            raise UsageError(f"{lost[0]} is a flag of the network that --network replaces; leave out one of them.")
    parsed: PresetCommand = tyro.cli(
        kind, prog=f"inkwash {name} {rest[0]}", args=rest[1:], default=other or default, config=_CONFIG,
        description=translated(default.description()),
    )  # fmt: skip
    return parsed.given(flags)


def _known_flags(words: list[str], default: PresetCommand) -> tuple[PresetCommand, list[str]]:
    """Parses the flags that are known and returns the command with the remaining arguments; ignores --help."""
    words = [word for word in words if word not in ("-h", "--help")]
    return tyro.cli(type(default), args=words, default=default, config=_CONFIG, return_unknown_args=True)


def _presets(kind: type[PresetCommand]) -> Any:
    """A subcommand for each preset of a command, for its help and for shell completion."""
    return Union[tuple(  # noqa: UP007, the members are computed
        Annotated[kind, tyro.conf.subcommand(name, default=default, description=translated(default.summary()))]
        for name, default in kind.presets().items()
    )]  # fmt: skip


def _all(args: list[str]) -> Any:
    """All commands as one type, for the help of `inkwash` itself and for shell completion."""
    completion = any(arg.startswith("--tyro-") for arg in args)  # completion also needs the flags of the presets
    union: Any = Union[tuple(  # noqa: UP007, the members are computed
        Annotated[
            _presets(kind) if completion and issubclass(kind, PresetCommand) else kind,
            tyro.conf.subcommand(name, description=translated(cleandoc(kind.__doc__ or ""))),
        ]
        for name, kind in commands.all_commands().items()
    )]  # fmt: skip
    return Annotated[union, tyro.conf.arg(help=translated("Each has a --help of its own."))]
