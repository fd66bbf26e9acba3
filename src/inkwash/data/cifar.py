"""CIFAR-10: 50,000 training and 10,000 test images of ten classes, colour, 32×32 (Krizhevsky 2009)."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inkwash.atomic import replacing
from inkwash.data.cifar_python import TEN, CifarPython
from inkwash.data.fetch import cache_folder, data_folder, find_or_fetch
from inkwash.data.idx import AGAIN, SPARE
from inkwash.data.picture import quiet_pillow
from inkwash.data.regular import open_regular
from inkwash.data.sealed import seal
from inkwash.data.source import Images, check_split
from inkwash.data.streamed import WORKERS
from inkwash.errors import InkwashError

CLASSES = TEN

_SHAPE = (3, 32, 32)
_RECORD = 1 + 3 * 32 * 32  # bytes: the label, then the pixels
_SEAL = 64  # bytes at the end of cached pixels
_FOLDER = "cifar10"
_ARCHIVE = "cifar-10-binary.tar.gz"
_UNPACKED = "cifar-10-batches-bin"
_PYTHON = "cifar-10-batches-py"
_ZIP = "cifar10-jpeg.zip"
_BATCH, _TAR = 10_000 * _RECORD, 2**28  # bytes of a file of records, and at most of the unpacked archive
_JPEG, _MEMBERS = 2**20, 60_000  # bytes of an image in the zip, and images of a split, at most
_MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)
# sha256 of the archive: its author publishes only an md5; several public projects list this for the same file
_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
_FILES = {  # of each split, with the sha256 of the contents
    "train": {
        "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
        "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
        "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
        "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
        "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    },
    "test": {"test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"},
}
_OR_THE_ORIGINAL = "Replace it, or remove it and run again: the original will be downloaded."


def cifar10(split: str, data_dir: str | Path | None = None) -> Images:
    """CIFAR-10: uint8 [50000,3,32,32] for "train" and [10000,3,32,32] for "test", labels 0..9.

    Reads the first of these that exists in the data folder (see `find_or_fetch`) or its subfolder cifar10/:
    the original cifar-10-binary.tar.gz, without unpacking it; its unpacked folder cifar-10-batches-bin/;
    cifar-10-batches-py/, the same images as torchvision unpacks them, whose pickles run no code;
    cifar10-jpeg.zip, with JPEG images train|test/CLASS/NUMBER.jpg. If none exists, the original (162 MiB) is
    downloaded.

    JPEG pixels differ from the original's, so that set is named "cifar10-jpeg". Its images are sorted by number and
    the classes alternate; they are decoded once and cached in `cache_folder()`/cifar10.

    Raises UsageError for another split or a `data_dir` that is not a folder; InkwashError if the files cannot
    be obtained, are damaged, or are not the original.
    """
    check_split(split)
    root = data_folder(data_dir)
    places = (root, root / _FOLDER)
    archives = (place / name for place in places for name in (_ARCHIVE, _ARCHIVE.removesuffix(".gz")))
    if (archive := _first(archives, Path.is_file)) is not None:
        return _original(archive, split)
    if (unpacked := _first((place / _UNPACKED for place in places), Path.is_dir)) is not None:
        return _original(unpacked, split)
    if (batches := _first((place / _PYTHON for place in places), Path.is_dir)) is not None:
        return _from_batches(batches, split)
    if (packed := _first((place / _ZIP for place in places), Path.is_file)) is not None:
        return _from_jpegs(packed, split)
    return _original(find_or_fetch(_ARCHIVE, _FOLDER, _SHA256, _MIRRORS, data_dir, packed=True, at_most=_TAR), split)


def _first(paths: Iterable[Path], there: Callable[[Path], bool]) -> Path | None:
    return next(filter(there, paths), None)


def _original(where: Path, split: str) -> Images:
    """From the archive or its unpacked folder."""
    wanted = _FILES[split]
    contents = _read_folder(where, wanted) if where.is_dir() else _read_tar(where, wanted)
    parts = [_records(contents[name], where / name) for name in wanted]  # first: its errors are more precise
    for name, expected in wanted.items():
        found = hashlib.sha256(contents[name]).hexdigest()
        if found != expected:
            raise InkwashError(
                f"{where / name} is not the original file of CIFAR-10: its sha256 is {found}, expected {expected}. "
                f"{_again(where)}"
            )
    return _images("cifar10", split, np.concatenate(parts))


def _from_batches(folder: Path, split: str) -> Images:
    """From Python batches, which must hold the records of the original files."""
    found = CifarPython.read(folder).get(split)
    if found is None or found.labels is None:
        raise InkwashError(f"{folder} lacks the images of {split}. {_OR_THE_ORIGINAL}")
    flat = found.pixels.flatten(1).numpy()
    records = np.concatenate([found.labels.numpy().astype(np.uint8)[:, None], flat], 1)
    digests = [hashlib.sha256(part.tobytes()).hexdigest() for part in np.array_split(records, len(_FILES[split]))]
    if digests != list(_FILES[split].values()):
        raise InkwashError(f"{folder} does not hold the original images of CIFAR-10. {_OR_THE_ORIGINAL}")
    return found


def _read_folder(folder: Path, wanted: Iterable[str]) -> dict[str, bytes]:
    try:
        return {name: _contents(folder / name) for name in wanted}
    except OSError as error:
        raise InkwashError(f"{error.filename} cannot be read ({error.strerror}). {_again(folder)}") from error


def _contents(file: Path) -> bytes:
    with open_regular(file, _BATCH + SPARE) as opened:
        return opened.read()


def _read_tar(path: Path, wanted: Iterable[str]) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    missing = set(wanted)
    try:
        opener = gzip.open if path.suffix == ".gz" else Path.open
        with opener(path, "rb") as opened, tarfile.open(fileobj=_Bounded(opened, _TAR), mode="r:") as archive:
            for member in archive:  # in file order, since gzip cannot seek, and no further than needed
                if member.size > _BATCH + SPARE:
                    raise tarfile.ReadError(f"{member.name} of {member.size:,} bytes")
                file = archive.extractfile(member) if PurePosixPath(member.name).name in missing else None
                if file is not None:
                    contents[PurePosixPath(member.name).name] = file.read()
                    missing -= contents.keys()
                if not missing:
                    return contents
    except Exception as error:  # damaged archives make the readers raise anything
        raise InkwashError(f"{path} is truncated or damaged ({error}). {AGAIN}") from error
    raise InkwashError(f"{path} ends without {', '.join(sorted(missing))}: it is cut short or another file. {AGAIN}")


class _Bounded(io.RawIOBase):
    """A file for reading that raises OSError for more than `left` bytes, before they are unpacked."""

    def __init__(self, file: Any, left: int) -> None:
        self._file, self._left, self._place = file, left, 0

    def read(self, size: int = -1) -> bytes:
        if size < 0 or self._place + size > self._left:
            raise OSError(f"it unpacks to more than {self._left:,} bytes")
        content: bytes = self._file.read(size)
        self._place += len(content)
        return content

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence != 0 or offset > self._left:
            raise OSError(f"it unpacks to more than {self._left:,} bytes")
        self._place = self._file.seek(offset)
        return self._place

    def tell(self) -> int:
        return self._place


def _again(path: Path) -> str:
    return f"Delete {path} and run again: it will be downloaded anew."


def _records(contents: bytes, path: Path) -> NDArray[np.uint8]:
    """The records of one file: uint8 [N,3073], a label and the pixels; `path` is for the error messages."""
    if not contents or len(contents) % _RECORD:
        raise InkwashError(
            f"{path} has {len(contents)} bytes, where records of {_RECORD} bytes were expected: it is cut short, or "
            "no file of CIFAR-10's binary version. Delete it and run again."
        )
    records = np.frombuffer(contents, np.uint8).reshape(-1, _RECORD)
    if (highest := int(records[:, 0].max())) >= len(CLASSES):
        raise InkwashError(
            f"{path} has the label {highest}, where 0..{len(CLASSES) - 1} were expected: it is damaged, or no file of "
            "CIFAR-10's binary version. Delete it and run again."
        )
    return records


def _images(name: str, split: str, records: NDArray[np.uint8]) -> Images:
    pixels = records[:, 1:].reshape(-1, *_SHAPE).copy()  # contiguous and writable
    return Images(name, split, torch.from_numpy(pixels), torch.from_numpy(records[:, 0].astype(np.int64)), CLASSES)


def _from_jpegs(path: Path, split: str) -> Images:
    """Reads the zip, or the cached pixels of the same zip."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InkwashError(f"{path} cannot be read ({error.strerror}).") from error
    cached = cache_folder() / _FOLDER / f"jpeg-{digest[:16]}-{split}.bin"
    if cached.is_file():
        content = np.frombuffer(cached.read_bytes(), np.uint8)
        records, sealed = content[:-_SEAL], content[-_SEAL:].tobytes()
        if seal(cached.name, records).encode() == sealed:
            return _images("cifar10-jpeg", split, _records(records.tobytes(), cached))
    records = _decoded(path, split)
    with suppress(InkwashError), replacing(cached) as temporary:  # without a writable cache, it is decoded each time
        temporary.write_bytes(records.tobytes() + seal(cached.name, records.reshape(-1)).encode())
    return _images("cifar10-jpeg", split, records)


