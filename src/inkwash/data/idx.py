"""The IDX format of MNIST: a magic number, the dimensions, then the bytes (yann.lecun.com/exdb/mnist)."""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inkwash.data.regular import LARGEST, open_regular
from inkwash.errors import InkwashError

AGAIN = "Delete it and run again: it will be downloaded anew."
SPARE = 2**20  # bytes that are unpacked beyond the known size, to say how much too long a file is
_GZIP = b"\x1f\x8b"
_HEADER = 4 + 4 * 255  # bytes, at most


def unpack(path: Path, at_most: int = LARGEST) -> bytes:
    """The first `at_most` bytes of a file, decompressed if they begin with gzip's magic number, whatever its name.

    Nothing beyond is unpacked. Of a truncated gzip file, returns the part before the end; the caller can tell what is
    missing. Raises InkwashError if the gzip stream is corrupt or the file cannot be read, is not a regular file, or is
    larger than 2 GiB.
    """
    try:
        with open_regular(path, LARGEST) as file:
            if file.peek(2)[:2] != _GZIP:
                return file.read(at_most)
            packed = file.read()
    except OSError as error:
        raise InkwashError(f"{path} cannot be read ({error.strerror}).") from error
    members: list[bytes] = []
    left = at_most
    while packed and left > 0:  # a gzip file may hold several streams, one after another
        member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            members.append(member.decompress(packed, left))
        except zlib.error as error:
            raise InkwashError(f"{path} is corrupt gzip ({error}). {AGAIN}") from error
        left -= len(members[-1])
        packed = member.unused_data.lstrip(b"\0")
    return b"".join(members)


def parse_idx(contents: bytes, path: Path, dimensions: int | None = None) -> NDArray[np.uint8]:
    """Parses the contents of an IDX file; `path` is used in error messages. See `read_idx`."""
    if len(contents) < 4:
        raise InkwashError(f"{path} is truncated: an IDX file has 4 bytes at least, this {len(contents)}. {AGAIN}")
    if contents[:3] != b"\0\0\x08" or contents[3] == 0:
        raise InkwashError(
            f"{path} is not an IDX file of bytes: it begins with {contents[:4].hex(' ')}, where 00 00 08 "
            f"and the number of dimensions were expected. {AGAIN}"
        )
    found = contents[3]
    if dimensions is not None and found != dimensions:
        raise InkwashError(
            f"{path} has {found} dimension(s) where {dimensions} were expected (images have 3, labels 1). "
            f"If images and labels were mixed up, give each its own name; else delete it and run again."
        )
    head = 4 + 4 * found
    if len(contents) < head:
        raise InkwashError(f"{path} is truncated: expected {head} bytes of header, found {len(contents)}. {AGAIN}")
    shape = struct.unpack(f">{found}I", contents[4:head])
    expected = head + math.prod(shape)
    if len(contents) != expected:
        what = "truncated" if len(contents) < expected else "too long"
        raise InkwashError(
            f"{path} is {what}: its header says {expected} bytes (unpacked), found {len(contents)}. {AGAIN}"
        )
    return np.frombuffer(contents, np.uint8, offset=head).reshape(shape).copy()  # a writable copy


def read_idx(path: Path, dimensions: int | None = None) -> NDArray[np.uint8]:
    """Reads an IDX file of unsigned bytes, gzipped or plain: uint8 of the shape that the file states.

    Raises InkwashError, naming the file and what to do, when the magic number is wrong, the number of
    dimensions is not `dimensions` (where given), bytes are missing or left over, or the gzip stream is
    corrupt. No more is unpacked than the header states, and some more to notice that it is too long.
    """
    return parse_idx(unpack(path, min(LARGEST, _size(unpack(path, _HEADER)) + SPARE)), path, dimensions)


def _size(header: bytes) -> int:
    """The size of an IDX file, as its header says; that of the header if it says none."""
    found = header[3] if len(header) > 3 else 0
    shape: tuple[int, ...] = (
        struct.unpack(f">{found}I", header[4 : 4 + 4 * found]) if len(header) >= 4 + 4 * found else ()
    )
    return 4 + 4 * found + math.prod(shape)
