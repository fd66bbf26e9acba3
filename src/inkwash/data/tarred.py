"""Files in a tar archive. Plain ones are read in place; compressed ones are unpacked once, into the cache folder."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from inkwash.data.regular import open_regular
from inkwash.data.unpacked import most_of, unpacked
from inkwash.errors import UsageError

_LARGEST = 2**40  # bytes of the archive, which is not read as a whole
_MEMBER = 2**31  # bytes of a file in it
_PIECE = 2**20
_OPENERS: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZ": bz2.open,
    b"\xfd7": lzma.open,
}  # by the first two bytes of a file


class Tar:
    """The files of a tar archive, plain or compressed by gzip, bzip2 or xz.

    Raises UsageError if it is none, is cut short, or unpacks to far too much.
    """

    def __init__(self, path: Path) -> None:
        try:
            with open_regular(path, _LARGEST) as file:
                begin = file.read(2)
            self._path = path if begin not in _OPENERS else _unpacked(path, begin)
            with open_regular(self._path, _LARGEST) as file:
                places, others = _members(file)
        except (OSError, tarfile.TarError, EOFError, lzma.LZMAError, ValueError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UsageError(f"{path} is no whole tar archive ({reason}); it may be cut short.") from error
        self._places, self.names, self.others = places, tuple(places), tuple(others)

    def open(self, name: str) -> BinaryIO:
        """A file of the archive, read in place. Raises OSError if it is larger than 2 GiB."""
        offset, size = self._places[name]
        if size > _MEMBER:
            raise OSError(0, f"larger than {_MEMBER:,} bytes", name)
        file = open_regular(self._path, _LARGEST)
        return cast(BinaryIO, io.BufferedReader(_Slice(file, offset, size)))


def _members(file: BinaryIO) -> tuple[dict[str, tuple[int, int]], list[str]]:
    """The (offset, size) of each file by name, the last of a name, and the names of all else but folders."""
    places: dict[str, tuple[int, int]] = {}
    others: list[str] = []
    with tarfile.open(fileobj=file, mode="r:") as archive:
        for member in archive:
            if member.isreg() and member.sparse is None:
                places[member.name] = (member.offset_data, member.size)
            elif not member.isdir():
                others.append(member.name)
            archive.members = []  # type: ignore[attr-defined]  # tarfile would keep them all
        file.seek(archive.offset)
    rest = file.read(_PIECE)
    if len(rest) < tarfile.BLOCKSIZE:
        raise tarfile.ReadError("it ends without the mark of an end")
    if rest.strip(b"\0"):
        raise tarfile.ReadError("it goes on after its end; several archives in one file are not read")
    return places, others


class _Slice(io.RawIOBase):
    """`size` bytes of a file from `offset` on, as a file. Closes the file with itself."""

    def __init__(self, file: IO[bytes], offset: int, size: int) -> None:
        self._file, self._offset, self._size, self._place = file, offset, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        wanted = min(len(buffer), max(0, self._size - self._place))
        self._file.seek(self._offset + self._place)
        found = self._file.read(wanted)
        buffer[: len(found)] = found
        self._place += len(found)
        return len(found)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._place = max(0, offset + (0, self._place, self._size)[whence])
        return self._place

    def tell(self) -> int:
        return self._place

    def close(self) -> None:
        self._file.close()
        super().close()


def _unpacked(path: Path, begin: bytes) -> Path:
    """The unpacked archive, in the cache folder. Raises ValueError before it unpacks to more than images ever do."""
    most = most_of(path)

    def write(out: BinaryIO) -> None:
        size = 0
        with open_regular(path, _LARGEST) as file, _OPENERS[begin](file, "rb") as content:
            while piece := _piece(content):
                size += len(piece)
                if size > most:
                    raise ValueError(f"it unpacks to more than {most:,} bytes, as images never do")
                out.write(piece)

    return unpacked(path, write)


def _piece(content: IO[bytes]) -> bytes:
    try:
        return content.read(_PIECE)
    except (OSError, zlib.error) as error:  # of gzip, and not about the file that is written
        raise ValueError(str(error)) from error
