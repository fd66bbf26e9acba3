"""The file of a module, found without executing any of it."""

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from inkwash.errors import UsageError


def path_of_module(module: str, reference: str) -> Path:
    """Like importlib.util.find_spec, but without importing the parent packages of the module.

    Raises UsageError if Python finds no such module, or if it is not a file.
    """
    if module == "__main__":
        raise UsageError(f"{reference} was an object of another Python program; pass it from Python again.")
    where, spec, parts = None, None, module.split(".")
    for end in range(1, len(parts) + 1):
        spec = _spec(".".join(parts[:end]), where)
        where = None if spec is None else spec.submodule_search_locations
        if spec is None or (where is None and end < len(parts)):
            raise UsageError(
                f"there is no module {module} (for {reference}) that Python can find; for a file, write FILE.py:NAME."
            )
    origin = None if spec is None else spec.origin
    if origin is None or not Path(origin).is_file():
        raise UsageError(f"the module {module} (for {reference}) is no file; name one that is.")
    return Path(origin).resolve()


def _spec(name: str, where: Any) -> ModuleSpec | None:
    for finder in sys.meta_path:
        spec = finder.find_spec(name, where) if hasattr(finder, "find_spec") else None
        if spec is not None:
            return spec
    return None
