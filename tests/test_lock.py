"""Locks: one holder, whose name is said, and who loses it by ending in any way."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from inkwash.errors import UsageError
from inkwash.lock import NAME, hold, holding, waiting

HOLDER = "import sys, time; from pathlib import Path; from inkwash.lock import hold; lock = hold(Path(sys.argv[1]), 'a test'); print('held', flush=True); time.sleep(60)"  # noqa: E501


@pytest.fixture
def other(tmp_path: Path):
    """Another process, which holds the lock of tmp_path/run."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "run")], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_is_refused_and_told_whose_it_is(tmp_path: Path, other: subprocess.Popen[bytes]) -> None:
    with pytest.raises(UsageError) as refused:
        hold(tmp_path / "run", "a training")
    said = str(refused.value)
    assert re.search(rf"in use by a test \(process {other.pid} on .+, since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\)", said)
    assert "choose another `out`" in said


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_lock_ends_with_its_process(tmp_path: Path, other: subprocess.Popen[bytes], number: int) -> None:
    other.send_signal(number)
    other.wait()
    assert (tmp_path / "run" / NAME).exists()  # the file is left, and nobody holds it
    with holding(tmp_path / "run", "a training"):
        pass
    assert list(tmp_path.iterdir()) == [tmp_path / "run"]
    assert list((tmp_path / "run").iterdir()) == []


def test_folders_that_were_made_for_nothing_are_removed(tmp_path: Path) -> None:
    with holding(tmp_path / "a" / "b", "a training"):
        assert (tmp_path / "a" / "b" / NAME).is_file()
    assert list(tmp_path.iterdir()) == []
    with holding(tmp_path / "a", "a training"):
        (tmp_path / "a" / "kept").touch()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["kept"]


def test_this_process_too_holds_it_once(tmp_path: Path) -> None:
    lock = hold(tmp_path, "a study")
    with pytest.raises(UsageError, match=rf"a study \(process {os.getpid()} on"):
        hold(tmp_path, "a study")
    lock.release()
    lock.release()
    hold(tmp_path, "a study")  # nobody keeps it
    hold(tmp_path, "a study").release()


def test_a_forked_process_does_not_keep_it(tmp_path: Path) -> None:
    code = (
        "import os, sys, time; from pathlib import Path; from inkwash.lock import hold\n"
        "lock = hold(Path(sys.argv[1]), 'a test')\n"
        "if os.fork() == 0:\n"
        "    print('forked', flush=True)\n"
        "    time.sleep(30)\n"
        "os._exit(0)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, process_group=0)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"forked\n"
        process.wait()
        hold(tmp_path, "a training").release()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()


@pytest.mark.parametrize("kind", ["link", "dangling", "hard link", "pipe", "folder"])
def test_nothing_is_written_through_what_is_in_the_way(tmp_path: Path, kind: str) -> None:
    mine, lock = tmp_path / "mine", tmp_path / "run" / NAME
    mine.write_text("precious")
    lock.parent.mkdir()
    {
        "link": lambda: lock.symlink_to(mine),
        "dangling": lambda: lock.symlink_to(tmp_path / "nothing"),
        "hard link": lambda: lock.hardlink_to(mine),
        "pipe": lambda: os.mkfifo(lock),
        "folder": lock.mkdir,
    }[kind]()
    with pytest.raises(UsageError, match="is a link or no plain file"):
        hold(tmp_path / "run", "a training")
    assert mine.read_text() == "precious"
    assert os.path.lexists(lock)
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("content", [b"", b"\xff", b"{", b"[" * 999, b'{"pid": "\x1b"}', b'{"pid": 1' + b"0" * 5000])
def test_whatever_the_file_says_it_is_read_as_no_more_than_words(tmp_path: Path, content: bytes) -> None:
    lock = hold(tmp_path, "a training")
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(UsageError, match="in use by another process;"):
        hold(tmp_path, "a training")
    lock.release()


def test_a_folder_that_cannot_be_written_in_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opens = os.open

    def read_only(path, flags, *mode, **more):  # what a read-only file system does, to root too
        if flags & (os.O_RDWR | os.O_WRONLY):
            raise OSError(30, "Read-only file system", str(path))
        return opens(path, flags, *mode, **more)

    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(UsageError, match=r"cannot be written in \(Read-only file system\)"):
        hold(tmp_path, "a training")
    with waiting(tmp_path / NAME, "a test", pytest.fail):  # a cache that cannot be written is no loss
        pass


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then a process that the file names, and that runs here, holds it; one that has ended does not."""

    def none(handle: int, wait: bool = False) -> bool:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("inkwash.lock.flock", none)
    lock = hold(tmp_path, "a training")
    with pytest.raises(UsageError, match="a training"):
        hold(tmp_path, "a training")
    said = json.loads((tmp_path / NAME).read_text())
    lock.release()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / NAME).write_text(json.dumps({**said, "pid": ended.pid}))
    hold(tmp_path, "a training").release()


def test_one_that_waits_says_so_once_and_goes_on(tmp_path: Path) -> None:
    said, order = [], []
    begun = threading.Event()

    def second() -> None:
        with waiting(tmp_path / "x.lock", "a training", lambda words: (said.append(words), begun.set())):
            order.append("second")

    thread = threading.Thread(target=second)
    with waiting(tmp_path / "x.lock", "a training", said.append):
        thread.start()
        assert begun.wait(10)
        time.sleep(0.01)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    assert len(said) == 1
    assert said[0].startswith(f"Waiting for a training (process {os.getpid()} on ")
    assert list(tmp_path.iterdir()) == []
