"""Finds a file of a data set or downloads it once; downloads are resumed when interrupted, and verified."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from inkwash.data.idx import unpack
from inkwash.data.regular import LARGEST
from inkwash.errors import InkwashError, UsageError
from inkwash.foreign import harmless, say
from inkwash.lock import NAME, waiting

_TIMEOUT = (10, 30)  # seconds: to connect, and between two pieces
_PIECE = 1 << 14  # bytes; an incomplete piece is lost when the connection breaks


def find_or_fetch(
    file_name: str,
    folder_name: str,
    sha256: str,
    mirrors: Sequence[str],
    data_dir: str | Path | None = None,
    *,
    packed: bool = False,
    at_most: int = LARGEST,
    also: Sequence[str] = (),
) -> Path:
    """The path of `file_name`, with or without .gz, in `folder_name` under the data folder, or in a folder of `also`.

    The data folder is `data_dir`, else $INKWASH_DATA, else $XDG_CACHE_HOME/inkwash, else ~/.cache/inkwash. An
    existing file is used without a check. A missing file is downloaded from the first of the mirrors (URLs ending in
    "/") that works, into the data folder, or into the cache folder if the data folder is not writable. `sha256` is
    that of the *unpacked* contents, since mirrors compress the same contents differently; with `packed`, it is that
    of the downloaded file, if no other is published. A mirror that sends more than `at_most` bytes is left.

    Raises UsageError if `data_dir` is not a folder, and if something is in the way where the download would be written;
    InkwashError if the download fails from all mirrors.
    """
    root = data_folder(data_dir)
    for name in (folder_name, *also):
        if (found := _present(root / name, file_name)) is not None:
            return found
    folder = root / folder_name
    if not _writable(folder):
        folder = cache_folder() / folder_name
        if not _writable(folder):
            raise InkwashError(
                f"{file_name} is not in {root / folder_name}, and neither this folder nor {folder} can be "
                "written to download it there. Give a data folder that can be written."
            )
    with waiting(folder / NAME, "a download", say):  # a process that waited here finds the file of the other process
        return _present(folder, file_name) or _download(folder / file_name, sha256, mirrors, packed, at_most)


def data_folder(data_dir: str | Path | None) -> Path:
    """`data_dir`, else $INKWASH_DATA, else the cache folder. Raises UsageError if `data_dir` is not a folder."""
    if data_dir is not None:
        root = Path(data_dir).expanduser()
        if not root.is_dir():
            raise UsageError(f"The data folder {root} is not a folder. Make it, or give one that exists.")
        return root
    configured = os.environ.get("INKWASH_DATA")
    return Path(configured).expanduser() if configured else cache_folder()


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/inkwash, else ~/.cache/inkwash: for downloads and expensive results."""
    configured = os.environ.get("XDG_CACHE_HOME")
    return (Path(configured).expanduser() if configured else Path.home() / ".cache") / "inkwash"


def _present(folder: Path, file_name: str) -> Path | None:
    dotted = file_name.replace("-idx", ".idx")  # as Kaggle has it
    names = (file_name, file_name.removesuffix(".gz"), dotted, dotted.removesuffix(".gz"))
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _download(target: Path, sha256: str, mirrors: Sequence[str], packed: bool, at_most: int) -> Path:
    import requests  # slow to import

    part = target.with_name(target.name + ".part")
    if os.path.lexists(part) and (part.is_symlink() or not part.is_file() or part.stat().st_nlink > 1):
        raise UsageError(f"{part} is a link or no plain file, and a download would be written there; remove it.")
    problems = []
    for mirror in mirrors:
        url = mirror + target.name
        try:
            resumed = _stream(url, part, at_most)
            if not _is(part, sha256, packed, at_most) and resumed:  # the beginning came from another compression
                part.unlink()
                _stream(url, part, at_most)
            if _is(part, sha256, packed, at_most):
                part.replace(target)
                return target
            part.unlink()
            problems.append(f"{url} (the checksum is wrong)")
        except _TooLongError:
            part.unlink()
            problems.append(f"{url} (longer than {at_most:,} bytes)")
        except requests.RequestException as error:
            problems.append(f"{url} ({_in_words(error)})")
        except OSError as error:
            raise InkwashError(f"{part} cannot be written ({error.strerror}). Make room and run again.") from error
    raise InkwashError(
        f"{target.name} could not be downloaded; tried {', '.join(problems)}. "
        f"Check the network and run again, or download the file elsewhere and put it at {target}."
    )


class _TooLongError(Exception):
    """A mirror sends more than a file can have."""


def _stream(url: str, part: Path, at_most: int) -> bool:
    """Downloads into `part`, from its end if the server supports ranges. Returns whether it was resumed."""
    import requests
    from tqdm import tqdm

    flags = os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    start = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}  # else a server may decompress or compress in transit
    if start:
        headers["Range"] = f"bytes={start}-"
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
        if start and response.status_code == 416:  # nothing after `start`: the file was complete
            return True
        response.raise_for_status()
        resumed = start > 0 and response.status_code == 206
        start = start if resumed else 0
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdigit() and "Content-Encoding" not in response.headers else None
        with (
            os.fdopen(os.open(part, flags | (os.O_APPEND if resumed else os.O_TRUNC), 0o666), "wb") as file,
            tqdm(total=total, initial=start, desc=harmless(part.stem), unit="B", unit_scale=True, delay=1) as bar,
        ):
            for piece in response.iter_content(_PIECE):
                start += len(piece)
                if start > at_most:
                    raise _TooLongError
                file.write(piece)
                bar.update(len(piece))
            file.flush()
            os.fsync(file.fileno())
    return resumed


def _is(path: Path, sha256: str, packed: bool, at_most: int) -> bool:
    if packed:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    try:
        return hashlib.sha256(unpack(path, at_most + 1)).hexdigest() == sha256
    except InkwashError:  # corrupt gzip
        return False


def _in_words(error: Exception) -> str:
    """A short description of a download's failure; the messages of requests run over several lines."""
    import requests

    if isinstance(error, requests.HTTPError):
        return f"HTTP status {error.response.status_code}"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    return type(error).__name__
