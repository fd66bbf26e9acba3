"""The pages are true: what docs/notation.md and CHANGELOG.md name is there, and the README is short."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTATION = (ROOT / "docs" / "notation.md").read_text(encoding="utf-8")
# [file](path) and the names after it, up to the next link or the end of the cell
PLACES = re.findall(r"\]\((\.\./src/[^)]+\.py)\)((?: `\w+`,?)+)", NOTATION)


def defined(file: Path) -> set[str]:
    """Names of the functions, methods, classes and fields of a file."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    made = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return made | {node.target.id for node in ast.walk(tree) if isinstance(node, ast.AnnAssign)}  # type: ignore[union-attr]


@pytest.mark.parametrize(("file", "names"), sorted(set(PLACES)), ids=lambda text: text.strip().replace("../src/", ""))
def test_every_symbol_is_where_the_notation_says(file: str, names: str) -> None:
    assert set(re.findall(r"\w+", names)) <= defined(ROOT / "docs" / file)


def test_every_row_of_the_notation_names_a_place() -> None:
    rows = [line for line in NOTATION.splitlines() if line.startswith("| ") and "in the code" not in line]
    assert len(rows) > 40
    assert [row for row in rows if ".py)" not in row and not row.endswith("| – |")] == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) < 1200


RENAMED = re.findall(
    r"^\| `(inkwash[\w.]+)(?:\(\))?` \| `(inkwash[\w.]+)",
    (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


def found(name: str) -> object:
    """The module or attribute of a dotted name; ImportError or AttributeError where there is none."""
    parent, _, last = name.rpartition(".")
    if not parent:
        return import_module(name)
    there = found(parent)
    return getattr(there, last) if hasattr(there, last) else import_module(name)


@pytest.mark.parametrize(("before", "now"), RENAMED)
def test_what_was_renamed_has_its_new_name_alone(before: str, now: str) -> None:
    found(now)
    with pytest.raises((ImportError, AttributeError)):
        found(before)


def test_the_table_of_new_names_is_read() -> None:
    assert len(RENAMED) > 25
