"""The section on the solvers: which is best for its cost."""

from dataclasses import dataclass
from typing import Any

from inkwash.report.layout import place
from inkwash.report.sections.section import Section, Sentence, when
from inkwash.sample.solver import fact
from inkwash.study.compare import best_row, first_unbeaten, series
from inkwash.study.table import Row, Table

NEAR = 0.94  # costs that differ by less count as equal
MOST = 8  # rows that are listed
SAID = ("prediction", "run", "solver", "steps")  # axes that a row's name need not repeat


@dataclass(frozen=True)
class SolverFacts:
    """The properties of a swept solver."""

    name: str
    order: int | None  # of convergence without added noise; None where it always adds noise
    evaluations: int | None  # of the network, in a step between two noisy levels; None where the solver decides


@dataclass(frozen=True)
class Budget:
    """A comparison of solvers at about the same number of network evaluations of one run, each at its best settings."""

    run: str | None  # where there are several
    evaluations: int
    exact: bool  # whether all rows cost that
    rows: list[tuple[Row, dict[str, Any]]]  # one a solver, the best first, with its place on the other axes
    sure: bool  # whether the first is surely better than each of the others


def solver(done: Table) -> Section:
    """Which solver is worth its evaluations?"""
    found, solvers = _budgets(done), solver_facts(done)
    budgets = [budget for budget in found if len(budget.rows) > 1]
    alone = [(budget.run, *row) for budget in found if len(budget.rows) == 1 for row in budget.rows]
    wins = dict.fromkeys(done.axes["solver"], 0)
    for budget in budgets:
        wins[budget.rows[0][0].value("solver")] += budget.sure
    won = sorted(((name, count) for name, count in wins.items() if count), key=lambda each: -each[1])
    answer: Sentence = (
        ("best", won, len(budgets), len(budgets) - sum(wins.values())) if won else ("none_best", len(budgets))
    )
    if len(budgets) < 2:
        answer = ("best_of_one", budgets[0]) if budgets else ("unequal",)
    plain = [each.name for each in solvers if each.order]
    limits = _enough(done)
    return Section(
        "solver",
        theory=[[
            ("cost", solvers),
            *when(len({each.order for each in solvers if each.order}) > 1, "order"),
            *when(len(plain) > 1, "same_path", plain),
        ]],
        findings=[*([("budget", each)] for each in budgets), when(alone, "alone", alone[:MOST], len(alone) - MOST)],
        answer=[answer, *when(limits, "limits", limits)],
    )  # fmt: skip


def solver_facts(done: Table) -> list[SolverFacts]:
    """The solvers of a study, in its order."""
    found: dict[str, SolverFacts] = {}
    for row in sorted(done.rows, key=lambda row: fact(row.cell.solver_and_plan[0], "eta") != 0):
        solver, plan = row.cell.solver_and_plan
        order = fact(solver, "order") if fact(solver, "eta") == 0 else None
        name = row.value("solver")
        count = len(fact(solver, "evaluated_at")(plan[0], plan[1])) if row.cell.evaluations_known else None
        found.setdefault(name, SolverFacts(name, order, count))
    return [found[name] for name in dict.fromkeys(row.value("solver") for row in done.rows)]


def _budgets(done: Table) -> list[Budget]:
    """All rows by their run and cost: of each solver the best."""
    groups: dict[tuple[str, int], dict[str, list[Row]]] = {}
    for row in sorted(done.rows, key=lambda row: -row.evaluations):
        run, cost = row.value("run"), row.evaluations
        near = next((known for known in groups if known[0] == run and known[1] * NEAR <= cost <= known[1]), (run, cost))
        groups.setdefault(near, {}).setdefault(row.value("solver"), []).append(row)
    runs = list(dict.fromkeys(row.value("run") for row in done.rows))
    budgets = []
    for (run, cost), by_solver in sorted(groups.items(), key=lambda group: (runs.index(group[0][0]), group[0][1])):
        rows = sorted((best_row(rows)[0] for rows in by_solver.values()), key=lambda row: row.scores["frechet"][0])
        named = [(row, {axis: at for axis, at in place(done, row).items() if axis not in SAID}) for row in rows]
        exact = len({row.evaluations for row in rows}) == 1
        budgets.append(Budget(run if len(runs) > 1 else None, cost, exact, named, best_row(rows)[1]))
    return budgets


def _enough(done: Table) -> list[tuple[str, int, bool]]:
    """For each solver: the fewest evaluations beyond which no gain is significant, and whether they are its most."""
    found: dict[str, tuple[int, bool]] = {}
    for family in series(done, "steps") if "steps" in done.axes else []:
        i = first_unbeaten(family, done.floor_scores["frechet"][1])
        reached = family.rows[i].evaluations, i == len(family.rows) - 1
        name = family.rows[0].value("solver")
        found[name] = min(found.get(name, reached), reached)
    return [(name, *found[name]) for name in done.axes["solver"] if name in found]
