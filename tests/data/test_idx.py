from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from inkwash.data import read_idx
from inkwash.errors import InkwashError


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


IMAGES = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)
GOOD = idx(IMAGES)


@pytest.mark.parametrize("array", [IMAGES, IMAGES[0, 0], IMAGES[:0]])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_reads_what_was_written(tmp_path: Path, array: np.ndarray, pack) -> None:
    path = tmp_path / "it.gz"
    path.write_bytes(pack(idx(array)))
    read = read_idx(path, array.ndim)
    assert read.dtype == np.uint8
    assert np.array_equal(read, array)


def test_gzip_of_several_streams(tmp_path: Path) -> None:
    path = tmp_path / "it.gz"
    path.write_bytes(gzip.compress(GOOD[:20]) + gzip.compress(GOOD[20:]) + b"\0\0")
    assert np.array_equal(read_idx(path), IMAGES)


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        (b"<!DOCTYPE html>", "begins with 3c 21 44 4f"),
        (b"\0\0\x0d\x01" + bytes(8), "00 00 08"),  # floats
        (GOOD[:3], "truncated"),
        (GOOD[:10], "expected 16 bytes of header, found 10"),
        (GOOD[:-7], "76 bytes .* found 69"),
        (GOOD + b"more", "too long: .* 76 bytes .* found 80"),
        (gzip.compress(np.random.default_rng(0).bytes(4000))[:2000], "begins with"),
        (gzip.compress(GOOD, mtime=0)[:-8] + bytes(8), "corrupt gzip .*incorrect data check"),
    ],
)
def test_what_is_wrong_is_said_and_what_to_do(tmp_path: Path, contents: bytes, said: str) -> None:
    path = tmp_path / "it.gz"
    path.write_bytes(contents)
    with pytest.raises(InkwashError, match=said) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)
    assert "Delete it and run again" in str(caught.value)


def test_a_download_cut_off_names_the_bytes_that_are_there(tmp_path: Path) -> None:
    big = idx(np.random.default_rng(0).integers(0, 256, (50, 28, 28), dtype=np.uint8))
    path = tmp_path / "it.gz"
    path.write_bytes(gzip.compress(big, mtime=0)[:20000])
    with pytest.raises(InkwashError, match=rf"truncated: its header says {len(big)} bytes .* found 1\d{{4}}\."):
        read_idx(path)


def test_labels_where_images_were_expected(tmp_path: Path) -> None:
    path = tmp_path / "labels"
    path.write_bytes(idx(IMAGES[0, 0]))
    with pytest.raises(InkwashError, match=r"1 dimension\(s\) where 3 were expected"):
        read_idx(path, 3)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InkwashError, match="cannot be read"):
        read_idx(tmp_path / "nothing")
