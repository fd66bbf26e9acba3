"""One small run that the tests of this folder share."""

from pathlib import Path

import pytest
from processes import TINY, finish, start


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 30 steps on the embedded digits."""
    folder = tmp_path_factory.mktemp("run") / "digits"
    done = finish(start("train", "digits", *TINY, "--steps", 30, "--save-every", 10, "--out", folder))
    assert done.returncode == 0, done.stderr
    return folder
