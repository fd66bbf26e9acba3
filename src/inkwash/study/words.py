"""What a report says, in two languages."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    """The same sentences in English and in simplified Chinese. `**…**` marks what is emphasised."""

    en: str
    zh: str

    def __add__(self, other: "Text") -> "Text":
        return Text(f"{self.en} {other.en}", self.zh + other.zh)


@dataclass(frozen=True)
class Section:
    """One axis of a study: the question, what theory says before anything is measured, and what was found."""

    axis: str
    question: Text
    theory: tuple[Text, ...]  # paragraphs
    findings: tuple[Text, ...]  # paragraphs, computed from the table
    answer: Text  # the conclusion in a sentence or two


@dataclass(frozen=True)
class Story:
    """All that a report says beside its figures, pictures and tables."""

    title: Text
    summary: tuple[Text, ...]  # the answers in short, one for each section
    sections: tuple[Section, ...]
    method: tuple[Text, ...]  # how it was measured: n, split, features, floor, what a band is
