"""The section on η, the noise that sampling adds."""

import math
from collections import Counter

from inkwash.report.sections.section import Section, when
from inkwash.sample.solver import fact
from inkwash.study.compare import Series, image_correlation, mean_improvement, series, significant_sign
from inkwash.study.table import Table

WORSE, EQUAL, BETTER = -1, 0, 1


def eta(done: Table) -> Section:
    """What does η do? The least η is compared with the most."""
    low, high, found = _ends(series(done, "eta"))
    by_sign: dict[int, list[Series]] = {WORSE: [], EQUAL: [], BETTER: []}
    for family in found:
        by_sign[significant_sign(family.rows[-1], family.rows[0])].append(family)
    known = {_steps(each): each for each in reversed(found) if not any(row.guided for row in each.rows)}
    ends = sorted({min(known), max(known)}) if known else []
    foreseen = [({"steps": n, **known[n].fixed}, known[n].rows[0], known[n].rows[-1]) for n in ends]
    spreads, definitions, alike = _spreads(found), _definitions(done), _alike(done, low, high)
    count = {sign: len(group) for sign, group in by_sign.items()}
    return Section(
        "eta",
        theory=[
            [("noise",), *((kind, names) for kind, names in definitions.items() if names)],
            when(foreseen, "foreseen", low, high, foreseen),
        ],
        findings=[[("compared", sign, low, high, group)] for sign, group in by_sign.items() if group],
        answer=[
            (_verdict(by_sign), max(map(_steps, by_sign[WORSE]), default=0)),
            *when(len(found) > 1, "tally", low, high, count[WORSE], count[BETTER], len(found)),
            ("spread", low, high, spreads) if spreads else ("same_spread",),
            *when(alike, "alike", high, *(alike or ())),
        ],
    )


def _ends(found: list[Series]) -> tuple[float, float, list[Series]]:
    """The least and the most η of most families, and the families that have both."""
    ends = [(family.rows[0].value("eta"), family.rows[-1].value("eta")) for family in found]
    count = Counter(ends)
    low, high = max(ends, key=lambda pair: (count[pair], pair[1] - pair[0]))
    return low, high, [family for family, pair in zip(found, ends, strict=True) if pair == (low, high)]


def _verdict(by_sign: dict[int, list[Series]]) -> str:
    """What noise does, as a sentence is called."""
    worse, equal, better = by_sign.values()
    turns = all(_steps(one) < _steps(other) for one in worse for other in equal + better)
    if worse and better:
        return "hurts_then_helps" if turns and not equal else "depends"
    if worse and equal:
        return "hurts_then_nothing" if turns else "hurts_or_nothing"
    if better and equal:
        return "helps_or_nothing"
    return "hurts" if worse else "helps" if better else "nothing"


def _steps(family: Series) -> int:
    return int(family.rows[0].value("steps"))


def _spreads(found: list[Series]) -> list[tuple[int, float, float | None]]:
    """What η surely does to the spread at a number of steps, on average over the other settings, and in theory."""
    changes = []
    for n in sorted({_steps(family) for family in found}):
        pairs = [(family.rows[-1], family.rows[0]) for family in found if _steps(family) == n]
        change = mean_improvement(pairs, "spread")
        foretold = sum(noisy.theory.spread - still.theory.spread for noisy, still in pairs) / len(pairs)
        guided = any(row.guided for pair in pairs for row in pair)
        if change.significant:
            changes.append((n, change.mean, None if guided else foretold))
    return changes


def _definitions(done: Table) -> dict[str, list[str]]:
    """Which solvers' η scales the added noise's deviation (the DDIM paper's), and which its variance (the lab's).

    The two agree at 0 and 1.
    """
    found: dict[str, dict[str, None]] = {"deviation": {}, "variance": {}}
    for row in done.rows:
        eta = row.cell.sampling.eta
        if eta is not None and 0 < eta < 1:
            kind = "deviation" if math.isclose(fact(row.cell.solver_and_plan[0], "eta"), eta) else "variance"
            found[kind][row.value("solver")] = None
    return {kind: list(names) for kind, names in found.items()}


def _alike(done: Table, low: float, high: float) -> tuple[int, int, float, float] | None:
    """Two numbers of steps, and how alike their images from the same noise are without noise and with the most."""
    along = done.axes.get("steps", [])
    found = [family for family in series(done, "steps") if len(family.rows) == len(along) > 2] if along else []
    ends = [[family for family in found if family.fixed.get("eta") == end] for end in (low, high)]
    if low != 0 or not all(ends):
        return None
    middle = len(along) // 2
    still, noisy = (sum(image_correlation(each.rows[middle], each.rows[-1]) for each in end) / len(end) for end in ends)
    return along[middle], along[-1], still, noisy
