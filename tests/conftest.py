"""What many tests share: a tiny trained run, and the data sets where this machine has them."""

import os
import signal
import tempfile
from pathlib import Path

import pytest

from cli_runner import TINY, did, forget

# a shell ignores it for what it starts in the background, and the commands that tests start would inherit that
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # torch, which nothing has imported yet, reads it once
# not the user's; kept between sessions, so that the classifier of the digits is trained once
os.environ["XDG_CACHE_HOME"] = str(Path(tempfile.gettempdir()) / f"inkwash-tests-{os.getuid()}")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 12 steps on the digits, to be read only."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    did("train", "digits", *TINY, "--steps", 12, "--save-every", 4, "--out", folder)
    return folder


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of the downloaded data sets; without one the test is skipped."""
    folder = Path(os.environ.get("INKWASH_DATA", ""))
    if not (folder / "mnist").is_dir():
        pytest.skip("needs $INKWASH_DATA, a folder that holds mnist/")
    return folder


@pytest.fixture(autouse=True)
def _nothing_is_allowed() -> None:
    """Code of a user's own that one test allowed or passed is not allowed in the next."""
    forget()
