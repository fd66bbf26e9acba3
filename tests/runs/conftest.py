"""Tiny runs that were told something, to be read only."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli_runner import TINY, did

BRIEF = (*TINY, "--warmup", 0, "--ema", 0.5, "--lr", 0.01, "--save-every", 20)


@pytest.fixture(scope="session")
def by_class(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 40 steps on the digits and their classes."""
    folder = tmp_path_factory.mktemp("by-class") / "run"
    did("train", "digits", *BRIEF, "--condition", "class", "--steps", 40, "--out", folder)
    return folder


@pytest.fixture(scope="session")
def never_dropped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As by_class, of 20 steps, but no class was ever withheld."""
    folder = tmp_path_factory.mktemp("always-told") / "run"
    flags = ("--condition", "class", "--condition-dropout", 0, "--steps", 20)
    did("train", "digits", *BRIEF, *flags, "--out", folder)
    return folder


@pytest.fixture(scope="session")
def captioned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve images of noise, each with one to three captions."""
    folder, rng, lines = tmp_path_factory.mktemp("captioned"), np.random.default_rng(0), []
    for i in range(12):
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / f"{i}.png")
        texts = [f"fox number {i}", "a red fox", "an animal"][: 1 + i % 3]
        lines.append(json.dumps({"file_name": f"{i}.png", "text": texts}))
    (folder / "captions.jsonl").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def by_text(captioned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 20 steps on the captioned images."""
    folder = tmp_path_factory.mktemp("by-text") / "run"
    flags = ("--condition", "text", "--encoder", "joint", "--mults", 1, "--attention", 0, "--patch", 2, "--steps", 20)
    did("train", captioned, *BRIEF, *flags, "--out", folder)
    return folder
