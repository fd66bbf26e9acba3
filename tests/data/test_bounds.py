"""Files that unpack to more than they can be, downloads that do not end, and links where something is written."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_web import Mirror, Server

from inkwash.data import archive, cifar10, mnist, read_idx
from inkwash.data.cifar import CLASSES
from inkwash.data.fetch import find_or_fetch
from inkwash.errors import InkwashError, UsageError

MIB = 2**20
FIVE_GIB = gzip.compress(bytes(MIB), 6, mtime=0) * 5 * 1024  # members, one after another: 5 MB


@pytest.fixture(autouse=True)
def _nothing_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INKWASH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def refused_within(function: Callable[[], object], said: str, most: int = 96 * MIB) -> None:
    """The call raises InkwashError with these words, and needs at most so much memory."""
    tracemalloc.start()
    try:
        with pytest.raises(InkwashError, match=said):
            function()
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


HEADERS = {
    "small": struct.pack(">BBBB3I", 0, 0, 8, 3, 5, 28, 28),
    "none": b"",
    "huge": struct.pack(">BBBB255I", 0, 0, 8, 255, *[2**32 - 1] * 255),  # a number of 2,400 digits
}


def test_an_idx_file_that_unpacks_to_5_gib(tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(HEADERS["small"]) + FIVE_GIB)
    refused_within(lambda: read_idx(path), "too long: its header says 3936 bytes")
    path.write_bytes(FIVE_GIB)
    refused_within(lambda: read_idx(path), "not an IDX file")
    path.write_bytes(gzip.compress(HEADERS["huge"] + bytes(100)))
    refused_within(lambda: read_idx(path), "truncated")


def test_mnist_that_unpacks_to_5_gib(home: Path) -> None:
    (home / "mnist").mkdir()
    (home / "mnist" / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(HEADERS["small"]) + FIVE_GIB)
    refused_within(lambda: mnist("test", home), "too long")


@pytest.mark.parametrize("kind", ["batch", "other file", "long name"])
def test_a_tar_of_cifar10_that_unpacks_to_5_gib(home: Path, kind: str) -> None:
    info = tarfile.TarInfo("readme.html" if kind == "other file" else "data_batch_1.bin")
    info.size = 5 * 2**30
    if kind == "long name":  # which is read into memory before any member
        info.type = tarfile.GNUTYPE_LONGNAME
    head = gzip.compress(info.tobuf(tarfile.GNU_FORMAT))
    (home / "cifar-10-binary.tar.gz").write_bytes(head + FIVE_GIB)
    refused_within(lambda: cifar10("train", home), "truncated or damaged")


def test_a_file_of_cifar10_that_does_not_end(home: Path) -> None:
    folder = home / "cifar-10-batches-bin"
    folder.mkdir()
    for i in range(1, 6):
        with (folder / f"data_batch_{i}.bin").open("wb") as file:
            file.truncate(2**40)  # sparse
    refused_within(lambda: cifar10("train", home), "larger than")


@pytest.mark.parametrize("number", ["9" * 5000, "٣"], ids=["5,000 digits", "another alphabet"])
def test_numbers_in_a_zip_of_cifar10(home: Path, number: str) -> None:
    with zipfile.ZipFile(home / "cifar10-jpeg.zip", "w") as packed:
        for name in CLASSES:
            packed.writestr(f"train/{name}/{number}.jpg", b"")
    refused_within(lambda: cifar10("train", home), "has no images train/CLASS/NUMBER.jpg")


def test_a_zip_of_cifar10_whose_members_are_large(home: Path) -> None:
    with zipfile.ZipFile(home / "cifar10-jpeg.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for name in CLASSES:
            packed.writestr(f"train/{name}/1.jpg", bytes(2 * MIB))
    refused_within(lambda: cifar10("train", home), "has no images")


def npy(header: bytes, content: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


WRONG = {
    "an array larger than its file": npy(b"{'descr': '|u1', 'fortran_order': False, 'shape': (99999, 4096, 4096, 3)}"),
    "a number of 5,000 digits": npy(b"{'descr': '|u1', 'fortran_order': False, 'shape': (" + b"9" * 5000 + b",)}"),
    "deep brackets": npy(b"(" * 9000),
    "no header": b"",
    "pickled": npy(b"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"),
}


@pytest.mark.parametrize("content", WRONG.values(), ids=WRONG)
def test_npz_files_of_other_programs(tmp_path: Path, content: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as packed:
        packed.writestr("images.npy", content)
    refused_within(lambda: archive(tmp_path / "a.npz"), "cannot be read as an .npz file of images")


def test_an_npz_that_unpacks_to_much_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inkwash.data.arrays._SMALL", MIB)
    np.savez_compressed(tmp_path / "a.npz", images=np.zeros((1024, 64, 64, 3), np.uint8))
    refused_within(lambda: archive(tmp_path / "a.npz"), "unpack from .* to 12,58.* bytes", 4 * MIB)


@pytest.mark.parametrize(
    "more",
    [
        {"labels": np.array([0, 2**60])},
        {"labels": np.array([0, -1])},
        {"labels": np.array(["a", "b"])},
        {"labels": np.array([0, 1, 2])},
        {"captions": np.array("[" * 100_000)},
        {"captions": np.array("[1" + "0" * 5000 + "]")},
        {"captions": np.array("[[1], [2]]")},
        {"kinds": np.array(["a", "b"])},
    ],
)
def test_npz_files_with_odd_labels_or_captions(tmp_path: Path, more: dict[str, np.ndarray]) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 4, 4, 1), np.uint8), **more)
    refused_within(lambda: archive(tmp_path / "a.npz"), "a.npz")


def test_a_pipe_called_npz_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.npz")
    with pytest.raises(UsageError, match="not a regular file"):
        archive(tmp_path / "a.npz")


def test_a_mirror_that_does_not_stop(server: Server, home: Path) -> None:
    contents = os.urandom(1000)
    endless, well = Mirror(bytes(3 * MIB)), Mirror(contents)
    mirrors = [server.add("endless", endless), server.add("well", well)]
    sha256 = hashlib.sha256(contents).hexdigest()
    with pytest.raises(InkwashError, match="longer than 1,000 bytes"):
        find_or_fetch("file", "set", sha256, mirrors[:1], home, at_most=1000)
    assert list((home / "set").iterdir()) == []
    assert find_or_fetch("file", "set", sha256, mirrors, home, at_most=1000).read_bytes() == contents


@pytest.mark.parametrize("name", [".inkwash-lock", "file.part", ".lock"])
def test_a_link_in_a_data_folder_is_not_written_through(server: Server, home: Path, name: str) -> None:
    """The names that a download writes to; that of earlier versions is no longer opened."""
    precious = home / "precious"
    precious.write_text("mine")
    (home / "set").mkdir()
    (home / "set" / name).symlink_to(precious)
    contents = os.urandom(1000)
    url = server.add("one", Mirror(contents))

    def fetch() -> Path:
        return find_or_fetch("file", "set", hashlib.sha256(contents).hexdigest(), [url], home)

    if name == ".lock":
        assert fetch().read_bytes() == contents
    else:
        with pytest.raises(UsageError, match="is a link or no plain file"):
            fetch()
    assert precious.read_text() == "mine"


def test_captions_with_half_a_character(tmp_path: Path) -> None:
    from PIL import Image

    from inkwash.data import folder

    for i in range(3):
        Image.new("L", (4, 4), i).save(tmp_path / f"{i}.png")
    lines = [f'{{"file_name": "{i}.png", "text": "a"}}' for i in range(2)]
    (tmp_path / "captions.jsonl").write_text("\n".join([*lines, r'{"file_name": "2.png", "text": "\ud83d"}']))
    with pytest.raises(UsageError, match=r"captions.jsonl, line 3: .* half a character"):
        folder(tmp_path)


def test_large_images_of_16_bits_need_little_memory(tmp_path: Path) -> None:
    """A table of 65,536 values, not floating-point images."""
    from PIL import Image

    from inkwash.data.picture import decode

    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert np.array_equal(decode(tmp_path / "a.png", None, 1)[0], np.rint(values / 257))
    file = io.BytesIO((tmp_path / "a.png").read_bytes())
    assert Image.open(file, formats=["PNG"]).mode.startswith("I")


def test_a_first_line_that_is_no_csv(tmp_path: Path) -> None:
    from inkwash.data.tables import columns

    (tmp_path / "captions.csv").write_text('file_name,"' + "x" * 200_000)
    with pytest.raises(UsageError, match=r"captions.csv, line 1 is no CSV \(field larger than field limit"):
        columns(tmp_path / "captions.csv")
