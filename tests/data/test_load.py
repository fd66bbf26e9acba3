from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inkwash.data import Images, digits, load
from inkwash.errors import UsageError


def test_a_known_set_is_padded_to_a_larger_size() -> None:
    plain = load("digits", "test")
    assert plain.fingerprint == load("digits", "test", size=8, channels=1).fingerprint == digits("test").fingerprint
    padded = load("digits", "test", size=12)
    assert padded.fingerprint == digits("test").pad(12).fingerprint


def test_a_folder_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(10):
        (tmp_path / "mnist").mkdir(exist_ok=True)
        Image.fromarray(np.full((6, 6), i, dtype=np.uint8)).save(tmp_path / "mnist" / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    for path in ("./mnist", tmp_path / "mnist"):
        train, test = load(path, "train", size=4, channels=3), load(path, "test", size=4, channels=3)
        assert isinstance(train, Images)
        assert (train.name, train.shape) == ("mnist", (3, 4, 4))
        assert (len(train), len(test)) == (9, 1)


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        (
            "mnits",
            {},
            r"'mnits' is neither a folder or file nor .* digits, mnist, .*\. Did you mean mnist\?",
        ),
        ("Digit", {}, r"Did you mean digits\?"),
        ("./photos", {}, r"checkerboard\.$"),
        ("digits", {"size": 7}, "digits is 8×8 and cannot be padded to 7×7"),
        ("digits", {"channels": 3}, "digits has 1 channel; got channels=3"),
        ("digits", {"split": "validation"}, "'validation'"),
    ],
)
def test_what_was_asked_wrongly(name: str, arguments: dict, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load(name, **{"split": "train", **arguments})


def test_importing_loads_nothing_slow() -> None:
    slow = ("PIL", "requests", "tqdm")
    code = (
        "import sys, torch; before = set(sys.modules); import inkwash.data; "
        f"print([name for name in {slow} if name in set(sys.modules) - before])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
