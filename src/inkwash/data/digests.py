"""sha256 of files, stored in the cache folder until a file changes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BufferedReader
from pathlib import Path
from typing import cast

from inkwash.atomic import replacing
from inkwash.data.fetch import cache_folder
from inkwash.data.packed import Identity, identity, open_file, page_of
from inkwash.errors import InkwashError

_VERSION = b"inkwash digests 1"
_KEY, _DIGEST = 16, 32  # bytes
_MOST = 1 << 21  # cached files; beyond this, entries of files that no longer exist are dropped
_SETTLED = 2.0  # seconds after which a change is certain to alter a file's dates


def digests(files: Sequence[Path], root: Path, workers: int, tick: Callable[[], object] = lambda: None) -> list[bytes]:
    """The sha256 of each file's content, 32 bytes. `tick` is called after each.

    Reads about a gigabyte per second. Digests are cached for the folder `root` by device, inode, size and dates of
    each file, 48 bytes per file, so a second call reads only the files' dates. Without a writable cache folder, all
    files are read each time. Raises InkwashError, naming the file, if one cannot be read.
    """
    name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:32]
    remembered = _place(f"{name}.bin")
    known, now = {} if remembered is None else _read(remembered), time.time()
    fresh: dict[bytes, bytes] = {}

    whole: dict[Path, bytes] = {}  # of files with several pages

    def digest(file: Path) -> bytes:
        parent, number = page_of(file)
        if number is None:
            return content_of(file)
        if parent not in whole:
            whole[parent] = content_of(parent)
        return hashlib.sha256(whole[parent] + number.to_bytes(8, "big")).digest()

    def content_of(file: Path) -> bytes:
        try:
            facts, changed = identity(file)
            key = _key(facts)
            if key in known:
                return known[key]
            with open_file(file) as opened:
                found = hashlib.file_digest(cast(BufferedReader, opened), "sha256").digest()
        except OSError as error:
            raise InkwashError(f"{file} cannot be read ({error.strerror}). Make it readable again.") from error
        if now - changed > _SETTLED:
            fresh[key] = found
        return found

    with ThreadPoolExecutor(workers) as pool:
        found = []
        for each in pool.map(digest, files):
            found.append(each)
            tick()
    if fresh and remembered is not None:
        _write(remembered, {**(known if len(known) < _MOST else {}), **fresh})
    return found


def _place(name: str) -> Path | None:
    try:
        return cache_folder() / "digests" / name
    except RuntimeError:  # there is no home folder
        return None


def _key(facts: Identity) -> bytes:
    return hashlib.blake2b(repr(facts).encode(), digest_size=_KEY).digest()


def _read(path: Path) -> dict[bytes, bytes]:
    """The cached digests; {} if the cache is damaged or does not exist."""
    try:
        content = path.read_bytes()
    except OSError:
        return {}
    body, seal = content[:-_DIGEST], content[-_DIGEST:]
    if hashlib.sha256(_VERSION + body).digest() != seal or len(body) % (_KEY + _DIGEST):
        return {}
    places = range(0, len(body), _KEY + _DIGEST)
    return {body[i : i + _KEY]: body[i + _KEY : i + _KEY + _DIGEST] for i in places}


def _write(path: Path, known: dict[bytes, bytes]) -> None:
    body = b"".join(key + digest for key, digest in known.items())
    with contextlib.suppress(InkwashError), replacing(path) as temporary:  # the cache need not be writable
        temporary.write_bytes(body + hashlib.sha256(_VERSION + body).digest())
