from __future__ import annotations

import dataclasses
import gzip
import hashlib
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from small_web import Mirror, Server
from test_idx import idx

from inkwash.data import fashion_mnist, mnist
from inkwash.errors import InkwashError, UsageError

module = sys.modules[mnist.__module__]
SIZES = {"train": 60_000, "test": 10_000}


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("load", [mnist, fashion_mnist])
def test_the_real_files(load, split: str) -> None:
    home = os.environ.get("INKWASH_DATA")
    if home is None:
        pytest.skip("INKWASH_DATA is not set")
    names = {mnist: "mnist", fashion_mnist: "fashion-mnist"}
    files = [Path(home, names[load], name) for name in module._FILES[split]]
    if not all(file.exists() for file in files):
        pytest.skip(f"{files[0].parent} has not all files of {split}")
    source = load(split)
    assert source.pixels.shape == (SIZES[split], 1, 28, 28)
    assert (source.name, source.split, len(source.classes)) == (names[load], split, 10)
    assert source.labels is not None
    counts = source.labels.bincount()
    if load is fashion_mnist:
        assert (counts == SIZES[split] // 10).all()
    elif split == "train":
        assert counts.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
        assert source.labels[:5].tolist() == [5, 0, 4, 1, 9]
    mean = {mnist: 0.1307, fashion_mnist: 0.2860}[load]  # the training sets' well-known means
    assert abs(source.pixels.float().mean() / 255 - mean) < 3e-3


@pytest.fixture
def small(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, np.ndarray]:
    """20 test images in MNIST's form, offered by local mirrors; and an empty folder to load them into."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (20, 28, 28), dtype=np.uint8)
    labels = (np.arange(20) % 10).astype(np.uint8)
    files = dict(zip(module._FILES["test"], (idx(pixels), idx(labels)), strict=True))
    mirrors = tuple(server.add(name, Mirror(gzip.compress(contents))) for name, contents in files.items())
    sums = {name: hashlib.sha256(contents).hexdigest() for name, contents in files.items()}
    monkeypatch.setattr(module, "_MNIST", dataclasses.replace(module._MNIST, mirrors=mirrors, sha256=sums))
    return tmp_path, pixels


def test_downloads_what_is_missing(small: tuple[Path, np.ndarray]) -> None:
    home, pixels = small
    source = mnist("test", home)
    assert np.array_equal(source.pixels[:, 0], pixels)
    assert source.labels is not None
    assert source.labels.tolist() == [*range(10)] * 2
    assert source.pad(32).shape == (1, 32, 32)
    assert mnist("test", home).fingerprint == source.fingerprint


def test_a_file_that_is_not_the_original_is_refused(small: tuple[Path, np.ndarray]) -> None:
    home, pixels = small
    mnist("test", home)
    file = home / "mnist" / module._FILES["test"][0]
    file.write_bytes(gzip.compress(idx(pixels[::-1])))
    with pytest.raises(
        InkwashError, match=r"not the original file of mnist: .* is [0-9a-f]{64}, expected [0-9a-f]{64}"
    ):
        mnist("test", home)
    file.write_bytes(file.read_bytes()[:9000])
    with pytest.raises(InkwashError, match="truncated"):
        mnist("test", home)


def test_what_was_asked_wrongly(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'val'"):
        mnist("val")
    with pytest.raises(UsageError, match="not a folder"):
        fashion_mnist("test", tmp_path / "nowhere")
