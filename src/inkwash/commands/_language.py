"""The language of the command line's help: a file of translations, LANGUAGE.toml, beside this one."""

import ast
import inspect
import os
import re
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import tyro

_FOLDER = Path(__file__).parent


def language() -> str:
    """The language asked for by INKWASH_LANG or else by the locale, such as "zh"; "" if there are no translations."""
    names = ("INKWASH_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    asked = next((value for name in names if (value := os.environ.get(name))), "")
    found = re.match(r"[a-z]+", asked.lower())
    return found[0] if found and (_FOLDER / f"{found[0]}.toml").is_file() else ""


def translated(text: str, to: str | None = None) -> str:
    """A help text in a language, by default that of `language`; sentences without a translation stay as they are."""
    to = language() if to is None else to
    if not to:
        return text
    first, *rest = textwrap.dedent(text).split("\n\n")
    first = " ".join(first.split())
    known = _catalog(to)
    if first in known:
        return "\n\n".join([known[first], *rest])
    for english in sorted(known, key=len, reverse=True):
        if english in first:
            first = first.replace(english, known[english])
    return "\n\n".join([first, *rest])


def localize(kind: type) -> None:
    """Gives the fields of a dataclass, and of those inside it, their help in the language that is asked for."""
    to = language()
    if to:
        _localize(kind, to)


@cache
def _localize(kind: type, to: str) -> None:
    said = docstrings(kind)
    kind.__doc__ = translated(kind.__doc__ or "", to)
    hints = get_type_hints(kind, include_extras=True)
    for field in fields(kind):
        hint = hints[field.name]
        inner, *marks = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        for part in _dataclasses(inner):
            _localize(part, to)
        named = [mark for mark in marks if hasattr(mark, "help") and hasattr(mark, "metavar")]
        text = next((mark.help for mark in named if mark.help), said.get(field.name))
        if text is None:
            continue
        help_ = translated(text, to)
        own = [replace(mark, help=help_) for mark in named[:1]] or [tyro.conf.arg(help=help_)]
        others = [mark for mark in marks if mark not in named]
        owner = next(each for each in kind.__mro__ if field.name in vars(each).get("__annotations__", {}))
        owner.__annotations__[field.name] = Annotated[inner, *others, *own]


def docstrings(kind: type) -> dict[str, str]:
    """The strings below the fields of a class and of those that it derives from, by the name of the field."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if not is_dataclass(each):
            continue
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(each))).body
        assert isinstance(body, ast.ClassDef)
        for field, after in zip(body.body, body.body[1:], strict=False):
            if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
                continue
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                found[field.target.id] = " ".join(str(after.value.value).split())
    return found


def _dataclasses(hint: Any) -> Iterator[type]:
    for part in (hint, *get_args(hint)):
        if isinstance(part, type) and is_dataclass(part):
            yield part


@cache
def _catalog(to: str) -> dict[str, str]:
    with (_FOLDER / f"{to}.toml").open("rb") as file:
        return tomllib.load(file)
