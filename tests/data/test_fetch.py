from __future__ import annotations

import gzip
import hashlib
import io
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from small_web import Mirror, Server

from inkwash.data.fetch import find_or_fetch
from inkwash.errors import InkwashError, UsageError

TEXT = np.random.default_rng(0).integers(0, 16, 200_000, dtype=np.uint8).tobytes()
SHA = hashlib.sha256(TEXT).hexdigest()
PACKED = gzip.compress(TEXT, 9, mtime=0)
OTHERWISE = gzip.compress(TEXT, 1, mtime=0)  # the same contents, packed differently
NAME = "letters.gz"


@pytest.fixture(autouse=True)
def _empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INKWASH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def fetch(home: Path | None, *mirrors: str) -> Path:
    return find_or_fetch(NAME, "set", SHA, mirrors, home)


def test_downloads_once_and_leaves_nothing_half_done(server: Server, home: Path) -> None:
    mirror = Mirror(PACKED)
    url = server.add("one", mirror)
    path = fetch(home, url)
    assert path == home / "set" / NAME
    assert path.read_bytes() == PACKED
    assert fetch(home, url) == path
    assert mirror.asked == [""]
    assert {file.name for file in path.parent.iterdir()} == {NAME}


@pytest.mark.parametrize("name", [NAME, "letters"])
def test_a_file_that_is_there_is_used_packed_or_not(home: Path, name: str) -> None:
    (home / "set").mkdir()
    (home / "set" / name).write_bytes(b"anything")
    assert fetch(home) == home / "set" / name


