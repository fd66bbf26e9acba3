"""Files in a zip archive."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

from inkwash.data.regular import open_regular
from inkwash.data.unpacked import most_of
from inkwash.errors import UsageError

_LARGEST = 2**40  # bytes of the archive, which is not read as a whole
_MEMBER = 2**28  # bytes of a file in it
_HEADER, _ENCRYPTED = 30, 1  # bytes before the name of a file, and the bit that says that it is encrypted


class Zip:
    """The files of a zip archive. Raises UsageError if it is none, is cut short, or unpacks to far too much."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with open_regular(path, _LARGEST) as file, zipfile.ZipFile(file) as archive:
                entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UsageError(f"{path} is no whole zip archive ({reason}); it may be cut short.") from error
        if (total := sum(entry.file_size for entry in entries)) > most_of(path):
            raise UsageError(f"{path} unpacks to {total:,} bytes, as images never do; it is not read.")
        self._entries = {entry.filename: entry for entry in entries if _is_regular(entry)}
        self.names = tuple(self._entries)
        self.others = tuple(entry.filename for entry in entries if not _is_regular(entry))

    def open(self, name: str) -> BinaryIO:
        """A file of the archive. Raises OSError if it is damaged, encrypted or larger than 256 MiB."""
        entry = self._entries[name]
        if entry.flag_bits & _ENCRYPTED:
            raise OSError(0, "it is encrypted", name)
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise OSError(0, f"packed by method {entry.compress_type}, where deflate was expected", name)
        if max(entry.file_size, entry.compress_size) > _MEMBER:
            raise OSError(0, f"larger than {_MEMBER:,} bytes", name)
        with open_regular(self._path, _LARGEST) as file:  # opened anew, so that threads can read at the same time
            file.seek(entry.header_offset)
            head = file.read(_HEADER)
            if len(head) < _HEADER or head[:4] != b"PK\x03\x04":
                raise OSError(0, "it is damaged in the archive", name)
            file.seek(sum(struct.unpack("<HH", head[26:])), 1)  # the name and the extra field
            content = file.read(entry.compress_size)
        if entry.compress_type == zipfile.ZIP_DEFLATED:
            try:
                content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, entry.file_size + 1)
            except zlib.error as error:
                raise OSError(0, f"it is damaged in the archive ({error})", name) from error
        if len(content) != entry.file_size or zlib.crc32(content) != entry.CRC:
            raise OSError(0, "it is damaged in the archive", name)
        return io.BytesIO(content)


def _is_regular(entry: zipfile.ZipInfo) -> bool:
    return stat.S_IFMT(entry.external_attr >> 16) in (0, stat.S_IFREG)
