"""The languages of a report. The text of each is a folder of templates; all numbers are passed to them."""

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

MINUS, NONE = "\N{MINUS SIGN}", "–"  # NONE represents a missing number
ROUNDING = 1e-9  # smaller deviations are treated as 0
WORDS, GENERIC = "words", "generic"  # templates: of names and phrases, and of axes that have none of their own


@dataclass(frozen=True)
class Language:
    """A language: a row of LANGUAGES, and a folder of templates.

    A template has a macro for each sentence or phrase: `words.j2` contains names and phrases that all templates share,
    and one file per axis contains the sentences of its section. Line breaks are not significant.
    """

    code: str  # of the address report.html#zh
    name: str  # as its speakers call it
    tag: str  # as HTML calls it
    folder: Path | None = None  # None: text/CODE beside this file

    def say(self, macro: str, *about: Any, of: str = WORDS) -> str:
        """Renders a macro with its arguments. It is looked up in the template `of`, then in GENERIC, then in WORDS."""
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
Text = Callable[[Language], str]  # a text that can be rendered in any language


def text(macro: str, *about: Any, of: str = WORDS) -> Text:
    """A text that renders a macro in the given language."""
    return lambda language: language.say(macro, *about, of=of)


def _each(items: Iterable[Any], macro: Callable[..., str], *about: Any) -> list[str]:
    """Texts that render a macro for each item; a tuple provides several leading arguments."""
    return [macro(*(item if isinstance(item, tuple) else (item,)), *about) for item in items]


def joined(lines: str) -> str:
    """Joins text to one line: white space becomes one space, or nothing next to Chinese characters and punctuation."""

    def between(found: re.Match[str]) -> str:
        beside = lines[found.start() - 1], lines[found.end()]
        wide = [unicodedata.east_asian_width(letter) in "WF" for letter in beside]
        marks = [unicodedata.category(letter)[0] == "P" for letter in beside]
        return "" if all(wide) or (wide[0] and marks[0]) or (wide[1] and marks[1]) else " "

    lines = lines.strip()
    return re.sub(r"\s+", between, lines)


def printable(name: str) -> str:
    """Removes unprintable characters from a text, such as the name of a folder."""
    return "".join(
        letter if letter.isprintable() else " " if letter.isspace() else "\N{REPLACEMENT CHARACTER}" for letter in name
    )


def plus_minus(mean: float, sd: float) -> str:
    """Formats a mean and its standard deviation, rounded to two significant digits of the deviation."""
    if not (math.isfinite(mean) and math.isfinite(sd)):
        return NONE
    digits = 3 if sd < ROUNDING else min(7, max(0, 1 - math.floor(math.log10(sd))))
    return f"{mean:.{digits}f} ± {sd:.{digits}f}".replace("-", MINUS)
