"""The report in short, as Markdown: the answers, the figures and the table of cells."""

import re
from collections.abc import Mapping, Sequence

from inkwash.report.facts import beside
from inkwash.report.figures import Drawing
from inkwash.report.labels import SCORE, cell_name, foretold, measured, plus_minus, printable, scored
from inkwash.report.words import Story, Text
from inkwash.study.table import Table

COLUMNS = ("frechet", "precision", "recall", "coverage", "spread", "accuracy")


def summary(done: Table, story: Story, figures: Mapping[str, Drawing]) -> str:
    """What the page says first, in English and then in Chinese, with all figures and cells.

    Its figures are named as lying in figures/ beside it.
    """
    below = _plain(beside(done).en)
    parts = [f"# {_plain(story.title.en)}", _answers(story.summary, "en"), _figure("overview", "all cells"), below]
    for section in story.sections:
        parts.append(f"## {_plain(section.question.en)}")
        names = [f"{section.axis}-{kind}" for kind in ("theory", "trade", "measured")]
        parts += [_figure(name, name.replace("-", ": ")) + f"\n\n{below}" for name in names if name in figures]
        parts.append(f"> {_plain(section.answer.en)}")
    parts += ["## All cells", _table(done), below]
    parts += [f"## {_plain(story.title.zh)}", _answers(story.summary, "zh"), _plain(beside(done).zh)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _answers(answers: Sequence[Text], language: str) -> str:
    return "\n".join(f"- {_plain(getattr(answer, language))}" for answer in answers)


def _figure(name: str, says: str) -> str:
    return f"![{says}](figures/{name}.png)"


def _table(done: Table) -> str:
    scores = scored(done, COLUMNS)
    heads = ["cell", *(SCORE[name].en for name in scores), "theory's spread", "evaluations"]
    floor = ["**real images (floor)**", *(plus_minus(*done.floor_scores[name]) for name in scores), "", ""]
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], floor]
    for row in done.rows:
        each = [measured(row, name) for name in scores]
        lines.append([_plain(cell_name(row, done).en), *each, foretold(row), f"{row.evaluations:,}"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(text: str) -> str:
    """Text with `**…**` as it is, and nothing else that Markdown would take for its own."""
    parts = (re.sub(r"([\\`*_\[\]<>|&~$#])", r"\\\1", part) for part in printable(text).split("**"))
    return "**".join(parts)
