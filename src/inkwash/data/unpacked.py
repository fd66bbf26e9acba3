"""Archives that were unpacked once, into the cache folder, and are sealed with their digest."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from inkwash.atomic import replacing
from inkwash.data.digests import digests
from inkwash.data.fetch import cache_folder
from inkwash.errors import InkwashError

_SMALL, _RATIO = 2**28, 100  # archives of more bytes than this may be packed to a hundredth at most


def unpacked(path: Path, write: Callable[[BinaryIO], object], kind: str = "") -> Path:
    """The file in the cache folder that `write` makes of the file at `path`, as "unpacked/DIGEST.tar".

    It is made again where its digest is not the recorded one. Raises what `write` raises, and InkwashError if the cache
    folder cannot be written.
    """
    (packed,) = digests([path], path.parent, 1)
    target = cache_folder() / "unpacked" / f"{packed.hex()[:32]}{kind}.tar"
    seal = target.with_suffix(".sha256")
    with contextlib.suppress(OSError, InkwashError):
        if target.is_file() and seal.read_text(encoding="ascii") == digests([target], target.parent, 1)[0].hex():
            return target
    with replacing(target) as temporary, temporary.open("wb") as out:
        write(out)
    with replacing(seal) as temporary:
        temporary.write_text(digests([target], target.parent, 1)[0].hex(), encoding="ascii")
    return target


def most_of(path: Path) -> int:
    """How many bytes a file may unpack to: 256 MiB, or a hundred times its own size."""
    return max(_SMALL, _RATIO * path.stat().st_size)
