"""The languages of a report: the words of each are templates in a folder of its own. All numbers come from outside."""

import math
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2

from inkwash.metrics.score import SCORES
from inkwash.study.axes import AXES

MINUS, NONE = "\N{MINUS SIGN}", "–"  # NONE stands for a number that is not there
ROUNDING = 1e-9  # deviations below are 0
WORDS, GENERIC = "words", "generic"  # templates: of names and phrases, and of axes that have none of their own


@dataclass(frozen=True)
class Language:
    """A language: a row of LANGUAGES, and a folder of templates.

    A template has a macro for each thing to be said: `words.j2` names and phrases that all others use too, and one
    file for each axis the sentences of its section. Line breaks are free.
    """

    code: str  # of the address report.html#zh
    name: str  # as its speakers call it
    tag: str  # as HTML calls it
    folder: Path | None = None  # None: text/CODE beside this file

    def say(self, macro: str, *about: Any, of: str = WORDS) -> str:
        """What a macro says of its arguments: of the template `of`, or where that has none, of GENERIC, or of WORDS."""
        for template in (of, GENERIC, WORDS):
            if f"{template}.j2" in self._templates.list_templates():
                found = getattr(self._macros(template), macro, None)
                if found is not None:
                    return joined(str(found(*about)))
        raise LookupError(f"{self.name} has no words for {macro} of {of}")

    def speak(self, *texts: "Text") -> str:
        """Texts, one after the other."""
        return joined(" ".join(said(self) for said in texts))

    def _macros(self, template: str) -> Any:
        return self._templates.get_template(f"{template}.j2").module

    @cached_property
    def _templates(self) -> jinja2.Environment:
        made = jinja2.Environment(
            loader=jinja2.FileSystemLoader(self.folder or Path(__file__).parent / "text" / self.code),
            undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
            finalize=lambda value: printable(value) if isinstance(value, str) else value,
        )  # fmt: skip
        made.filters |= {
            "n": "{:,}".format,
            "g": "{:.3g}".format,
            "sign": lambda change: f"{change:+.3f}".replace("-", MINUS),
            "pm": lambda score: f"{score[0]:.3g} ± {score[1]:.2g}",
            "plus_minus": lambda score: plus_minus(*score),
            "each": _each,
        }
        made.globals |= {"AXES": AXES, "SCORES": SCORES}
        words = made.get_template(f"{WORDS}.j2").module
        made.globals |= {name: macro for name, macro in vars(words).items() if not name.startswith("_")}
        return made


ENGLISH = Language("en", "English", "en")  # what figures and the terminal speak
LANGUAGES = (ENGLISH, Language("zh", "简体中文", "zh-Hans"))
Text = Callable[[Language], str]  # something to be said, in any language


def text(macro: str, *about: Any, of: str = WORDS) -> Text:
    """What a macro says, in whatever language."""
    return lambda language: language.say(macro, *about, of=of)


def _each(items: Iterable[Any], macro: Callable[..., str], *about: Any) -> list[str]:
    """What a macro says of each of the items, which are its first arguments where they are tuples."""
    return [macro(*(item if isinstance(item, tuple) else (item,)), *about) for item in items]


def joined(lines: str) -> str:
    """Text on one line: white space is one space, and nothing between Chinese characters or at their punctuation."""

    def between(found: re.Match[str]) -> str:
        beside = lines[found.start() - 1], lines[found.end()]
        wide = [unicodedata.east_asian_width(letter) in "WF" for letter in beside]
        marks = [unicodedata.category(letter)[0] == "P" for letter in beside]
        return "" if all(wide) or (wide[0] and marks[0]) or (wide[1] and marks[1]) else " "

    lines = lines.strip()
    return re.sub(r"\s+", between, lines)


def printable(name: str) -> str:
    """A text without what cannot be printed, as names of folders may hold."""
    return "".join(
        letter if letter.isprintable() else " " if letter.isspace() else "\N{REPLACEMENT CHARACTER}" for letter in name
    )


def plus_minus(mean: float, sd: float) -> str:
    """A mean and its standard deviation, both as far as two digits of the deviation go."""
    if not (math.isfinite(mean) and math.isfinite(sd)):
        return NONE
    digits = 3 if sd < ROUNDING else min(7, max(0, 1 - math.floor(math.log10(sd))))
    return f"{mean:.{digits}f} ± {sd:.{digits}f}".replace("-", MINUS)
