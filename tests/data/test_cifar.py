"""CIFAR-10 from each of its sources: small ones made here, and the JPEGs where this machine has them."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_web import Mirror, Server

from inkwash.data.cifar import CLASSES, cifar10
from inkwash.errors import InkwashError, UsageError

module = sys.modules[cifar10.__module__]
EACH = 4  # records a file


def records(seed: int) -> np.ndarray:
    made = np.random.default_rng(seed).integers(0, 256, (EACH, 3073), dtype=np.uint8)
    made[:, 0] %= 10
    return made


FILES = {f"data_batch_{i}.bin": records(i).tobytes() for i in range(1, 6)} | {"test_batch.bin": records(6).tobytes()}


def tar(files: dict[str, bytes]) -> bytes:
    """As the original is laid out, with other files among them."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as archive:
        for name, contents in {"readme.html": b"<p>", **files}.items():
            entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            entry.size = len(contents)
            archive.addfile(entry, io.BytesIO(contents))
    return held.getvalue()


def unpack(place: Path, files: dict[str, bytes] = FILES) -> Path:
    folder = place / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    for name, contents in files.items():
        (folder / name).write_bytes(contents)
    return folder


def jpeg(shade: int, side: int = 32) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (side, side), (shade, 255 - shade, 30)).save(held, "JPEG", quality=95)
    return held.getvalue()


def pack(path: Path, changed: dict[str, bytes] | None = None) -> Path:
    """Two JPEGs a class and split, in no order; image `number` of class c has the shade 20·c + 5·number."""
    files = {
        f"{split}/{name}/{number:04d}.jpg": jpeg(20 * c + 5 * number)
        for number in (1, 0)
        for split in ("train", "test")
        for c, name in enumerate(CLASSES)
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, contents in {"train/": b"", **files, **(changed or {})}.items():
            archive.writestr(zipfile.ZipInfo(name), contents)  # dated 1980, so that the same files give the same zip
    return path


@pytest.fixture(autouse=True)
def _small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cache and no network, and the checksums of FILES for the real ones."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    sums = {name: hashlib.sha256(contents).hexdigest() for name, contents in FILES.items()}
    monkeypatch.setattr(module, "_FILES", {s: {n: sums[n] for n in names} for s, names in module._FILES.items()})
    monkeypatch.setattr(module, "_MIRRORS", ())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def archived(home: Path) -> Path:
    path = home / "cifar-10-binary.tar.gz"
    path.write_bytes(tar(FILES))
    return path


# ---- the original


@pytest.mark.parametrize("place", [archived, unpack])
@pytest.mark.parametrize("below", [".", "cifar10"])
def test_the_records_as_they_are(home: Path, place: Callable[[Path], Path], below: str) -> None:
    (home / below).mkdir(exist_ok=True)
    place(home / below)
    for split, seeds in (("train", range(1, 6)), ("test", [6])):
        source = cifar10(split, home)
        expected = np.concatenate([records(seed) for seed in seeds])
        assert (source.name, source.split, source.classes) == ("cifar10", split, CLASSES)
        assert source.pixels.shape == (len(expected), 3, 32, 32)
        assert source.pixels.is_contiguous()
        assert np.array_equal(source.pixels.flatten(1), expected[:, 1:])
        assert np.array_equal(source.labels, expected[:, 0])
        source.pixels.zero_()  # can be written to
    assert not (home.parent / "cache").exists()


def test_a_tar_that_is_not_gzipped(home: Path) -> None:
    (home / "cifar-10-binary.tar").write_bytes(gzip.decompress(tar(FILES)))
    assert len(cifar10("test", home)) == EACH


def test_it_is_downloaded_where_nothing_is_there(home: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = tar(FILES)
    mirror = Mirror(packed)
    wrong = Mirror(tar({}))  # a whole archive, but another
    monkeypatch.setattr(module, "_MIRRORS", (server.add("wrong", wrong), server.add("right", mirror)))
    monkeypatch.setattr(module, "_SHA256", hashlib.sha256(packed).hexdigest())
    assert len(cifar10("train", home)) == 5 * EACH
    assert (home / "cifar10" / "cifar-10-binary.tar.gz").read_bytes() == packed
    assert len(cifar10("test", home)) == EACH
    assert (len(wrong.asked), len(mirror.asked)) == (1, 1)


def test_the_original_comes_before_the_jpegs(home: Path) -> None:
    pack(home / "cifar10-jpeg.zip")
    assert cifar10("test", home).name == "cifar10-jpeg"
    folder = unpack(home / "cifar10")
    assert cifar10("test", home).name == "cifar10"
    for file in folder.iterdir():  # the archive comes before its folder
        file.write_bytes(b"")
    archived(home)
    assert len(cifar10("test", home)) == EACH


def test_what_is_wrong_with_an_archive(home: Path) -> None:
    path = archived(home)
    whole = path.read_bytes()
    for end in (0, 1, 20, 2000, len(whole) // 2):
        path.write_bytes(whole[:end])
        with pytest.raises(InkwashError, match=r"cifar-10-binary\.tar\.gz .* Delete it and run again"):
            cifar10("train", home)
    path.write_bytes(tar({"test_batch.bin": FILES["test_batch.bin"]}))
    assert len(cifar10("test", home)) == EACH
    with pytest.raises(InkwashError, match=r"ends without data_batch_1\.bin, .*data_batch_5\.bin: it is cut short"):
        cifar10("train", home)


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        (FILES["test_batch.bin"][:-1], f"has {EACH * 3073 - 1} bytes, where records of 3073 bytes were expected"),
        (b"", "has 0 bytes"),
        (b"\x0a" + FILES["test_batch.bin"][1:], r"has the label 10, where 0\.\.9 were expected"),
        (records(7).tobytes(), r"not the original file of CIFAR-10: its sha256 is [0-9a-f]{64}, expected"),
    ],
)
def test_what_is_wrong_with_a_file(home: Path, contents: bytes, said: str) -> None:
    folder = unpack(home, FILES | {"test_batch.bin": contents})
    with pytest.raises(InkwashError, match=rf"test_batch\.bin .*{said}"):
        cifar10("test", home)
    assert len(cifar10("train", home)) == 5 * EACH
    (folder / "test_batch.bin").unlink()
    with pytest.raises(InkwashError, match=r"test_batch\.bin cannot be read \(No such file.*Delete .* and run again"):
        cifar10("test", home)


# ---- the JPEGs


def test_jpegs_by_number_with_the_classes_in_turn(home: Path) -> None:
    pack(home / "cifar10-jpeg.zip")
    for split in ("train", "test"):
        source = cifar10(split, home)
        assert (source.name, source.split, source.classes) == ("cifar10-jpeg", split, CLASSES)
        assert np.array_equal(source.labels, [*range(10), *range(10)])
        shade = torch.tensor([20 * c + 5 * number for number in (0, 1) for c in range(10)])
        expected = torch.stack([shade, 255 - shade, torch.full_like(shade, 30)], dim=1)[:, :, None, None]
        assert (source.pixels.long() - expected).abs().max() <= 4


def test_they_are_decoded_once(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pack(home / "cifar10-jpeg.zip")
    first = cifar10("train", home)
    (kept,) = (tmp_path / "cache/inkwash/cifar10").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(module, "_decoded", None)
        assert cifar10("train", home).fingerprint == first.fingerprint
    pack(path, {"train/dog/0001.jpg": jpeg(250)})  # another zip of the same name
    assert cifar10("train", home).fingerprint != first.fingerprint
    pack(path)
    whole = kept.read_bytes()
    for damaged in (whole[:-1], b"", whole[:5000] + b"?" + whole[5001:]):
        kept.write_bytes(damaged)
        assert cifar10("train", home).fingerprint == first.fingerprint
        assert kept.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_done_without(home: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    pack(home / "cifar10-jpeg.zip")
    assert len(cifar10("test", home)) == 20


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"test/frog/0001.jpg": jpeg(9)[:-200]}, r"test/frog/0001\.jpg cannot be decoded"),
        ({"test/frog/0001.jpg": b"<html>"}, r"test/frog/0001\.jpg cannot be decoded"),
        ({"test/frog/0001.jpg": jpeg(9, 31)}, r"test/frog/0001\.jpg has 31×31 pixels, where 32×32 were expected"),
    ],
)
def test_jpegs_that_are_damaged(home: Path, tmp_path: Path, changed: dict[str, bytes], said: str) -> None:
    pack(home / "cifar10-jpeg.zip", changed)
    with pytest.raises(InkwashError, match=rf"cifar10-jpeg\.zip: {said}.*remove it and run again"):
        cifar10("test", home)
    assert not (tmp_path / "cache").exists()
    assert len(cifar10("train", home)) == 20


