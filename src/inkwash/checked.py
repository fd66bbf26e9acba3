"""Settings that check themselves: types with ranges, and how the command line reads them. No torch here."""

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from typing import Annotated, Any, get_type_hints

import tyro
from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from inkwash.choices import Choices
from inkwash.errors import UsageError

Count = Annotated[int, Field(ge=1, lt=2**31)]
Natural = Annotated[int, Field(ge=0, lt=2**63)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Scale = Annotated[float, Field(ge=0, allow_inf_nan=False)]
NoiseLevel = Annotated[float, Field(ge=0)]  # σ/α; inf is pure noise


class Checked:
    """A dataclass whose fields are held to their types and ranges. Raises UsageError, naming the field."""

    def __post_init__(self) -> None:
        owner: Any = type(self)
        for entry in fields(owner):
            value = getattr(self, entry.name)
            try:
                _adapter(owner, entry.name).validate_python(value)
            except ValidationError as error:
                if error.errors()[0]["type"] == "missing":
                    raise UsageError(f"`{entry.name}` takes two numbers, as in 0.2,5 (got {value!r}).") from None
                wrong = error.errors()[0]["msg"].removeprefix("Input ").removeprefix("Tuple ")
                wrong = wrong.partition(" after validation")[0]
                raise UsageError(f"`{entry.name}` {wrong} (got {value!r}).") from None


@cache
def _adapter(owner: Any, name: str) -> TypeAdapter[Any]:
    return TypeAdapter(get_type_hints(owner, include_extras=True)[name])


def listed(kind: Callable[[str], Any]) -> Any:
    """How the command line reads several values of one flag: A,B,C."""

    def read(args: list[str]) -> tuple[Any, ...]:
        return tuple(kind(word.strip()) for word in args[0].split(","))

    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1, metavar="A,B,…", instance_from_str=read, is_instance=lambda value: isinstance(value, tuple),
        str_from_instance=lambda value: [",".join(str(each) for each in value)],
    )  # fmt: skip


def validator(choices: Choices, none: bool = False) -> AfterValidator:
    """Holds a word to the names of a kind, or to the form of a reference; with `none`, None will do."""
    return AfterValidator(lambda name: None if none and name is None else choices.check(name))


def named(choices: Choices, none: bool = False) -> Any:
    """How the command line reads a name of a kind, offers the rows' to the shell, and takes references."""

    def read(args: list[str]) -> str | None:
        return None if none and args[0] == "None" else choices.check(args[0])

    names = _Names((*(("None",) if none else ()), *choices.names))
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1, metavar=f"{{{','.join(names)}}}|FILE.py:NAME", instance_from_str=read, choices=names,
        is_instance=lambda value: isinstance(value, str) or (none and value is None),
        str_from_instance=lambda value: [str(value)],
    )  # fmt: skip


class _Names(tuple[str, ...]):
    """Words that a shell completes; others are not refused by the parser, since `Choices.check` says it better."""

    __slots__ = ()

    def __contains__(self, word: object) -> bool:
        return True
