"""The IDX format of MNIST: a magic number, the dimensions, then the bytes (yann.lecun.com/exdb/mnist)."""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inkwash.errors import InkwashError

AGAIN = "Delete it and run again: it will be downloaded anew."
_GZIP = b"\x1f\x8b"


def unpack(path: Path) -> bytes:
    """The contents of a file, decompressed if they begin with gzip's magic number, whatever its name.

    Of a truncated gzip file, returns the part before the end; the caller can tell what is missing. Raises InkwashError
    if the gzip stream is corrupt or the file cannot be read.
    """
    try:
        packed = path.read_bytes()
    except OSError as error:
        raise InkwashError(f"{path} cannot be read ({error.strerror}).") from error
    if not packed.startswith(_GZIP):
        return packed
    members = []
    while packed:  # a gzip file may hold several streams, one after another
        member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            members.append(member.decompress(packed))
        except zlib.error as error:
            raise InkwashError(f"{path} is corrupt gzip ({error}). {AGAIN}") from error
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
    corrupt.
    """
    return parse_idx(unpack(path), path, dimensions)