def test_a_zip_that_is_another_or_damaged(home: Path) -> None:
    path = home / "cifar10-jpeg.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in CLASSES[:8]:
            archive.writestr(f"train/{name}/0000.jpg", jpeg(1))
    with pytest.raises(InkwashError, match=r"no images train/CLASS/NUMBER\.jpg for the class\(es\) ship, truck\."):
        cifar10("train", home)
    path.write_bytes(pack(path).read_bytes()[:-100])
    with pytest.raises(InkwashError, match="is no whole zip file"):
        cifar10("test", home)


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_real_jpegs(data_dir: Path, split: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 of each class."""
    path = data_dir / "cifar10-jpeg.zip"
    if not path.is_file():
        pytest.skip("needs cifar10-jpeg.zip in $INKWASH_DATA")
    some = module._members
    monkeypatch.setattr(module, "_members", lambda *asked: some(*asked)[:2000])
    source = module._images("cifar10-jpeg", split, module._decoded(path, split))
    assert source.labels.bincount().tolist() == [200] * 10
    mean = source.pixels.float().mean((0, 2, 3)) / 255
    assert (mean - torch.tensor([0.4914, 0.4822, 0.4465])).abs().max() < 0.01  # the original's well-known mean


# ---- what was asked


def test_what_was_asked_wrongly(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'val'"):
        cifar10("val")
    with pytest.raises(UsageError, match="not a folder"):
        cifar10("test", tmp_path / "nowhere")


def batches(home: Path, changed: int = 0) -> Path:
    """The same images as torchvision unpacks them."""
    folder = home / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list(CLASSES)}, 2))
    for name, content in FILES.items():
        made = np.frombuffer(content, np.uint8).reshape(EACH, 3073).copy()
        made[0, 1] += changed
        batch = {"data": made[:, 1:], "labels": made[:, 0].tolist()}
        (folder / name.removesuffix(".bin")).write_bytes(pickle.dumps(batch, 2))
    return folder


def test_the_batches_of_torchvision(tmp_path: Path) -> None:
    batches(tmp_path / "py")
    unpack(tmp_path / "bin")
    for split in ("train", "test"):
        there, here = cifar10(split, tmp_path / "bin"), cifar10(split, tmp_path / "py")
        assert (here.name, here.fingerprint) == (there.name, there.fingerprint)


def test_batches_that_are_not_the_original(tmp_path: Path) -> None:
    folder = batches(tmp_path / "py", changed=1)
    with pytest.raises(InkwashError, match="does not hold the original images"):
        cifar10("train", tmp_path / "py")
    (folder / "test_batch").unlink()
    with pytest.raises(InkwashError, match="lacks the images of test"):
        cifar10("test", tmp_path / "py")
