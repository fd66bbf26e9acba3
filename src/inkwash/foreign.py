"""Strings that others wrote, such as names of files and classes, made harmless where they are shown.

Everything that inkwash prints goes through `say` or `show`, and every CSV through `as_csv`.
"""

import csv
import io
import sys
from collections.abc import Iterable

_JOINERS = "\u200c\u200d"  # they join letters and emoji, and do nothing to a terminal
_FORMULA = ("=", "+", "-", "@")  # also behind white space


def harmless(text: str) -> str:
    """The text on one line, with everything escaped that does not print.

    Escaped are control characters (which can move the cursor, set a window's title or ring), marks that reverse the
    direction of text, line breaks, and bytes that are no text.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _JOINERS else c.encode("unicode_escape").decode() for c in text)


def say(text: object) -> None:
    """Prints a line to standard error."""
    print(harmless(str(text)), file=sys.stderr)


def show(text: object) -> None:
    """Prints a line of a command's result to standard output."""
    print(harmless(str(text)))


def as_csv(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV, their texts `harmless`. One that a spreadsheet would compute has an apostrophe before it."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    value = harmless(value)
    if value.lstrip()[:1] not in _FORMULA:
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value  # a negative number
