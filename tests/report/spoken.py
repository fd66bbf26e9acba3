"""The words of a report's section in one language, as tests read them."""

from dataclasses import dataclass

from inkwash.report.languages import ENGLISH, LANGUAGES, Language
from inkwash.report.sections import story
from inkwash.report.sections.section import Section
from inkwash.study.table import Table

CHINESE = next(language for language in LANGUAGES if language.code == "zh")


@dataclass(frozen=True)
class Spoken:
    """A section in a language: a text for each paragraph."""

    question: str
    theory: list[str]
    findings: list[str]
    answer: str

    @property
    def texts(self) -> list[str]:
        return [self.question, *self.theory, *self.findings, self.answer]


def speak(section: Section, language: Language = ENGLISH) -> Spoken:
    def each(paragraphs) -> list[str]:
        return [language.speak(*section.says(paragraph)) for paragraph in paragraphs if paragraph]

    answer = language.speak(*section.says(section.answer))
    question = "" if section.axis == "method" else section.question(language)
    return Spoken(question, each(section.theory), each(section.findings), answer)


def spoken(done: Table, axis: str, language: Language = ENGLISH) -> Spoken:
    """What is said of an axis."""
    return speak(next(each for each in story(done) if each.axis == axis), language)