def test_the_folders_in_turn(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = server.add("one", Mirror(PACKED))
    assert fetch(None, url) == tmp_path / "cache/inkwash/set" / NAME
    monkeypatch.setenv("INKWASH_DATA", str(tmp_path / "told"))  # need not exist yet
    assert fetch(None, url) == tmp_path / "told/set" / NAME
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("INKWASH_DATA")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert fetch(None, url) == tmp_path / "home/.cache/inkwash/set" / NAME


def test_a_data_folder_that_cannot_be_written_gives_way_to_the_cache(
    server: Server, tmp_path: Path, home: Path
) -> None:
    (home / "set").write_text("a file where the folder should be")
    mirror = Mirror(PACKED)
    url = server.add("one", mirror)
    for _ in range(2):
        assert fetch(home, url) == tmp_path / "cache/inkwash/set" / NAME
    assert len(mirror.asked) == 1
    (tmp_path / "cache/inkwash").rename(tmp_path / "moved")
    (tmp_path / "cache/inkwash").write_text("no folder either")
    with pytest.raises(InkwashError, match="can be written"):
        fetch(home, url)


def test_resumes_where_it_broke_off_with_the_next_mirror(server: Server, home: Path) -> None:
    dying, well = Mirror(PACKED, dies_after=40_000), Mirror(PACKED)
    path = fetch(home, server.add("dying", dying), server.add("well", well))
    assert path.read_bytes() == PACKED
    assert well.asked == ["bytes=32768-"]


def test_resumes_in_the_next_run(server: Server, home: Path) -> None:
    mirror = Mirror(PACKED, dies_after=40_000)
    url = server.add("one", mirror)
    with pytest.raises(InkwashError, match="broke off"):
        fetch(home, url)
    mirror.dies_after = None
    assert fetch(home, url).read_bytes() == PACKED
    assert mirror.asked == ["", "bytes=32768-"]


def test_a_server_without_ranges_starts_afresh(server: Server, home: Path) -> None:
    (home / "set").mkdir()
    (home / "set" / f"{NAME}.part").write_bytes(PACKED[:40_000])
    assert fetch(home, server.add("one", Mirror(PACKED, ranges=False))).read_bytes() == PACKED


def test_a_download_that_was_complete_but_not_yet_renamed(server: Server, home: Path) -> None:
    (home / "set").mkdir()
    (home / "set" / f"{NAME}.part").write_bytes(PACKED)
    mirror = Mirror(PACKED)
    assert fetch(home, server.add("one", mirror)).read_bytes() == PACKED
    assert len(mirror.asked) == 1


def test_a_beginning_that_does_not_fit_the_rest_is_thrown_away(server: Server, home: Path) -> None:
    other = Mirror(OTHERWISE)
    path = fetch(home, server.add("dying", Mirror(PACKED, dies_after=40_000)), server.add("other", other))
    assert path.read_bytes() == OTHERWISE
    assert other.asked == ["bytes=32768-", ""]


WRONG = {
    "a login page": b"<html>Please log in</html>",
    "another file": gzip.compress(b"others", mtime=0),
    "cut short": PACKED[:-90],
    "two bytes": b"\x1f\x8b",
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_wrong_bytes_send_it_to_the_next_mirror(server: Server, home: Path, wrong: bytes) -> None:
    well = Mirror(PACKED)
    path = fetch(home, server.add("wrong", Mirror(wrong)), server.add("well", well))
    assert path.read_bytes() == PACKED
    assert well.asked == [""]  # nothing of the wrong bytes was kept


def test_a_checksum_of_the_file_as_it_comes(server: Server, home: Path) -> None:
    other, well = Mirror(OTHERWISE), Mirror(PACKED)
    mirrors = (server.add("other", other), server.add("well", well))
    path = find_or_fetch(NAME, "set", hashlib.sha256(PACKED).hexdigest(), mirrors, home, packed=True)
    assert path.read_bytes() == PACKED
    assert other.asked == [""]  # the same contents, packed differently, were not taken


def test_when_no_mirror_delivers_one_sentence_says_what_to_do(server: Server, home: Path) -> None:
    mirrors = (
        server.add("gone", Mirror(status=404)),
        server.add("wrong", Mirror(b"wrong")),
        "http://127.0.0.1:1/",  # nobody listens there
    )
    with pytest.raises(InkwashError) as caught:
        fetch(home, *mirrors)
    said = str(caught.value)
    assert f"{mirrors[0]}{NAME} (HTTP status 404)" in said
    assert f"{mirrors[1]}{NAME} (the checksum is wrong)" in said
    assert f"{mirrors[2]}{NAME} (no connection)" in said
    assert str(home / "set" / NAME) in said
    assert not isinstance(caught.value, UsageError)


def test_a_data_folder_that_does_not_exist_was_asked_wrongly(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a folder"):
        fetch(tmp_path / "nowhere")


def test_several_at_once_download_once(server: Server, home: Path) -> None:
    mirror = Mirror(PACKED)
    url = server.add("one", mirror)
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: fetch(home, url), range(4)))
    assert set(paths) == {home / "set" / NAME}
    assert len(mirror.asked) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="file locks are fcntl's")
def test_one_that_waits_says_so_and_uses_what_the_other_brought(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    (home / "set").mkdir()
    waiting = threading.Event()

    class Stderr(io.StringIO):
        def write(self, text: str) -> int:
            waiting.set()
            return super().write(text)

    monkeypatch.setattr(sys, "stderr", Stderr())
    with ThreadPoolExecutor(1) as pool:
        with (home / "set" / ".inkwash-lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            result = pool.submit(fetch, home)
            assert waiting.wait(10)
            (home / "set" / NAME).write_bytes(PACKED)
        assert result.result(10) == home / "set" / NAME
    assert "another process" in sys.stderr.getvalue()


@pytest.mark.parametrize("name", ["a-idx3-ubyte.gz", "a-idx3-ubyte", "a.idx3-ubyte", "a.idx3-ubyte.gz"])
def test_files_where_other_programs_put_them(tmp_path: Path, name: str) -> None:
    place = tmp_path / "MNIST" / "raw"
    place.mkdir(parents=True)
    (place / name).write_bytes(b"x")
    found = find_or_fetch("a-idx3-ubyte.gz", "mnist", "0" * 64, (), tmp_path, also=("MNIST/raw",))
    assert found == place / name
