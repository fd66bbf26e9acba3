"""Atomic writing of files and folders, and the removal of what killed writes left."""

import contextlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from inkwash.errors import InkwashError
from inkwash.lock import flock, is_at

TEMPORARY = ".inkwash-"  # prefix of temporary names while their content is written
_OURS = re.compile(r"\.inkwash-[0-9a-f]{12}(\.[^/]*)?")
_swept: set[Path] = set()


@contextlib.contextmanager
def replacing(path: Path, folder: bool = False) -> Iterator[Path]:
    """Yields a temporary file in the same folder as `path`, and renames it to `path` atomically at the end.

    The block writes the file, which then replaces a file at `path`. If `folder` is true, the temporary path is a folder
    for files and folders, which replaces an empty folder. The temporary content is locked while it is written, so that
    `sweep` removes it only after its process has ended. If an error occurs, it is removed and `path` is unchanged.

    Raises:
        InkwashError: if an operating system error occurs, such as a full disk. Other errors propagate.
    """
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(6)}{path.suffix}")
    handle = -1
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.parent not in _swept:
            _swept.add(path.parent)
            sweep(path.parent)
        handle = _made(temporary, folder)
        yield temporary
        if folder:
            with ThreadPoolExecutor(8) as pool:  # parallel fsync is 20 times as fast
                list(pool.map(_to_disk, (each for each in temporary.rglob("*") if each.is_file())))
            if path.is_dir():
                path.rmdir()  # refuses if it is no longer empty
        else:
            _to_disk(temporary)
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InkwashError(f"{path} could not be written: {reason}. Nothing was changed.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        with contextlib.suppress(OSError):
            temporary.unlink()
        if handle >= 0:
            os.close(handle)


def sweep(folder: Path) -> None:
    """Removes temporary files and folders that killed processes of this user left in a folder.

    What a running process is writing is locked, and stays; so does everything with a name of another form, everything
    that belongs to another user, and everything on file systems without locks.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for name in [entry.name for entry in entries if _OURS.fullmatch(entry.name)]:
            with contextlib.suppress(OSError):
                _remove(folder / name)


def _made(temporary: Path, folder: bool) -> int:
    """Makes the temporary file or folder, and locks it. Returns its handle, or -1 where there are no locks."""
    if folder:
        temporary.mkdir()
    flags = os.O_RDONLY if folder else os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    if os.name == "nt":  # no locks; an open file could not be renamed, nor can a folder be opened
        if not folder:
            os.close(os.open(temporary, flags, 0o666))
        return -1
    handle = os.open(temporary, flags, 0o666)
    with contextlib.suppress(OSError):
        flock(handle)
    return handle


def _remove(left: Path) -> None:
    """Removes a temporary file or folder, if no process has locked it. Raises OSError where this cannot be told."""
    found = left.lstat()
    is_folder = stat.S_ISDIR(found.st_mode)
    if not (is_folder or stat.S_ISREG(found.st_mode)) or found.st_uid != os.geteuid():
        return
    flags = os.O_NOFOLLOW | os.O_NONBLOCK | (os.O_RDONLY if is_folder else os.O_RDWR)
    handle = os.open(left, flags)
    try:
        if flock(handle) and is_at(handle, left):
            shutil.rmtree(left) if is_folder else left.unlink()
    finally:
        os.close(handle)


def _to_disk(file: Path) -> None:
    """Flushes a file to disk. Without this, a crash after the rename could leave an empty file."""
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())
