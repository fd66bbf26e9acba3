"""Packages whose names are imported when they are used."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def names(package: str, places: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package that exports these names, each from its place, "package.module:NAME".

    A place without ":NAME" is a module.
    """

    def get(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, inner = places[name].partition(":")
        found = import_module(module)
        return getattr(found, inner) if inner else found

    def listed() -> list[str]:
        return sorted({*vars(import_module(package)), *places})

    return get, listed
