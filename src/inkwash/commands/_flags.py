"""Converts argument names in messages to flags: the library writes `batch_size`, the terminal shows --batch-size."""

import re
from ast import literal_eval
from collections.abc import Iterable, Iterator
from dataclasses import is_dataclass
from typing import Annotated, ClassVar, get_args, get_origin, get_type_hints

import tyro

from inkwash.errors import UsageError
from inkwash.networks import NetworkSettings, all_networks
from inkwash.settings import RunSettings

_ARGUMENT = re.compile(r"`([a-z]\w*)(?:=([^`]+))?`")  # `name` or `name=value`


def in_flags(message: str, command: type) -> str:
    """Rewrites the names in backticks that are arguments of the command, or of training, as flags.

    `name` becomes its flag, or the metavar of a positional argument; `name=value` becomes the flag followed by the
    value. Other text in backticks is unchanged.
    """
    flags = {**{name: flag for name, flag in _flags(RunSettings) if flag.startswith("--")}, **dict(_flags(command))}

    def written(match: re.Match[str]) -> str:
        name, value = match.groups()
        if name not in flags:
            return match[0]
        if value in ("True", "False"):
            return flags[name] if value == "True" else flags[name].replace("--", "--no-", 1)
        return flags[name] if value is None else f"{flags[name]} {_value(value)}"

    return _ARGUMENT.sub(written, message)


def given(words: Iterable[str], command: type) -> set[str]:
    """The names of the arguments whose flags are among the words.

    Raises UsageError for a flag that is given twice and would count only once, also under two of its names.
    """
    names = {word: name for name, words in _spellings(command) for word in words}
    seen: dict[str, str] = {}
    for word in words:
        flag = word.partition("=")[0].replace("_", "-")
        if flag not in names:
            continue
        if names[flag] in seen:
            both = flag if seen[names[flag]] == flag else f"{seen[names[flag]]} and {flag}, which are one flag,"
            raise UsageError(f"{both} {'is' if both == flag else 'are'} given twice; give one value.")
        seen[names[flag]] = flag
    return set(seen)


def _spellings(kind: type) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The flags that take one value, each with all of its spellings; of networks, only those that all have."""
    for name, hint in get_type_hints(kind, include_extras=True).items():
        inner, *marks = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        if get_origin(hint) is ClassVar or tyro.conf.Suppress in marks or tyro.conf.UseAppendAction in marks:
            continue
        parts = [each for each in (inner, *get_args(inner)) if isinstance(each, type) and is_dataclass(each)]
        for part in parts:
            yield from _spellings(part)
        if not parts and tyro.conf.Positional not in marks:
            also = (alias for mark in marks for alias in getattr(mark, "aliases", None) or ())
            flag = next((mark.name for mark in marks if getattr(mark, "name", None)), name).replace("_", "-")
            yield name, (f"--{flag}", f"--no-{flag}", *also)


def _value(code: str) -> str:
    """Converts a Python literal to its form on the command line; other text, such as FOLDER, is unchanged."""
    try:
        value = literal_eval(code)
    except (ValueError, SyntaxError):
        return code
    word = str(value)
    return f'"{word}"' if " " in word else word


def _flags(kind: type) -> Iterator[tuple[str, str]]:
    """The arguments of a dataclass with their flags, including those of nested dataclasses."""
    for name, hint in get_type_hints(kind, include_extras=True).items():
        inner, *marks = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        if get_origin(hint) is ClassVar or tyro.conf.Suppress in marks:
            continue
        kinds = (kind for kind in (inner, *get_args(inner)) if isinstance(kind, type))  # also those of a union
        if NetworkSettings in (inner, *get_args(inner)):
            yield from (pair for network in all_networks() for pair in _flags(network))
        elif parts := [kind for kind in kinds if is_dataclass(kind)]:
            yield from (pair for part in parts for pair in _flags(part))
        else:
            flag = next((mark.name for mark in marks if getattr(mark, "name", None)), name)
            metavar = next((mark.metavar for mark in marks if getattr(mark, "metavar", None)), flag.upper())
            for word in dict.fromkeys((name, flag)):  # messages may call an argument by either
                yield word, metavar if tyro.conf.Positional in marks else f"--{flag.replace('_', '-')}"
