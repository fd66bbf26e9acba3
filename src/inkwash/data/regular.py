"""Opens untrusted files: only regular files of bounded size, so that no read blocks or runs forever."""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from pathlib import Path

LARGEST = 2**31  # bytes of one file


def open_regular(path: Path, at_most: int = LARGEST) -> BufferedReader:
    """Opens the file at `path` for reading; links are followed.

    Raises OSError as `open` does, and if the file is not regular or has more than `at_most` bytes. Pipes, sockets
    and devices are not opened, since reading them could block or never end.
    """
    _check(path, path.stat(), at_most)  # before opening, which can have side effects on a device
    # without O_NONBLOCK, opening would block if a pipe replaced the file in the meantime
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        _check(path, os.fstat(handle), at_most)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def _check(path: Path, found: os.stat_result, at_most: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(0, "not a regular file", str(path))
    if found.st_size > at_most:
        raise OSError(0, f"larger than {at_most:,} bytes", str(path))
