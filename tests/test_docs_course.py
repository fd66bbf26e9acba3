"""The page for those who come from a course: all its Python runs, and what its tables name is there."""

import re
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import pytest

from inkwash.commands import all_commands
from inkwash.settings import Conditioning, Data, Process, Sampling, Training

PAGE = Path(__file__).parents[1] / "docs" / "from-your-course.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_all_its_python_runs() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", TEXT, flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) == 8
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)


NAMED = re.findall(r"`((?:core|data|nets|denoise|sample|train|importers)\.(?!py)\w[\w.]*)", TEXT)


@pytest.mark.parametrize("name", sorted(set(NAMED)))
def test_what_it_names_is_there(name: str) -> None:
    parts = name.rstrip(".").split(".")
    found: object = import_module(f"inkwash.{parts[0]}")
    for i, part in enumerate(parts[1:], start=2):
        found = getattr(found, part) if hasattr(found, part) else import_module(".".join(["inkwash", *parts[:i]]))


def test_its_flags_are_there() -> None:
    flags = {flag.replace("-", "_") for flag in re.findall(r"--([a-z][a-z-]*)", TEXT)}
    assert {"weight", "loss", "ema"} <= flags
    own = {field.name for command in all_commands().values() for field in fields(command)}
    known = own | {field.name for part in (Training, Sampling, Data, Process, Conditioning) for field in fields(part)}
    known |= {"network", "no_stretch", "no_unit", "strength"}
    assert flags <= known
    Training(weight="snr", loss="l1", ema=0.9999)


def test_its_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert (PAGE.parent / target).exists(), target
