"""Two processes in one folder: the second is refused with a sentence, and the first loses nothing."""

import fcntl
import os
import pty
import signal
import struct
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_runner import TINY, Command, did, refused
from inkwash import lock
from inkwash.errors import UsageError
from inkwash.lock import holding
from inkwash.training.checkpoint import LAST, load

TRAIN = ("train", "digits", *TINY, "--save-every", 4, "--steps")


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Command, Path]]:
    """A training at work in a process of its own."""
    folder = tmp_path_factory.mktemp("training")
    command = Command((*TRAIN, 1_000_000, "--out", folder / "run"), folder)
    while not (folder / "run" / LAST).exists():
        time.sleep(0.02)
    yield command, folder / "run"
    command.send(signal.SIGKILL)
    command.wait()


@pytest.mark.parametrize("more", [(), ("--resume",)])
def test_a_second_training_of_a_folder_is_refused(training: tuple[Command, Path], more: tuple[str, ...]) -> None:
    command, out = training
    said = refused(*TRAIN, 1_000_000, "--out", out, *more)
    assert said.startswith(f"{out} is in use by a training (process {command.process.pid} on ")
    assert "choose another --out" in said


@pytest.mark.parametrize(
    ("args", "doing"),
    [
        (("study", "RUN", "--steps", "2", "--out", "OUT"), "a study"),
        (("evaluate", "RUN", "--out", "OUT"), "a study"),
        (("race", "digits", "--minutes", "1", "--out", "OUT"), "a race"),
        (("train", "digits", *TINY, "--steps", "4", "--out", "OUT"), "an evaluation"),
    ],
)
def test_whatever_works_there(args: tuple[str, ...], doing: str, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with holding(out, doing):
        said = refused(*(str(trained) if arg == "RUN" else str(out) if arg == "OUT" else arg for arg in args))
        assert [path.name for path in out.iterdir()] == [lock.NAME]
    assert f"{out} is in use by {doing} (process {os.getpid()} on " in said


def test_a_training_that_ended_leaves_no_lock(tmp_path: Path) -> None:
    did(*TRAIN, 4, "--out", tmp_path / "run")
    assert not (tmp_path / "run" / lock.NAME).exists()
    did(*TRAIN, 8, "--out", tmp_path / "run", "--resume", "--decay", "cosine")


def test_a_resume_into_a_read_only_folder_is_refused_before_training(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(path: Path) -> int:
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr("inkwash.lock._opened", read_only)
    monkeypatch.setattr("inkwash.runs.fit.train", None)
    said = refused(*TRAIN, 100, "--out", trained, "--resume")
    assert said.startswith(f"{trained} cannot be written in (Read-only file system)")


def test_two_that_need_the_same_classifier_train_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from inkwash.data import digits
    from inkwash.metrics import classifier as module

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(module, "STEPS", 1)
    trained, began = [], threading.Event()
    train_once = module._train

    def slowly(*args: object) -> None:
        trained.append(args)
        began.set()
        time.sleep(0.3)
        train_once(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_train", slowly)
    threads = [threading.Thread(target=module.classifier, args=(digits("train"), digits("test"))) for _ in range(2)]
    for thread in threads:
        thread.start()
        assert began.wait(20)
    for thread in threads:
        thread.join()
    assert len(trained) == 1
    assert "Waiting for the training of a classifier (process" in capsys.readouterr().err
    assert [path.suffix for path in (tmp_path / "inkwash" / "features").iterdir()] == [".safetensors"]


@pytest.mark.slow
def test_a_closed_terminal_saves(tmp_path: Path) -> None:
    """SIGHUP comes, and nothing can be printed any more; the step ends, and is saved."""
    out = tmp_path / "run"
    args = [str(arg) for arg in ("inkwash", *TRAIN, 1_000_000, "--save-every", 1_000_000, "--out", out)]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-m", *args])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    printed = b""
    while b"loss" not in printed:  # the bar: some steps are done
        printed += os.read(terminal, 1000)
    os.close(terminal)  # as when a window is closed
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 1
    assert load(out / LAST).facts["step"] >= 10
    assert [path.name for path in sorted(out.iterdir())] == ["best.safetensors", "last.safetensors"]


def test_nohup_is_respected(tmp_path: Path) -> None:
    from inkwash.signals import finishing_step

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stop = threading.Event()
        with finishing_step(stop):
            signal.raise_signal(signal.SIGHUP)
        assert not stop.is_set()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_lock_is_only_taken_where_a_folder_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file is not a folder"):
        lock.hold(tmp_path / "file" / "below", "a training")
