"""The section of an axis whose values are compared: which is best, and whether the difference is significant."""

from inkwash.report.sections.section import Paragraph, Section, when
from inkwash.study.compare import best_row, series
from inkwash.study.table import Table

MOST = 6  # families that are spoken of one by one


def contest(done: Table, axis: str) -> Section:
    """Which value of the axis is best?"""
    found = [(family, *best_row(family.rows)) for family in series(done, axis)]
    wins = dict.fromkeys(done.axes[axis], 0)
    for _, best, sure in found:
        wins[best.value(axis)] += sure
    won = sorted(((value, count) for value, count in wins.items() if count), key=lambda each: -each[1])
    (family, best, sure), *others = found
    answer: Paragraph = [("best_of_one", axis, best, sure, len(family.rows))]
    if others:
        answer = (
            [("best", axis, won, len(found), len(found) - sum(wins.values()))] if won else [("none_best", len(found))]
        )
    return Section(
        axis,
        theory=[[("theory",)]],
        findings=[
            *([("ranked", axis, family, sure)] for family, _, sure in found[:MOST]),
            when(found[MOST:], "more_in_table", len(found[MOST:])),
        ],
        answer=answer,
    )
