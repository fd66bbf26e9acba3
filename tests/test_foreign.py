"""Strings that others wrote cannot do anything where they are shown."""

import csv
import io
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inkwash.foreign import as_csv, harmless, say, show

NASTY = "\x1b]0;owned\x07 \x1b[2J \u202egpj.exe \u2066x \x9b31m \r\b\n \u2028 \udcff\x00"


@settings(max_examples=50)
@given(st.text())
def test_nothing_that_does_not_print_is_left(text: str) -> None:
    shown = harmless(text)
    assert all(c.isprintable() or c in "\u200c\u200d" for c in shown)
    assert not any(unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") for c in shown)
    assert harmless(shown) == shown  # so a message may be made harmless once more when it is printed


@given(st.text(st.characters(exclude_categories=("C", "Zl", "Zp", "Zs"))))
def test_what_prints_is_unchanged(text: str) -> None:
    assert harmless(text) == text


def test_languages_and_emoji_are_unchanged() -> None:
    for text in ("猫 é η = 0.5", "می‌خواهم", "👨‍👩‍👧 ❤️", "שלום", "a b\\n"):
        assert harmless(text) == text


def test_marks_that_reverse_text_are_escaped() -> None:
    for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C):
        assert harmless(f"a{chr(code)}b") == f"a\\u{code:04x}b"


def test_what_is_printed_goes_through_it(capsys: pytest.CaptureFixture[str]) -> None:
    say(NASTY)
    show(NASTY)
    out, err = capsys.readouterr()
    assert out == err == harmless(NASTY) + "\n"
    assert "\x1b" not in out
    assert out.count("\n") == 1
    assert sys.stdout is not None


@settings(max_examples=30)
@given(st.lists(st.lists(st.one_of(st.text(), st.floats(allow_nan=False), st.integers()), min_size=2), min_size=1))
def test_no_cell_of_a_csv_is_a_formula(rows: list[list[object]]) -> None:
    read = list(csv.reader(io.StringIO(as_csv(rows), newline="")))
    for cells, row in zip(read, rows, strict=True):
        for cell, value in zip(cells, row, strict=True):
            assert cell.removeprefix("'") == harmless(str(value)).removeprefix("'")
            try:
                float(cell)
            except ValueError:
                assert cell.lstrip()[:1] not in ("=", "+", "-", "@")


def test_names_in_a_csv_keep_what_is_no_formula() -> None:
    rows = [["=1+1", "+a", "-b", "@c", "=d\r", " =e", "a=b", "-0.5", "-1e-05", -3, "−4", ""]]
    assert as_csv(rows) == "'=1+1,'+a,'-b,'@c,'=d\\r,' =e,a=b,-0.5,-1e-05,-3,−4,\n"
