"""Files of every format, changed at random: each is read or refused in a sentence, and nothing else."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_formats import COLOUR, GREY, LABELS, write_cifar, write_csv, write_idx
from test_shards import parquet, png, saved, webdataset

from inkwash.data.collect import Asked
from inkwash.data.formats import read
from inkwash.errors import InkwashError


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A folder or a file of each format."""
    root, images = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("images")
    webdataset(root / "shards")
    parquet(root / "parquet")
    saved(root / "saved")
    write_cifar(root / "cifar")
    write_idx(root / "idx")
    write_csv(root / "a.csv")
    np.save(root / "a.npy", GREY)
    np.savez(root / "a.npz", images=COLOUR, labels=LABELS)
    for i in range(3):
        (images / f"{i}.png").write_bytes(png(i))
    for kind in ("zip", "tar", "gztar", "bztar", "xztar"):
        shutil.make_archive(str(root / kind), kind, images)
    (root / "stack").mkdir()
    first, *others = map(Image.fromarray, GREY[:5])
    first.save(root / "stack" / "a.tif", save_all=True, append_images=others)
    return sorted(root.iterdir())


def damaged(content: bytes, chance: random.Random) -> bytes:
    """The content cut short, with other bytes, with more or with fewer."""
    changed, at = bytearray(content), chance.randrange(len(content))
    kind = chance.randrange(4)
    if kind == 0:
        return content[:at]
    if kind == 1:
        for _ in range(chance.randrange(1, 6)):
            changed[chance.randrange(min(len(changed), chance.choice((64, 512, 10**9))))] = chance.randrange(256)
    elif kind == 2:
        changed[at:at] = chance.randbytes(chance.randrange(1, 9))
    else:
        del changed[at : at + chance.randrange(1, 200)]
    return bytes(changed)


def hold(whole: list[Path], tmp_path: Path, seed: int, tries: int) -> None:
    chance = random.Random(seed)
    for _ in range(tries):
        source = chance.choice(whole)
        shutil.rmtree(tmp_path / "now", ignore_errors=True)
        (tmp_path / "now").mkdir()
        copy = tmp_path / "now" / source.name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, copy)
        file = chance.choice(sorted(each for each in (copy, *copy.rglob("*")) if each.is_file()))
        file.write_bytes(damaged(file.read_bytes(), chance))
        pages = "all" if source.name == "stack" else "first"
        said = ""
        try:
            found = read(copy, Asked("train", unreadable=chance.choice(("refuse", "skip")), pages=pages))
        except InkwashError as error:
            said = str(error)
        else:
            assert len(found) > 0
        assert "\n" not in said


@pytest.mark.parametrize("seed", range(2))
def test_damage_is_told(whole: list[Path], tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    hold(whole, tmp_path, seed, 40)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 20))
def test_much_damage_is_told(whole: list[Path], tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    hold(whole, tmp_path, seed, 400)
