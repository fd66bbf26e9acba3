"""A tiny model by class, and a server of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli_runner import TINY, did

pytest.importorskip("fastapi", reason="the server needs inkwash[play]")


@pytest.fixture(scope="session")
def classed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run by class of 2 steps on the digits, to be read only."""
    folder = tmp_path_factory.mktemp("classed") / "by-class"
    did("train", "digits", "--condition", "class", *TINY, "--steps", 2, "--out", folder)
    return folder


@pytest.fixture(scope="session")
def site(classed: Path) -> Iterator[str]:
    """The address of a server of the tiny model."""
    from server import serving

    with serving(classed) as (at, _):
        yield at


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium; tests that need it are skipped where there is none."""
    from browser import chromium

    with chromium() as opened:
        yield opened
