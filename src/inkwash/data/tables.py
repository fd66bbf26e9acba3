"""Lines of caption files: JSONL, and CSV with commas, semicolons or tabs, in UTF-8 or UTF-16."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from inkwash.data.packed import open_file
from inkwash.errors import UsageError

_MARKS = (  # the longer first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_LARGEST = 2**28  # bytes; in memory a text takes up to eight times as much
_DELIMITERS = ",;\t|"


def read_text(file: Path) -> str:
    """The text of a file in UTF-8, or in the encoding that its byte order mark or its zero bytes indicate.

    Raises UsageError, with the position, for other encodings, which cannot be detected, and for unreadable files.
    """
    try:
        with open_file(file, _LARGEST) as opened:
            content = opened.read(_LARGEST)
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({error.strerror}). Make it readable, or move it away.") from error
    encoding = _encoding(content)
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line, found = content.count(b"\n", 0, error.start) + 1, content[error.start : error.start + 1].hex()
        raise UsageError(
            f"{file}, line {line} is not {encoding.removesuffix('-sig').upper()} ({error.reason}: {found}). Perhaps it "
            "is in a code page of Windows; save it as UTF-8."
        ) from error


def _encoding(content: bytes) -> str:
    for mark, name in _MARKS:
        if content.startswith(mark):
            return name
    start = content[:64]
    if b"\0" in start and len(start) > 3:  # UTF-8 text has no zeros; ASCII in UTF-16 has one in every pair of bytes
        return "utf-16-le" if start[1::2].count(0) >= start[::2].count(0) else "utf-16-be"
    return "utf-8"


def json_lines(file: Path) -> Iterator[tuple[int, Mapping[str, object]]]:
    """The objects of a JSONL file, each with its line's number. Raises UsageError, naming the line."""
    for number, line in enumerate(io.StringIO(read_text(file), newline=None), 1):
        if not line.strip():
            continue
        expected = '; a line such as {"file_name": "1.png", "text": "a red boat"} was expected. Correct it.'
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{file}, line {number} is no JSON ({error}){expected}") from error
        if not isinstance(row, dict):
            raise UsageError(f"{file}, line {number} is no JSON object{expected}")
        yield number, {str(key).strip().casefold(): value for key, value in row.items()}


def csv_lines(file: Path) -> Iterator[tuple[int, Mapping[str, object]]]:
    """The rows of a CSV file by the names in its first line, each with its line's number.

    Raises UsageError, naming the line.
    """
    text = read_text(file)
    delimiter = _delimiter(text)
    # a space after the delimiter is not part of a field: otherwise it would hide the field's opening quote
    rows = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter, skipinitialspace=True)
    try:
        header = [name.strip().casefold() for name in next(rows, [])]
        for row in rows:
            if not row:
                continue
            if len(row) > len(header):
                raise UsageError(
                    f"{file}, line {rows.line_num} has {len(row)} fields, and the first line {len(header)}. Put "
                    f"quotes round a caption that holds {delimiter!r}."
                )
            yield rows.line_num, dict(zip(header, row, strict=False))
    except csv.Error as error:
        raise UsageError(f"{file}, line {rows.line_num} is no CSV ({error}). Correct it.") from error


def columns(file: Path) -> list[str]:
    """The names in the first line of a CSV file, or of the first object of a JSONL file; [] if there are none.

    Raises UsageError if the first line is no CSV.
    """
    if file.suffix.lower() == ".jsonl":
        try:
            return list(next(json_lines(file), (0, {}))[1])
        except UsageError:  # raised again when the whole file is read
            return []
    text = read_text(file)
    first = csv.reader(io.StringIO(text.partition("\n")[0]), delimiter=_delimiter(text), skipinitialspace=True)
    try:
        return [name.strip().casefold() for name in next(first, [])]
    except csv.Error as error:
        raise UsageError(f"{file}, line 1 is no CSV ({error}). Correct it.") from error


def _delimiter(text: str) -> str:
    """The delimiter of the names in the first line."""
    first = text.partition("\n")[0]
    return max(_DELIMITERS, key=first.count)  # the first delimiter if none occurs
