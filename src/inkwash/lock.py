"""Locks that end with the process that holds them, and that say whose they are.

A lock is a file that `flock` locks, so the system frees it when the process ends, however it ends. The file names the
process. Where the file system has no locks, a process that the file names, on this machine and still running, counts.
"""

import contextlib
import errno
import json
import os
import socket
import stat
import sys
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from inkwash.errors import UsageError

NAME = ".inkwash-lock"
_LONGEST = 1000  # bytes of a lock file that are read
_LINK = (errno.ELOOP, errno.EMLINK)  # what opening a link without following it gives; the latter on BSD


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock."""

    pid: int
    host: str
    since: str  # as 2026-11-26 18:20:31
    doing: str  # "a training"

    def __str__(self) -> str:
        return f"{self.doing} (process {self.pid} on {self.host}, since {self.since})"


class Lock:
    """A lock that this process holds, until `release` or its end. Made by `hold`."""

    def __init__(self, path: Path, handle: int, made: tuple[Path, ...]) -> None:
        self._path, self._handle, self._made = path, handle, made
        _held.add(self)

    def release(self) -> None:
        """Frees the lock, and removes its file and the folders that were made for it if they are empty."""
        if self._handle < 0:
            return
        handle, self._handle = self._handle, -1
        with contextlib.suppress(OSError):
            self._path.unlink()  # before it is freed: whoever waits for this file notices that it is gone
        os.close(handle)
        with contextlib.suppress(OSError):
            for folder in self._made:
                folder.rmdir()

    def _forget(self) -> None:
        """In a forked process, which must not keep the lock alive: closes the file without freeing the lock."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # at the end of the process, anything may be gone
            self.release()


_held: "weakref.WeakSet[Lock]" = weakref.WeakSet()


def _forget_all() -> None:
    for lock in _held:
        lock._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


def hold(folder: Path, doing: str) -> Lock:
    """Takes the lock of a folder, which is made if necessary. `doing` says what for, as "a training".

    Raises UsageError if another process (or this one) holds it, saying which, and if the folder cannot be written in.
    """
    there = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
    if not there.is_dir():
        raise UsageError(f"{there} is not a folder; choose another `out`.")
    made = tuple(each for each in (folder, *folder.parents) if not each.exists())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = _locked(folder / NAME, doing, None)
    except OSError as error:
        with contextlib.suppress(OSError):
            for each in made:
                each.rmdir()
        raise UsageError(
            f"{folder} cannot be written in ({error.strerror or error}); choose another `out`, or make it writable."
        ) from error
    if not isinstance(handle, int):
        who = handle or "another process"
        raise UsageError(f"{folder} is in use by {who}; wait until that ends, or choose another `out`.")
    return Lock(folder / NAME, handle, made)


def holder(folder: Path) -> Holder | None:
    """Who holds the lock of a folder now; None if nobody does, or if this cannot be told."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        handle = os.open(folder / NAME, flags)
    except OSError:
        return None
    try:
        found = _holder(handle)
        if found is None or found.host != socket.gethostname():
            return found
        return found if _is_running(found.pid) else None
    finally:
        os.close(handle)


@contextlib.contextmanager
def holding(folder: Path, doing: str, main: bool = True) -> Iterator[None]:
    """Holds the lock of a folder inside the block, in the main process of several; see `hold`."""
    lock = hold(folder, doing) if main else None
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


@contextlib.contextmanager
def waiting(path: Path, doing: str, say: Callable[[str], object]) -> Iterator[None]:
    """Holds the lock file `path` inside the block. If another process holds it, says so once, and waits.

    Without a writable folder the block runs unlocked. Raises UsageError if something is in the way at `path`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = _locked(path, doing, lambda who: say(f"Waiting for {who or 'another process'} at {path.parent}."))
    except OSError:
        handle = -1
    assert isinstance(handle, int)
    lock = Lock(path, handle, ())
    try:
        yield
    finally:
        lock.release()


def flock(handle: int, wait: bool = False) -> bool:
    """Locks an open file for this process alone: whether it worked. Raises OSError where there are no locks."""
    if sys.platform == "win32":
        raise OSError(errno.ENOTSUP, "no locks")
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def is_at(handle: int, path: Path) -> bool:
    """Whether an open file is still the one at `path`."""
    with contextlib.suppress(OSError):
        return os.path.samestat(os.fstat(handle), path.lstat())
    return False


def _locked(path: Path, doing: str, wait: Callable[[Holder | None], object] | None) -> int | Holder | None:
    """The open and locked file; if it is held and `wait` is None, who holds it. Raises OSError if it cannot be made."""
    told = False
    while True:
        handle = _opened(path)
        try:
            if not _free(handle):
                if wait is None:
                    return _holder(handle)
                if not told:
                    wait(_holder(handle))
                    told = True
                flock(handle, wait=True)
            if is_at(handle, path):  # else its owner has removed it in between
                _write(handle, doing)
                kept, handle = handle, -1
                return kept
        finally:
            if handle >= 0:
                os.close(handle)


def _opened(path: Path) -> int:
    """Opens a lock file, never through a link, nor anything else than a file of its own."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        handle = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno not in (*_LINK, errno.EISDIR, errno.ENXIO):
            raise
        handle = -1
    found = os.fstat(handle) if handle >= 0 else None
    if found is None or not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        if handle >= 0:
            os.close(handle)
        raise UsageError(f"{path} is a link or no plain file, and inkwash writes its lock there; remove it.")
    return handle


def _free(handle: int) -> bool:
    try:
        return flock(handle)
    except OSError:  # a file system without locks
        holder = _holder(handle)
        return holder is None or holder.host != socket.gethostname() or not _is_running(holder.pid)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _holder(handle: int) -> Holder | None:
    """Who a lock file says holds it; None if it does not say."""
    try:
        os.lseek(handle, 0, os.SEEK_SET)
        said = json.loads(os.read(handle, _LONGEST))
        return Holder(int(said["pid"]), str(said["host"])[:80], str(said["since"])[:40], str(said["doing"])[:40])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _write(handle: int, doing: str) -> None:
    since = datetime.now().strftime("%Y-%m-%d %H:%M:%S")
    said = {"pid": os.getpid(), "host": socket.gethostname(), "since": since, "doing": doing}
    with contextlib.suppress(OSError):  # a full disk does not lift the lock
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, json.dumps(said).encode())
