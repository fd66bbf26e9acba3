"""Lazy imports of the names that a package exports."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def names(package: str, places: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Returns `__getattr__` and `__dir__` for a package that exports names lazily.

    `places` maps each name to its import path, "package.module:NAME", or "package.module" for a module.
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
