"""Files and folders that appear whole or not at all."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from inkwash.errors import InkwashError

TEMPORARY = ".inkwash-"  # how names begin while their content is written


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a name beside `path` to write at; when all is written, move it to `path` in one step.

    What is written there may be a file, which takes the place of a file at `path`, or a folder of files,
    which takes the place of an empty folder. If anything goes wrong it is removed and `path` is as it was.

    Raises:
        InkwashError: when the system refuses, as when the disk is full.
        Any other error of the body goes through.
    """
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(6)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if temporary.is_dir():
            with ThreadPoolExecutor(8) as pool:  # disks take many at once: this is 20 times as fast
                list(pool.map(_to_disk, temporary.iterdir()))
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


def _to_disk(file: Path) -> None:
    """Wait until the disk holds the content: a name moved before its content may, after a crash, be empty."""
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())
