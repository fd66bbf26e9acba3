"""The section on the number of steps."""

from dataclasses import dataclass

from inkwash.report.sections.section import Section, Sentence, when
from inkwash.report.sections.solver import solver_facts
from inkwash.study.compare import Series, best_row, first_unbeaten, improvement, series, significant_sign
from inkwash.study.table import Row, Table

MOST = 6  # families that are spoken of one by one
NARROW, WIDE = 0.98, 1.02  # theory's spread of few steps that is worth a word


@dataclass(frozen=True)
class Course:
    """The effect of more steps on a family. An improvement counts if significant and above the floor's deviation."""

    family: Series
    knee: Row  # from here on no improvement counts
    worse: list[Row]  # with more steps than the knee, and worse by what would count

    @property
    def lowest(self) -> Row:
        """The row of the least Fréchet distance."""
        return best_row(self.family.rows)[0]

    def verdict(self) -> Sentence:
        """What becomes of it beyond the knee."""
        n = self.knee.value("steps")
        if self.worse:
            return ("worse_again", n, [row.value("steps") for row in self.worse])
        return ("to_the_end" if self.knee is self.family.rows[-1] else "no_more", n)


def steps(done: Table) -> Section:
    """How many steps are needed?"""
    wobble, most = done.floor_scores["frechet"][1], done.axes["steps"][-1]
    courses = [_course(family, wobble) for family in series(done, "steps")]
    knees = [course.knee.value("steps") for course in courses]
    low, high = min(knees), max(knees)
    best = min(courses, key=lambda course: course.lowest.scores["frechet"][0])
    rows = best.family.rows
    before = rows[0] if best.knee is rows[-1] else best.knee
    spoken = [row for row in rows if row in (rows[0], best.knee, best.lowest, rows[-1])]
    ratio = rows[-1].evaluations / before.evaluations
    known = [course.family for course in courses if not any(row.guided for row in course.family.rows)]
    few = known[0].rows[0].theory.spread if known else 1.0
    solvers = [each for each in solver_facts(done) if each.order]
    orders = {each.order: [other.name for other in solvers if other.order == each.order] for each in solvers}
    kind = "all_help" if low == most else "some_help" if high == most else "enough"
    return Section(
        "steps",
        theory=[
            [("path",), *when(orders, "orders", sorted(orders.items())), ("network",)],
            [*when(known, "foreseen", *known[:1]), *when(few < NARROW, "narrow"), *when(few > WIDE, "wide")],
        ],
        findings=[
            *([("course", each.family), each.verdict(), ("spread", each.family.rows)] for each in courses[:MOST]),
            when(courses[MOST:], "more_in_table", len(courses[MOST:])),
        ],
        answer=[
            (kind, low, high, most, len(courses), done.n),
            *when(low < most, "counts", wobble),
            ("price", best.family, spoken, rows[-1], before, ratio),
        ],
    )


def _course(family: Series, wobble: float) -> Course:
    i = first_unbeaten(family, wobble)
    knee, later = family.rows[i], family.rows[i + 1 :]
    worse = [row for row in later if significant_sign(row, knee) < 0 and -improvement(row, knee).mean >= wobble]
    return Course(family, knee, worse)
