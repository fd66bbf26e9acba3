"""The section on what the network predicts."""

from itertools import combinations, product
from typing import Any

from inkwash.report.sections.section import Section, Sentence, when
from inkwash.study.compare import Series, series, significant_sign
from inkwash.study.subject import load_model
from inkwash.study.table import Row, Table

MOST = 8  # places that are listed
Places = list[tuple[Series, Row, Row, bool]]  # the last: whether the runs must be named


def prediction(done: Table) -> Section:
    """Does it matter what the network predicts?"""
    found = series(done, "prediction")
    findings: list[list[Sentence]] = []
    answer: list[Sentence] = []
    for pair in combinations(done.axes["prediction"], 2):
        one, other, better, worse, equal = _duel(found, *pair)
        findings += [[("better", *who, group[:MOST], len(group) - MOST)]
                     for *who, group in ((one, other, better), (other, one, worse)) if group]  # fmt: skip
        findings += [when(equal, "equal", one, other, equal[:MOST], len(equal) - MOST)]
        count = len(better) + len(worse) + len(equal)
        answer += when(count, "wins" if better else "no_wins", one, other, len(better), len(worse), count)
    seen = {about["images_seen"] for about in done.facts["trained"].values()}
    images = seen.pop() if len(seen) == 1 else None
    return Section(
        "prediction",
        theory=[[("same", [_error(done, value) for value in done.axes["prediction"]])], [("loss",)]],
        findings=findings,
        answer=[*(answer or [("apart",)]), *when(_several(found), "every_run"), *when(images, "trained", images)],
    )


def _duel(found: list[Series], one: str, other: str) -> tuple[str, str, Places, Places, Places]:
    """Two predictions, the one that surely wins more often first, with the places where it does, loses, neither.

    Every run of one prediction is compared with every run of the other.
    """
    places: dict[int, Places] = {1: [], -1: [], 0: []}
    for family in found:
        ones, others = ([row for row in family.rows if row.value("prediction") == value] for value in (one, other))
        for pair in product(ones, others):
            sign = significant_sign(*pair)
            first, second = pair[::-1] if sign < 0 else pair
            places[sign].append((family, first, second, len(ones) * len(others) > 1))
    better, worse, equal = places.values()
    return (one, other, better, worse, equal) if len(better) >= len(worse) else (other, one, worse, better, equal)


def _several(found: list[Series]) -> bool:
    """Whether several runs of a series have the same prediction."""
    return any(len({row.value("prediction") for row in each.rows}) < len(each.rows) for each in found)


def _error(done: Table, value: str) -> tuple[str, float, float]:
    """The factor from an error of the network to an error of x̂₀, at the noisiest and the cleanest level evaluated."""
    row = next(row for row in done.rows if row.value("prediction") == value)
    predicted = load_model(row.cell.subject).denoiser.prediction
    _, plan = row.cell.solver_and_plan

    def factor(level: Any) -> float:
        a, b = predicted.row(level)
        return float(level.sigma / abs(level.alpha * b - level.sigma * a))

    return value, factor(plan[0]), factor(plan[-2])
