"""Images in the columns of Parquet and Arrow files, as Hugging Face's data sets have them. Needs pyarrow.

The images of a file are unpacked once, into a tar in the cache folder, since a row cannot be read without its group.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from inkwash.data.tarred import Tar
from inkwash.data.unpacked import most_of, unpacked
from inkwash.errors import InkwashError, UsageError
from inkwash.foreign import harmless

_IMAGES = ("image", "img", "jpg", "png", "pixels", "picture", "photo", "image_bytes")
_LABELS = ("label", "labels", "fine_label", "class", "class_label", "cls", "target")
_TEXTS = ("text", "caption", "captions", "prompt")
_ROWS = 64  # at a time


@dataclass(frozen=True)
class Layout:
    """The columns of a file that are used, and the names of its classes."""

    image: str
    label: str | None
    text: str | None
    classes: tuple[str, ...]


class Columns:
    """The images of a file, named by their rows. Raises UsageError if it is none, or pyarrow is not installed."""

    def __init__(self, path: Path) -> None:
        self.layout = layout_of(path)
        self._tar = Tar(unpacked(path, lambda out: _write(path, self.layout.image, out), "-images"))
        self.names, self.others = self._tar.names, ()

    def open(self, name: str) -> BinaryIO:
        return self._tar.open(name)


def layout_of(path: Path) -> Layout:
    """Raises UsageError, naming the columns, if a file has no column of images or several."""
    with _reading(path) as (schema, _):
        names = list(schema.names)
        images = [name for name in names if _holds_images(schema.field(name).type)]
        known = [name for name in images if name.casefold() in _IMAGES] or images
        if len(known) != 1:
            raise UsageError(
                f"{path} has {len(known)} columns of encoded images where one was expected; its columns are "
                f"{', '.join(map(harmless, names))}."
            )
        label = next((name for wanted in _LABELS for name in names if name.casefold() == wanted), None)
        text = next((name for wanted in _TEXTS for name in names if name.casefold() == wanted), None)
        return Layout(known[0], label, text, _class_names(schema.metadata, label))


def labels_and_texts(path: Path, layout: Layout) -> tuple[list[str | int | None], list[tuple[str, ...]]]:
    """The label and the captions of each row."""
    labels: list[str | int | None] = []
    texts: list[tuple[str, ...]] = []
    wanted = [name for name in (layout.label, layout.text) if name is not None]
    if not wanted:
        return labels, texts
    with _reading(path) as (_, batches):
        for batch in batches(wanted):
            if layout.label is not None:
                labels += [_label(value) for value in batch.column(layout.label).to_pylist()]
            if layout.text is not None:
                texts += [_texts(value) for value in batch.column(layout.text).to_pylist()]
    return labels, texts


def _label(value: Any) -> str | int | None:
    return value if isinstance(value, str | int) and not isinstance(value, bool) else None


def _texts(value: Any) -> tuple[str, ...]:
    several: Sequence[Any] = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return tuple(dict.fromkeys(text.strip() for text in several if isinstance(text, str) and text.strip()))


def _holds_images(kind: Any) -> bool:
    """Whether a column is binary, or a struct of "bytes" and "path"."""
    import pyarrow.types as types

    if types.is_struct(kind):
        return any(kind.field(i).name == "bytes" for i in range(kind.num_fields))
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _class_names(metadata: Any, label: str | None) -> tuple[str, ...]:
    """The names of the classes that Hugging Face writes beside a schema; () if there are none."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        names = features[label]["names"]
    except (KeyError, ValueError, TypeError, RecursionError):
        return ()
    return tuple(names) if isinstance(names, list) and all(isinstance(name, str) for name in names) else ()


def _write(path: Path, column: str, out: BinaryIO) -> None:
    """Writes a tar of the images. Raises UsageError for a row without one, or if they are too many bytes."""
    most, size, row = most_of(path), 0, 0
    with _reading(path) as (_, batches), tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for batch in batches([column]):
            for value in batch.column(column).to_pylist():
                content = value.get("bytes") if isinstance(value, dict) else value
                if not isinstance(content, bytes):
                    raise UsageError(f"{path}, row {row} of {harmless(column)} holds no image, perhaps a path.")
                size += len(content)
                if size > most:
                    raise UsageError(f"{path} unpacks to more than {most:,} bytes, as images never do; it is not read.")
                info = tarfile.TarInfo(name_of(row))
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
                row += 1


def name_of(row: int) -> str:
    """The name of the image of a row."""
    return f"{row:08d}"


def _validated(stream: Any, columns: list[str]) -> Iterator[Any]:
    """The batches of an Arrow stream, whose offsets are checked before anything is read by them."""
    for batch in stream:
        chosen = batch.select(columns)
        chosen.validate(full=True)
        yield chosen


@contextmanager
def _reading(path: Path) -> Iterator[tuple[Any, Any]]:
    """The schema of a file, and a function (columns) -> batches of rows."""
    try:
        import pyarrow
        from pyarrow import ipc, parquet
    except ImportError as error:
        raise UsageError(f"{path} needs pyarrow to be read: pip install 'inkwash[parquet]'.") from error
    try:
        if path.suffix.casefold() == ".parquet":
            with parquet.ParquetFile(path) as file:
                yield file.schema_arrow, lambda columns: file.iter_batches(_ROWS, columns=columns)
        else:
            with pyarrow.memory_map(str(path)) as mapped, ipc.open_stream(mapped) as stream:
                yield stream.schema, lambda columns: _validated(stream, columns)
    except (InkwashError, MemoryError, GeneratorExit):
        raise
    except Exception as error:  # damaged files make pyarrow's readers raise anything
        reason = str(error).partition("\n")[0]
        raise UsageError(f"{path} is no whole {path.suffix[1:]} file ({reason}); it may be cut short.") from error
