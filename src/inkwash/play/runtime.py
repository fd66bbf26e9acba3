"""ONNX Runtime for browsers: three files of the npm package onnxruntime-web, found or downloaded once."""

import hashlib
import io
import tarfile
from pathlib import Path
from typing import NamedTuple

from inkwash.data.fetch import find_or_fetch
from inkwash.data.regular import open_regular
from inkwash.errors import InkwashError, UsageError

VERSION = "1.20.1"
NAME = f"onnxruntime-web-{VERSION}.tgz"
SHA256 = "0a38facf0672dfaaeaf352e8a9f44533732b60b4af93b9dd507fe7c2d2be437b"
FOLDER = "onnxruntime-web"  # in the folder of downloads
MIRRORS = ("https://registry.npmjs.org/onnxruntime-web/-/",)
_BESIDE = 'new URL("ort-wasm-simd-threaded.wasm",import.meta.url)'  # no URL is relative to a module in a blob
_LARGEST = 32 << 20  # bytes; the package has 20 MB


class Runtime(NamedTuple):
    """The files of the package that a page needs."""

    script: str  # defines the global `ort`
    glue: str  # a module that loads the program below
    program: bytes  # WebAssembly with SIMD


def runtime(given: Path | None = None) -> Runtime:
    """The runtime from `given`, the package as `npm pack onnxruntime-web@1.20.1` writes it, or else from the cache.

    Where the cache does not hold the package it is downloaded from npm's registry. Its sha256 is checked every time.

    Raises UsageError if `given` is not this package; InkwashError if it cannot be downloaded or the cached file is
    damaged.
    """
    path = given or find_or_fetch(NAME, FOLDER, SHA256, MIRRORS, packed=True, at_most=_LARGEST)
    try:
        with open_regular(path, _LARGEST) as file:
            content = file.read()
    except OSError as error:
        raise UsageError(f"`runtime` {path} cannot be read ({error.strerror}); give the file {NAME}.") from error
    if hashlib.sha256(content).hexdigest() != SHA256:
        if given is None:
            raise InkwashError(f"{path} is damaged: its sha256 is not that of {NAME}. Remove it and run again.")
        raise UsageError(
            f"`runtime` must be {NAME}, as `npm pack onnxruntime-web@{VERSION}` writes it (got {path}, whose sha256 is "
            "another)."
        )
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as packed:
        script, glue, program = (
            _member(packed, f"package/dist/{name}")
            for name in ("ort.wasm.min.js", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
        )
    loader = _without_map(glue)
    assert loader.count(_BESIDE) == 1
    return Runtime(_without_map(script), loader.replace(_BESIDE, '{href:"program.wasm"}'), program)


def _member(packed: tarfile.TarFile, name: str) -> bytes:
    file = packed.extractfile(name)
    assert file is not None  # the digest was that of a package that has it
    return file.read()


def _without_map(script: bytes) -> str:
    """A script without its line that names a source map, which a browser would ask for."""
    lines = script.decode("utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("//# sourceMappingURL="))
