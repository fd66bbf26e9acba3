"""The help in Chinese: every sentence is translated, nothing but the help changes, and English stays as it was."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest
import tyro

from inkwash import choices, recipes
from inkwash.commands import all_commands
from inkwash.commands._language import docstrings, language, translated
from inkwash.networks import all_networks

CHINESE = re.compile(r"[\u4e00-\u9fff]")
NAMES = {"the U-Net", "AdamW", "DINOv2", "cifar-10-batches-py and cifar-100-python"}  # nothing to translate


def sentences(kind: type, seen: set[type]) -> Iterator[str]:
    """The help of the fields of a dataclass and of those inside it, as English has it."""
    if kind in seen:
        return
    seen.add(kind)
    said, hints = docstrings(kind), get_type_hints(kind, include_extras=True)
    for field in fields(kind):
        hint: Any = hints[field.name]
        inner, *marks = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        for part in (inner, *get_args(inner)):
            if isinstance(part, type) and is_dataclass(part):
                yield from sentences(part, seen)
        helps = [mark.help for mark in marks if getattr(mark, "help", None)]
        if tyro.conf.Suppress not in marks and (helps or field.name in said):
            yield (helps or [said[field.name]])[0]


def everything() -> list[str]:
    seen: set[type] = set()
    found = [text for kind in (*all_commands().values(), *all_networks()) for text in sentences(kind, seen)]
    found += [(kind.__doc__ or "").split("\n\n")[0] for kind in all_commands().values()]
    found += [recipes.summary(recipe) for recipe in recipes.RECIPES]
    return found + [row.help for kind in choices.ALL for row in kind.rows if row.help not in NAMES]


def test_every_sentence_is_translated() -> None:
    left = [text for text in everything() if not CHINESE.search(translated(text, "zh"))]
    assert left == []


def test_no_english_sentence_is_left_in_what_is_translated() -> None:
    """Five English words in a row would be one."""
    words = re.compile(r"(?:\b[a-z]{2,}\b[ ,]+){4,}\b[a-z]{2,}\b")
    names = "|".join(sorted({re.escape(row.name) for kind in choices.ALL for row in kind.rows}, key=len, reverse=True))
    for text in everything():
        plain = re.sub(rf"`[^`]*`|\b(?:{names})\b", "", translated(text, "zh"))
        assert not words.search(plain), plain


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"INKWASH_LANG": "zh"}, "zh"), ({"LANG": "zh_CN.UTF-8"}, "zh"), ({"LC_ALL": "zh_TW"}, "zh"),
        ({"LANG": "en_US.UTF-8"}, ""), ({"LANG": "C"}, ""), ({}, ""), ({"INKWASH_LANG": "../zh"}, ""),
        ({"INKWASH_LANG": "en", "LANG": "zh_CN"}, ""), ({"LANG": "fr_FR"}, ""),
    ],
)  # fmt: skip
def test_the_language_asked_for(monkeypatch: pytest.MonkeyPatch, env: dict[str, str], expected: str) -> None:
    for name in ("INKWASH_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert language() == expected


def test_the_help_is_chinese_and_the_flags_are_the_same() -> None:
    command, told = [sys.executable, "-m", "inkwash", "train", "mnist", "--help"], []
    for name in ("en", "zh"):
        env = {**os.environ, "INKWASH_LANG": name}
        told.append(subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout)
    flags = [sorted(set(re.findall(r"--[a-z][a-z-]+", text))) for text in told]
    assert flags[0] == flags[1]
    assert not CHINESE.search(told[0])
    assert len(CHINESE.findall(told[1])) > 500
    assert "优化步数" in told[1]
