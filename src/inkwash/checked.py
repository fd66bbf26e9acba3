"""Dataclasses that validate their fields, and how the command line parses them. Does not import torch."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, get_args, get_type_hints

import tyro
from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from inkwash import own
from inkwash.choices import Choices
from inkwash.errors import UsageError

Count = Annotated[int, Field(ge=1, lt=2**31)]
Natural = Annotated[int, Field(ge=0, lt=2**63)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Scale = Annotated[float, Field(ge=0, allow_inf_nan=False)]
NoiseLevel = Annotated[float, Field(ge=0)]  # σ/α; inf is pure noise


class Checked:
    """A dataclass that checks its fields against their types and ranges. Raises UsageError with the field's name."""

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
    """The parser of a flag that takes several values, separated by commas or spaces: A,B,C or A B C."""

    def read(args: list[str]) -> tuple[Any, ...]:
        return tuple(value(word.strip()) for arg in args for word in arg.split(",") if word.strip() or len(args) == 1)

    def value(word: str) -> Any:
        try:
            return kind(word)
        except ValueError:
            raise ValueError(
                f"{word!r} is not one of its values, which are separated by commas or spaces; positional arguments, "
                "such as the folder of a run, come before the flags"
            ) from None

    return tyro.constructors.PrimitiveConstructorSpec(
        nargs="*", metavar="A,B,…", instance_from_str=read, is_instance=lambda value: isinstance(value, tuple),
        str_from_instance=lambda value: [",".join(str(each) for each in value)],
    )  # fmt: skip


def called(*aliases: str) -> Any:
    """Other names of a flag, such as those that other programs of the field have for it."""
    return tyro.conf.arg(aliases=aliases)


Reference = Annotated[  # a reference to the user's own code
    str,
    AfterValidator(own.check),
    tyro.constructors.PrimitiveConstructorSpec(
        nargs=1, metavar="FILE.py:NAME", instance_from_str=lambda args: own.check(args[0]),
        is_instance=lambda value: isinstance(value, str), str_from_instance=lambda value: [value],
    ),
]  # fmt: skip


def words(metavar: str) -> Any:
    """The parser of a flag that takes any string, including "None", and whose default is None."""
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1, metavar=metavar, instance_from_str=lambda args: args[0],
        is_instance=lambda value: value is None or isinstance(value, str),
        str_from_instance=lambda value: [str(value)],
    )  # fmt: skip


@dataclass(frozen=True)
class _Check:
    """Checks that a string is a name of `choices`, has the form of a reference, or is one of `also`."""

    choices: Choices
    also: tuple[str | None, ...]

    def __call__(self, name: str | None) -> str | None:
        return name if name in self.also or name is None else self.choices.check(name)


def validator(choices: Choices, *also: str | None) -> AfterValidator:
    """The validator of a field that takes a name or a reference; `also` lists other accepted values, such as None."""
    return AfterValidator(_Check(choices, also))


def named(choices: Choices, *also: str | None) -> Any:
    """The parser of such a field, with shell completion of the names."""
    words = {str(word): word for word in also}

    def read(args: list[str]) -> str | None:
        return words[args[0]] if args[0] in words else choices.check(args[0])

    names = _Names((*words, *choices.names))
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1, metavar=f"{{{','.join(names)}}}|FILE.py:NAME", instance_from_str=read, choices=names,
        is_instance=lambda value: isinstance(value, str) or value in also,
        str_from_instance=lambda value: [str(value)],
    )  # fmt: skip


def references(*settings: Any) -> tuple[str, ...]:
    """The references to the user's own code in the fields of dataclasses, without repetition."""
    return tuple(dict.fromkeys(word for each in settings for word in _references(each)))


def _references(settings: Any) -> Iterator[str]:
    owner: Any = type(settings)
    for entry in fields(owner):
        value = getattr(settings, entry.name)
        if is_dataclass(value):
            yield from _references(value)
        elif _takes_references(owner, entry.name):
            words = value if isinstance(value, tuple) else (value,)
            yield from (word for word in words if word is not None and own.is_reference(word))


@cache
def _takes_references(owner: Any, name: str) -> bool:
    def marked(hint: Any) -> bool:
        check = getattr(hint, "func", None)
        return check is own.check or isinstance(check, _Check) or any(map(marked, get_args(hint)))

    return marked(get_type_hints(owner, include_extras=True)[name])


class _Names(tuple[str, ...]):
    """Names for shell completion. The parser accepts any string, since `Choices.check` gives a better message."""

    __slots__ = ()

    def __contains__(self, word: object) -> bool:
        return True
