"""Operators and methods from what a flag says: NAME, NAME:ARGUMENT, or FILE.py:NAME."""

from typing import Any

from inkwash import choices, own
from inkwash.choices import Choices
from inkwash.inverse.method import Method
from inkwash.inverse.operator import Operator, Shape


def split(kind: Choices, spec: str) -> tuple[str, str]:
    """(name, argument) of a flag's word: "blur:2" is ("blur", "2"), and "mine.py:Op" is ("mine.py:Op", "").

    Raises UsageError for a name that is not there.
    """
    name, _, argument = spec.partition(":")
    if name in kind:
        return name, argument
    return kind.check(spec if own.is_reference(spec) else name), ""


def reference(kind: Choices, spec: str) -> tuple[str, ...]:
    """The reference to code of the user's own in a flag's word, if it is one."""
    name, _ = split(kind, spec)
    return () if name in kind else (name,)


def make_operator(spec: str, shape: Shape, seed: int = 0) -> Operator:
    """The operator of "NAME:ARGUMENT" for images of `shape` (C, H, W); `seed` is that of what it draws at random.

    Raises UsageError for a name or an argument that is wrong.
    """
    name, argument = split(choices.OPERATORS, spec)
    made: Any = choices.call(choices.OPERATORS.load(name), shape=shape, argument=argument, seed=seed)
    choices.expect(made, f"the operator {name}", "forward", "linear", "shape", "svd", "picture")
    operator: Operator = made
    return operator


def make_method(spec: str) -> Method:
    """The method of "NAME:ARGUMENT". Raises UsageError for a name or an argument that is wrong."""
    name, argument = split(choices.METHODS, spec)
    made: Any = choices.call(choices.METHODS.load(name), argument=argument)
    choices.expect(made, f"the method {name}", "__call__")
    method: Method = made
    return method
