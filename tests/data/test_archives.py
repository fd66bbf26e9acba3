"""Zip and tar archives: the same images as the folder that they were made from, and nothing outside of them."""

from __future__ import annotations

import io
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inkwash.data import Streamed, folder, load
from inkwash.data.packed import ENDINGS, _indexed
from inkwash.errors import UsageError

FORMS = {".zip": "zip", ".tar": "tar", ".tar.gz": "gztar", ".tar.bz2": "bztar", ".tar.xz": "xztar"}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def png(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 7, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Splits, classes and captions."""
    root = tmp_path / "pets"
    for i in range(12):
        place = root / ("train" if i < 9 else "test") / ("cats" if i % 2 else "dogs")
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{i}.png").write_bytes(png(i))
        (place / f"{i}.txt").write_text(f"pet {i}")
    (root / "train" / ".hidden").write_text("x")
    return root


def packed(root: Path, ending: str, inner: str = ".") -> Path:
    made = shutil.make_archive(str(root.parent / "packed" / root.name), FORMS[ending], root.parent, root.name)
    return Path(made)


@pytest.mark.parametrize("ending", FORMS)
def test_an_archive_is_the_folder_it_was_made_from(pets: Path, ending: str) -> None:
    assert ending in ENDINGS
    path = packed(pets, ending)
    assert path.name == f"pets{ending}"
    for split in ("train", "test"):
        for limit in (0, 1 << 20):
            there = folder(pets, split=split, in_memory_bytes=limit)
            here = folder(path, split=split, in_memory_bytes=limit)
            everything = torch.arange(len(there))
            assert torch.equal(here.take(everything), there.take(everything))
            assert (here.name, here.classes, here.captions) == ("pets", ("cats", "dogs"), there.captions)
            assert torch.equal(here.labels, there.labels)
            assert here.fingerprint == there.fingerprint
    assert load(path, "train").notes[0].startswith("pets/ is the only folder of the archive")


def test_images_without_a_folder_round_them(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(4):
            archive.writestr(f"{i}.png", png(i))
        archive.writestr("__MACOSX/._0.png", b"junk")
    source = folder(tmp_path / "a.zip")
    assert (len(source), source.classes, source.files[1]) == (4, (), "1.png")
    with zipfile.ZipFile(tmp_path / "a.zip", "a") as archive:
        archive.writestr("bad.png", b"no image")
    assert folder(tmp_path / "a.zip", unreadable="skip").skipped == (tmp_path / "a.zip" / "bad.png",)


def test_an_archive_among_images_is_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(png(0))
    zipfile.ZipFile(tmp_path / "a.zip", "w").close()
    with pytest.raises(
        UsageError, match=r"a\.zip \(not an image .*, but an archive or a table, which is read where its"
    ):
        folder(tmp_path)


def test_a_table_of_captions_and_odd_names(tmp_path: Path) -> None:
    names = ("a/12:30.png", "a/b/café 1.png", "c/#3")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for i, name in enumerate(names):
            archive.writestr(name, png(i))
        rows = [f'{{"file_name": "{name}", "text": "image {i}"}}' for i, name in enumerate(names)]
        archive.writestr("metadata.jsonl", "\n".join(rows))
    for pages in ("first", "all"):
        source = folder(tmp_path / "a.zip", pages=pages)
        assert source.captions == (("image 0",), ("image 1",), ("image 2",))
        assert source.classes == ("a", "c")


def test_a_streamed_archive_is_read_by_threads(pets: Path) -> None:
    source = folder(packed(pets, ".zip"), in_memory_bytes=0, splits="none")
    assert isinstance(source, Streamed)
    chosen = torch.arange(12).repeat(20)
    assert torch.equal(source.take(chosen)[:12], source.take(torch.arange(12)))


def test_an_unpacked_archive_is_sealed(pets: Path, tmp_path: Path) -> None:
    path = packed(pets, ".tar.gz")
    before = folder(path).fingerprint
    (held,) = (tmp_path / "cache" / "inkwash" / "unpacked").glob("*.tar")
    content = bytearray(held.read_bytes())
    content[-20_000] ^= 255
    held.write_bytes(bytes(content))
    _indexed.cache_clear()
    assert folder(path).fingerprint == before
    assert held.read_bytes() != bytes(content)


CLIMBING = ("../evil.png", "/evil.png", "a/../../evil.png", "..\\evil.png", "C:/evil.png")


@pytest.mark.parametrize("name", CLIMBING)
@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_paths_that_climb_out_are_refused(tmp_path: Path, name: str, ending: str) -> None:
    path = tmp_path / "in" / f"a{ending}"
    path.parent.mkdir()
    content = png(0)
    if ending == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, content)
    else:
        with tarfile.open(path, "w") as tar:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    with pytest.raises(UsageError, match="a path that leads out of the archive"):
        load(path, "train")
    assert [each.name for each in tmp_path.rglob("*.png")] == []


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(png(9))
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for i in range(3):
            info = tarfile.TarInfo(f"{i}.png")
            info.size = len(png(i))
            tar.addfile(info, io.BytesIO(png(i)))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
            info = tarfile.TarInfo(f"link{kind.decode()}.png")
            info.type, info.linkname = kind, str(tmp_path / "secret.png")
            tar.addfile(info)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for i in range(3):
            archive.writestr(f"{i}.png", png(i))
        link = zipfile.ZipInfo("link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, str(tmp_path / "secret.png"))
    for path, count in ((tmp_path / "a.tar", 4), (tmp_path / "a.zip", 1)):
        source = folder(path)
        assert len(source) == 3
        assert f"Left out: {count} file(s)" in source.notes[0]
        assert "(links or devices)" in source.notes[0]


def _zip_bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.png", bytes(2**22))


def _tar_bomb(path: Path) -> None:
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("0.png")
        info.size = 2**22
        archive.addfile(info, io.BytesIO(bytes(2**22)))


def _cut(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("0.png", png(0))
    path.write_bytes(path.read_bytes()[:-30])


BAD: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "bomb": ("a.zip", _zip_bomb, "as images never do"),
    "bomb of gzip": ("a.tar.gz", _tar_bomb, "as images never do"),
    "cut": ("a.zip", _cut, "no whole zip archive"),
    "no zip": ("a.zip", lambda path: path.write_bytes(b"GIF89a" * 100), "no whole zip archive"),
    "no tar": ("a.tar", lambda path: path.write_bytes(b"GIF89a" * 100), "no whole tar archive"),
    "empty": ("a.tar", lambda path: path.write_bytes(b""), "no whole tar archive"),
    "no gzip": ("a.tar.gz", lambda path: path.write_bytes(b"\x1f\x8b" + b"x" * 100), "no whole tar archive"),
    "no images": ("a.zip", lambda path: zipfile.ZipFile(path, "w").close(), "holds no images"),
}


@pytest.mark.parametrize(("name", "make", "words"), BAD.values(), ids=BAD)
def test_bad_archives(
    tmp_path: Path, name: str, make: Callable[[Path], object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inkwash.data.unpacked._SMALL", 2**20)  # in place of 256 MiB
    path = tmp_path / "in" / name
    path.parent.mkdir()
    make(path)
    with pytest.raises(UsageError, match=words):
        load(path, "train")
    assert not list((tmp_path / "cache").rglob("*.tar"))


def test_a_tar_that_is_cut_short_anywhere(pets: Path) -> None:
    path = packed(pets, ".tar")
    whole = path.read_bytes()
    end = len(whole.rstrip(b"\0"))
    for size in (100, 512, 5_000, end // 2, end - 600, end):
        path.write_bytes(whole[:size])
        with pytest.raises(UsageError, match="no whole tar archive"):
            folder(path)
    path.write_bytes(whole + whole)
    with pytest.raises(UsageError, match="it goes on after its end"):
        folder(path)


@pytest.mark.parametrize("part", ["size", "method", "encrypted", "content", "place"])
def test_a_damaged_file_in_a_zip_is_one_unreadable_image(tmp_path: Path, part: str) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(3):
            archive.writestr(f"{i}.png", png(i))
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02")  # of the last file
    place = {"size": entry + 24, "method": entry + 10, "encrypted": entry + 8, "place": entry + 42}
    content[place.get(part, content.rindex(b"PK\x03\x04") + 60)] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(UsageError, match=r"1 of the 3 files .* cannot be read as images: .*2\.png"):
        folder(path)
    assert len(folder(path, unreadable="skip")) == 2
