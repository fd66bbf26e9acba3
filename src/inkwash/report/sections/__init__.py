"""The sections of a report, one per axis. An axis with specific questions has its own file.

A section computes numbers, names and signs from the table and selects sentences; their text is in `text/`.
"""

from collections.abc import Callable
from dataclasses import replace

from inkwash.report.languages import ENGLISH, Language
from inkwash.report.sections.contest import contest
from inkwash.report.sections.eta import eta
from inkwash.report.sections.evidence import evidence
from inkwash.report.sections.prediction import prediction
from inkwash.report.sections.scale import scale
from inkwash.report.sections.section import Section
from inkwash.report.sections.solver import solver
from inkwash.report.sections.steps import steps
from inkwash.study.compare import series
from inkwash.study.table import Table

SECTIONS: dict[str, Callable[[Table], Section]] = {
    "prediction": prediction,
    "solver": solver,
    "steps": steps,
    "scale": scale,
    "eta": eta,
}  # any other axis has the section of a contest


def story(done: Table) -> list[Section]:
    """The sections of a finished study's report, for each axis along which cells can be compared, in their order.

    Their answers draw no conclusion where the measurements support none (`evidence`).
    """
    axes = [axis for axis in done.axes if series(done, axis)]
    found = [SECTIONS[axis](done) if axis in SECTIONS else contest(done, axis) for axis in axes]
    return [replace(each, answer=[("no_conclusion",)]) for each in found] if evidence(done) else found


def answers(done: Table, language: Language = ENGLISH) -> list[str]:
    """The conclusions of a study, a plain text for each axis; or, in one text, why there are none."""
    said = [evidence(done)] if evidence(done) else [each.says(each.answer) for each in story(done)]
    return [language.speak(*texts).replace("**", "") for texts in said]
