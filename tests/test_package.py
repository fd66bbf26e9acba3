"""What the package says of itself, in each place alike."""

import re
import tomllib
from pathlib import Path

import pytest

import inkwash

ROOT = Path(__file__).parents[1]
SETUP = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = SETUP["project"]


def test_one_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.*)$", citation, flags=re.MULTILINE) == [PROJECT["version"]] == [inkwash.__version__]


def test_the_citation_is_of_the_format() -> None:
    yaml = pytest.importorskip("yaml")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["cff-version"] == "1.2.0"


def test_one_line_says_what_it_is() -> None:
    assert inkwash.__doc__ is not None
    said = PROJECT["description"]
    assert inkwash.__doc__.split("\n")[0] == f"inkwash: {said[0].lower()}{said[1:]}"


def test_files_that_the_code_reads_are_packaged() -> None:
    """Also in a wheel, where nothing else of the source tree is."""
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"][
        "package-data"
    ]
    package = ROOT / "src" / "inkwash"
    others = {file for file in package.rglob("*") if file.is_file() and file.suffix not in (".py", ".pyc")}
    assert others == {file for pattern in patterns["inkwash"] for file in package.glob(pattern)}
