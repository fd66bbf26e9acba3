"""Who imports whom: every arrow points down, and no two files import each other."""

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import inkwash

ROOT = Path(inkwash.__file__).parent

# The rooms of the house, from the bottom up, as docs/design.md draws them: a room imports rooms of lines above its own.
# Rooms of one line do not know each other.
FLOORS = """
errors
foreign lock
remote
models
modules
atomic signals own lazy hub plots every
choices
checked core nets
networks
foreign_networks course_networks
settings
recipes distributed view data
progress
denoise sample text tracking
inverse
training testing metrics check adapters
distill
runs
importers study
report
race
play
commands api
cli
__main__
__init__
"""
LEVEL = {room: i for i, line in enumerate(FLOORS.split("\n")) for room in line.split()}

# What else is not imported, though it lies below.
NEVER = {
    "sample": {"nets", "data", "view"},
    "denoise": {"data", "view"},
    "nets": {"core"},
    "metrics": {"nets", "text", "view", "training"},
    "training": {"view", "text"},
    "view": {"core", "recipes", "distributed", "settings"},
    "progress": {"core", "recipes"},
    "report": {"runs", "training", "data", "core", "denoise"},
}
TORCH_ALONE = {"core", "nets", "denoise", "sample", "testing"}
NO_TORCH = {
    "errors", "foreign", "lock", "remote", "models", "atomic", "signals", "modules", "own", "lazy", "every", "choices",
    "checked", "settings", "recipes", "plots", "view", "commands", "cli", "__main__", "__init__",
}  # fmt: skip
NOTHING = {"errors", "foreign", "lock", "atomic", "recipes", "__main__"}  # but the standard library

FILES = sorted(ROOT.rglob("*.py"))
FILE = pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))


def room(file: Path) -> str:
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(file: Path) -> Iterator[str]:
    """The full names of all that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def file_of(name: str) -> Path | None:
    """The file that defines a full name of inkwash, or the package that exports it; None for other packages."""
    parts = name.split(".")
    if parts[0] != "inkwash":
        return None
    for end in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[1:end])
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file
    raise AssertionError(f"{name} is nowhere")


def arrows(file: Path) -> set[Path]:
    """The files of inkwash that a file imports. Whoever needs the version alone does not need the front door."""
    names = [name for name in imported(file) if name != "inkwash.__version__"]
    return {found for name in names if (found := file_of(name)) is not None and found != file}


def test_no_two_files_import_each_other() -> None:
    try:
        TopologicalSorter({file: arrows(file) for file in FILES}).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(str(file.relative_to(ROOT)) for file in error.args[1]))


@FILE
def test_every_arrow_points_down(file: Path) -> None:
    here = room(file)
    for other in {room(found) for found in arrows(file)} - {here}:
        assert LEVEL[other] < LEVEL[here], f"{here} imports {other}"
        assert other not in NEVER.get(here, ()), f"{here} imports {other}"


@FILE
def test_other_packages(file: Path) -> None:
    here = room(file)
    others = {name.split(".")[0] for name in imported(file)} - {"inkwash", *sys.stdlib_module_names}
    if here in TORCH_ALONE:
        assert others <= {"torch"}
    if here in NO_TORCH:
        assert not others & {"torch", "accelerate", "safetensors"}
    if here in NOTHING:
        assert not others


def test_every_room_has_a_floor() -> None:
    assert {room(file) for file in FILES} == set(LEVEL)
