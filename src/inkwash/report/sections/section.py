"""The interface of a section: paragraphs of sentences, each the name of a macro in every language and its arguments."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from inkwash.report.languages import Text, text

Sentence = tuple[Any, ...]  # a macro of the axis's template, and its arguments
Paragraph = Sequence[Sentence]


@dataclass(frozen=True, eq=False)
class Section:
    """An axis of a study: what theory says before anything is measured, what the table says, and the conclusion."""

    axis: str
    theory: Sequence[Paragraph]
    findings: Sequence[Paragraph]
    answer: Paragraph
    trades: bool = False  # fidelity for diversity: where theory has no closed form, precision over recall is drawn

    @property
    def question(self) -> Text:
        """What the axis is studied for."""
        return text("question", self.axis, of=self.axis)

    def says(self, paragraph: Paragraph) -> list[Text]:
        """A paragraph in words."""
        return [text(*sentence, of=self.axis) for sentence in paragraph]


def when(condition: Any, *sentence: Any) -> list[Sentence]:
    """A sentence, or none."""
    return [sentence] if condition else []
