"""The pages of an example, which import one another by plain names."""

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

EXAMPLES = Path(__file__).parents[2] / "examples"


def pages(folder: Path, *names: str) -> list[ModuleType]:
    """The pages as modules. Their names are plain words, and so do not stay in sys.modules."""
    sys.path.insert(0, str(folder))
    try:
        return [import_module(name) for name in names]
    finally:
        sys.path.remove(str(folder))
        for name in names:
            sys.modules.pop(name, None)
