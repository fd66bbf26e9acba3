"""The section on the guidance scale: fidelity against diversity."""

from collections.abc import Sequence
from dataclasses import dataclass

from inkwash.report.sections.section import Section, when
from inkwash.study.compare import Series, best_row, mean_improvement, series
from inkwash.study.table import Row, Table

FIDELITY = ("accuracy", "precision", "density")
DIVERSITY = ("recall", "coverage", "entropy", "spread")
CONDITION = ("accuracy", "precision", "recall")  # what asking for a condition may change
TRADES = {  # by the signs of what surely changes in fidelity and in diversity, as a sentence is called
    ("+", "-"): "trade", ("+", ""): "free", ("+", "+"): "gain", ("", "-"): "waste", ("-", "-"): "loss",
}  # fmt: skip
MOST = 6  # families that are spoken of one by one


@dataclass(frozen=True)
class Change:
    """The change of a score between two scales, averaged over the other settings."""

    name: str
    sign: int  # 1 where it surely rises, −1 where it surely falls, 0 where three draws cannot tell
    before: float
    after: float
    floor: float


def scale(done: Table) -> Section:
    """How strong should guidance be?"""
    every = series(done, "scale")
    longest = max((_values(family) for family in every), key=len)
    found = [family for family in every if _values(family) == longest]  # what can be averaged over
    least, low, high = longest[0], 1.0 if 1.0 in longest[:-1] else longest[0], longest[-1]
    faithful, diverse = (_changes(done, found, names, low, high) for names in (FIDELITY, DIVERSITY))
    # a larger spread or entropy alone is no diversity: noise has both
    counted = [each for each in diverse if each.name in ("recall", "coverage") or each.sign < 0]
    rising, falling = ([each.name for each in (*faithful, *counted) if each.sign == sign] for sign in (1, -1))
    condition = _changes(done, found, CONDITION, least, low)
    moved = [("moved", low, high, len(found), rising, falling)]
    return Section(
        "scale",
        theory=[[("guidance",)], [("sharper",)], [("remedies",)]],
        findings=[
            when(least < low, "condition", least, low, len(found), condition),
            [("fidelity", low, high, len(found), faithful)],
            [("diversity", low, high, len(found), diverse)],
            *([("ranked", "scale", family, best_row(family.rows)[1])] for family in every[:MOST]),
            when(every[MOST:], "more_in_table", len(every[MOST:])),
        ],
        answer=[
            *([(TRADES.get((_signs(faithful), _signs(counted)), "unusual"),), *moved] if rising or falling
              else [("no_effect", low, high, len(found))]),
            ("lowest", *_best(done, found)),
        ],
        trades=True,
    )  # fmt: skip


def _values(family: Series) -> list[float]:
    return [row.value("scale") for row in family.rows]


def _at(family: Series, value: float) -> Row:
    return next(row for row in family.rows if row.value("scale") == value)


def _mean(found: Sequence[Series], name: str, value: float) -> float:
    return sum(_at(family, value).scores[name][0] for family in found) / len(found)


def _changes(done: Table, found: Sequence[Series], names: Sequence[str], low: float, high: float) -> list[Change]:
    """The changes of the scores that all cells have."""
    changes = []
    for name in names:
        if name in done.floor_scores and all(name in row.scores for family in found for row in family.rows):
            gain = mean_improvement([(_at(family, high), _at(family, low)) for family in found], name)
            sign = 0 if not gain.significant else 1 if gain.mean > 0 else -1
            ends = _mean(found, name, low), _mean(found, name, high)
            changes.append(Change(name, sign, *ends, done.floor_scores[name][0]))
    return changes


def _signs(changes: Sequence[Change]) -> str:
    return "".join(sorted({"-+"[each.sign > 0] for each in changes if each.sign}))


def _best(done: Table, found: Sequence[Series]) -> tuple[float, float, str, list[float]]:
    """At which scale the mean Fréchet distance is least, that distance, where the scale lies, and its rivals.

    Rivals are the scales that do not differ significantly from it, or are worse by at most the floor's deviation.
    """
    values = _values(found[0])
    mean = {value: _mean(found, "frechet", value) for value in values}
    best = min(values, key=mean.__getitem__)

    def worse(value: float) -> bool:
        apart = mean_improvement([(_at(family, best), _at(family, value)) for family in found])
        return apart.significant and apart.mean >= done.floor_scores["frechet"][1]

    rivals = [value for value in values if value != best and not worse(value)]
    if len(rivals) == len(values) - 1:
        return best, mean[best], "anywhere", []
    inside = "" if {values[0], values[-1]} & {best, *rivals} else "inside"
    return best, mean[best], {values[0]: "least", values[-1]: "most"}.get(best, inside), rivals
