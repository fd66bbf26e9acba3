"""Who imports whom: the parts stay in the order in which they are to be read."""

import ast
import sys
from pathlib import Path

import pytest

import inkwash

ROOT = Path(inkwash.__file__).parent
TORCH = {"torch"}

# what each part may import of inkwash, besides itself, the errors and the version
BELOW: dict[str, set[str]] = {
    "errors": set(),
    "atomic": set(),
    "settings": set(),
    "signals": set(),
    "quiet": set(),
    "core": set(),
    "nets": set(),
    "view": {"atomic"},
    "text": {"nets", "data", "atomic", "quiet"},
    "denoise": {"core", "nets"},
    "sample": {"core"},
    "data": {"core", "atomic"},
    "train": {"core", "nets", "denoise", "data", "settings", "atomic"},
    "metrics": {"core", "denoise", "data", "atomic", "quiet"},
    "laws": {"core", "denoise", "sample"},
    "recipes": {"settings"},
    "jobs": {
        "core",
        "nets",
        "text",
        "view",
        "denoise",
        "sample",
        "data",
        "train",
        "metrics",
        "recipes",
        "settings",
        "atomic",
    },
    "study": {
        "core",
        "view",
        "denoise",
        "sample",
        "data",
        "train",
        "metrics",
        "jobs",
        "recipes",
        "settings",
        "signals",
        "atomic",
    },
    "report": {"view", "metrics", "study", "atomic"},
    "race": {"core", "data", "jobs", "metrics", "study", "report", "train", "view", "settings", "atomic"},
    "cli": {"recipes", "settings", "jobs", "talk"},
    "talk": {"cli", "recipes", "settings", "signals", "jobs", "train", "metrics", "study", "report", "race"},
    "__main__": {"cli"},
    "__init__": set(),
}
ABOVE_TORCH = {
    "core",
    "nets",
    "text",
    "denoise",
    "sample",
    "data",
    "train",
    "metrics",
    "laws",
    "jobs",
    "study",
    "report",
    "race",
}


def imports(file: Path) -> set[str]:
    """The full names of all that a file imports, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def part(file: Path) -> str:
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


def own(name: str) -> str | None:
    """The part of inkwash that a full name is of: "core" for inkwash.core.Level."""
    package, *rest = name.split(".")
    return rest[0] if package == "inkwash" else None


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_layers(file: Path) -> None:
    allowed = BELOW[part(file)] | {part(file), "errors", "__version__"}
    assert {own(name) for name in imports(file)} - {None} <= allowed


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_other_packages(file: Path) -> None:
    others = {name.split(".")[0] for name in imports(file)} - {"inkwash", *sys.stdlib_module_names}
    if part(file) in {"core", "nets", "denoise", "sample", "laws"}:
        assert others <= TORCH
    if part(file) not in ABOVE_TORCH:
        assert not others & {"torch", "accelerate", "safetensors"}
    if part(file) in {"errors", "atomic", "recipes", "__main__", "__init__"}:
        assert others == set()


def test_denoisers_and_solvers_do_not_know_each_other() -> None:
    for one, other in (("denoise", "sample"), ("sample", "denoise")):
        assert not any(own(name) == other for file in (ROOT / one).rglob("*.py") for name in imports(file))


def test_every_part_is_named_here() -> None:
    assert {part(file) for file in FILES} == set(BELOW)