def _decoded(path: Path, split: str) -> NDArray[np.uint8]:
    """The split's JPEGs as records, uint8 [N,3073]."""
    from tqdm import tqdm

    try:
        with zipfile.ZipFile(path) as archive, quiet_pillow(), ThreadPoolExecutor(WORKERS) as pool:
            members = _members([each.filename for each in archive.infolist() if each.file_size <= _JPEG], split, path)
            done = pool.map(lambda member: _record(path, archive, *member), members)
            return np.stack(list(tqdm(done, total=len(members), desc=f"{path.stem} {split}", unit="image", delay=2)))
    except (zipfile.BadZipFile, OSError) as error:
        raise InkwashError(f"{path} is no whole zip file ({error}). {_OR_THE_ORIGINAL}") from error


def _members(names: Iterable[str], split: str, path: Path) -> list[tuple[str, int]]:
    """The split's files with their labels, sorted by number; the classes alternate."""
    pattern = re.compile(rf"{split}/({'|'.join(CLASSES)})/([0-9]{{1,9}})\.jpg")
    found = [(int(match[2]), CLASSES.index(match[1]), match[0]) for match in map(pattern.fullmatch, names) if match]
    missing = [name for label, name in enumerate(CLASSES) if all(label != other for _, other, _ in found)]
    if missing:
        raise InkwashError(
            f"{path} has no images {split}/CLASS/NUMBER.jpg for the class(es) {', '.join(missing)}. {_OR_THE_ORIGINAL}"
        )
    if len(found) > _MEMBERS:
        raise InkwashError(
            f"{path} has {len(found):,} images for {split}, where {_MEMBERS:,} are most. {_OR_THE_ORIGINAL}"
        )
    return [(name, label) for _, label, name in sorted(found)]


class _SizeError(Exception):
    """An image is not of 32×32 pixels."""


def _record(path: Path, archive: zipfile.ZipFile, name: str, label: int) -> NDArray[np.uint8]:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(archive.read(name)), formats=("JPEG",)) as image:
            if image.size != (32, 32):  # before it is decoded
                raise _SizeError(image.size)
            pixels = np.asarray(image.convert("RGB"))  # [H,W,3]
    except _SizeError as error:
        width, height = error.args[0]
        raise InkwashError(
            f"{path}: {name} has {width}×{height} pixels, where 32×32 were expected. {_OR_THE_ORIGINAL}"
        ) from None
    except Exception as error:  # damaged files make Pillow's readers raise any exception
        raise InkwashError(f"{path}: {name} cannot be decoded ({error}). {_OR_THE_ORIGINAL}") from error
    return np.concatenate([np.full(1, label, np.uint8), pixels.transpose(2, 0, 1).ravel()])
