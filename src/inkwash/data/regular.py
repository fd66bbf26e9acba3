"""Opening files of strangers: regular files only, of a bounded size, so that no read waits or goes on for ever."""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from pathlib import Path

LARGEST = 2**31  # bytes of one file


def open_regular(path: Path, at_most: int = LARGEST) -> BufferedReader:
    """The file at `path`, links followed, open for reading.

    Raises OSError as `open` does, and where it is not a regular file or has more than `at_most` bytes. Pipes, sockets
    and devices are not opened: reading them could block for ever, or never end.
    """
    _check(path, path.stat(), at_most)  # first: opening a device can already do something
    # without O_NONBLOCK a pipe that takes the file's place just now would block here
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
