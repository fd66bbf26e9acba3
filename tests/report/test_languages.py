"""Languages: each knows every sentence, and another one is a folder and a row."""

import ast
import re
from dataclasses import replace
from pathlib import Path

import jinja2
import pytest
from jinja2 import nodes
from test_sections import SWEEP, table

from inkwash import own
from inkwash.metrics.score import SCORES, Score, Scores
from inkwash.report import languages, sections
from inkwash.report.languages import ENGLISH, LANGUAGES, Language, joined
from inkwash.report.sections import story
from inkwash.report.sections.contest import contest
from inkwash.report.write import write_report
from inkwash.study.axes import AXES, Axis, Sweep

TEXT = Path(languages.__file__).parent / "text"


def macros(folder: Path) -> dict[str, dict[str, list[str]]]:
    """The macros of each template of a folder, with the names of their arguments."""
    parse = jinja2.Environment().parse
    return {
        file.name: {
            macro.name: [argument.name for argument in macro.args]
            for macro in parse(file.read_text(encoding="utf-8")).find_all(nodes.Macro)
        }
        for file in folder.glob("*.j2")
    }


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.code)
def test_every_language_has_every_sentence(language: Language) -> None:
    """A sentence takes the same arguments in all; what only helps in one language need not be in another."""
    english, here, called = macros(TEXT / "en"), macros(TEXT / language.code), said()
    assert english.keys() <= here.keys()
    for template, sentences in english.items():
        for name in sentences.keys() & called:
            assert here[template].get(name) == sentences[name], f"{template}: {name}"


def said() -> set[str]:
    """All strings in the code that says something, among them the names of all macros that it calls."""
    files = [*Path(sections.__file__).parent.glob("*.py"), *Path(languages.__file__).parent.glob("*.py")]
    templates = [file.read_text(encoding="utf-8") for file in Path(languages.__file__).parent.glob("*.j2")]
    strings = {
        node.value
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return strings | {name for text in templates for name in re.findall(r'"([a-z_]+)"', text)}


def test_a_third_language_is_a_folder_and_a_row(tmp_path: Path) -> None:
    """English with a mark in every macro: the mark is wherever a reader of that language looks."""
    folder = tmp_path / "xx"
    folder.mkdir()
    for file in (TEXT / "en").glob("*.j2"):
        marked = re.sub(r"({% macro [^%]* %})(?!{% endmacro %})", r"\1¤", file.read_text(encoding="utf-8"))
        (folder / file.name).write_text(marked, encoding="utf-8")
    third = Language("xx", "Marked", "en-x-marked", folder)
    done = table(lambda row: 4 / row.value("steps") + row.value("eta"), subjects=1)
    write_report(done, tmp_path / "out", {}, languages=(*LANGUAGES, third))
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    spans = {
        code: re.findall(rf'<span class="{code}"[^>]*>(.*?)</span>', html, re.DOTALL) for code in ("en", "zh", "xx")
    }
    assert len(spans["en"]) == len(spans["zh"]) == len(spans["xx"]) > 60
    assert all("¤" in text for text in spans["xx"])
    for marked, plain in zip(spans["xx"], spans["en"], strict=True):
        assert joined(marked.replace("¤", "")) == joined(plain)
    assert '<button type="button" data-to="xx" lang="en-x-marked" aria-pressed="false">Marked</button>' in html
    assert 'html:not([lang="en-x-marked"]) .xx { display: none; }' in html
    assert re.search(r'<text [^>]*class="xx" lang="en-x-marked"[^>]*>¤5 steps</text>', html)
    summary = (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")
    assert summary.count("¤images by") == 0
    assert len(re.findall("^## ¤", summary, re.MULTILINE)) == 1
    assert len(re.findall("^- .*¤", summary, re.MULTILINE)) == len(done.axes)


def test_a_language_that_lacks_a_sentence_is_named() -> None:
    with pytest.raises(LookupError, match="English has no words for whatever of steps"):
        ENGLISH.say("whatever", of="steps")


def test_an_axis_and_a_score_that_no_language_knows_have_their_own_titles(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A new axis or score needs no words: its section is the generic one."""
    axis = Axis(
        "warmth", "warmth of the noise", lambda value: f"{value:g} kelvin", lambda row: row.seconds, numeric=True
    )
    monkeypatch.setitem(AXES, "warmth", axis)
    charm = Score("charm of the images", "higher", lambda compared: 1.0)
    monkeypatch.setitem(SCORES, "charm", charm)
    plain = table(lambda row: 4 / row.value("steps"), Sweep(steps=(5, 10), limit=("none",)), subjects=1)
    charming = tuple(Scores({**draw.values, "charm": 0.25}) for draw in plain.floor)
    rows = tuple(replace(row, seconds=s, draws=charming) for row in plain.rows for s in (1.0, 2.0))
    done = replace(plain, rows=rows, floor=charming)
    (*_, section) = story(done)
    assert section.axis == "warmth"
    for language in LANGUAGES:
        assert "warmth of the noise" in section.question(language)
        assert language.speak(*section.says(section.answer))
        assert language.say("score_head", "charm") == "charm of the images ↑"
    paths = write_report(done, tmp_path, {})
    assert "What does the warmth of the noise change?" in paths[0].read_text(encoding="utf-8")
    assert "2 kelvin" in paths[0].read_text(encoding="utf-8")
    figure = (tmp_path / "figures" / "warmth-measured.svg").read_text(encoding="utf-8")
    assert "charm of the images ↑" in figure
    assert "| charm of the images ↑ |" in (tmp_path / "summary.md").read_text(encoding="utf-8")


def test_an_axis_along_which_nothing_can_be_compared_has_no_section(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(AXES, "double", Axis("double", "twice the steps", str, lambda row: 2 * row.value("steps")))
    assert story(table(lambda row: 1.0, Sweep(steps=(5, 10), limit=("none",)), subjects=1)) == []


def test_a_prediction_that_no_language_knows_has_its_symbol(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("class Sharp:\n    symbol = 's'\n\n    def row(self, level):\n        return 1.0, 1.0\n")
    own.allow([f"{file}:Sharp"])
    said = [language.say("value", "prediction", f"{file}:Sharp") for language in LANGUAGES]
    assert said == ["s-prediction", "预测 s"]


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        (" two\n  words ", "two words"),
        ("两个\n词", "两个词"),
        ("两个 词，\nddim 和\nheun。 完", "两个词，ddim 和 heun。完"),
        ("见 “x”\n（y）", "见 “x”（y）"),
        ("", ""),
    ],
)
def test_lines_are_joined(lines: str, line: str) -> None:
    assert joined(lines) == line


def test_the_generic_section_speaks_every_language() -> None:
    section = contest(table(lambda row: row.value("eta"), SWEEP), "eta")
    for language in LANGUAGES:
        assert "η = 0" in language.speak(*section.says(section.answer))
