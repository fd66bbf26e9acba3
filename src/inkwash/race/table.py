"""The table of a race, and the files that hold it."""

import math
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from inkwash import __version__, foreign
from inkwash.atomic import replacing
from inkwash.metrics.score import DRAWS, SCORES
from inkwash.race.figure import race_figure
from inkwash.race.race import PICTURE, Race, Standing
from inkwash.race.racer import EVALUATIONS
from inkwash.race.target import HEADS, RACED
from inkwash.study.machine import machine_facts
from inkwash.view import write

MINUS = "\N{MINUS SIGN}"


def write_results(race: Race) -> list[Path]:
    """Writes race.md, race.csv, race.png and race.svg into the folder of a race that has points."""
    folder = race.folder
    svg, pixels = race_figure(race)
    texts = {"race.md": "\n".join(as_markdown(race)) + "\n", "race.csv": as_csv(race), "race.svg": svg}
    for name, text in texts.items():
        with replacing(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    about = {"inkwash": __version__, "command": "race", "yardstick": race.rules.reference.digest, "terms": _terms(race)}
    write(folder / PICTURE, pixels[None], about)
    return [folder / name for name in ("race.md", "race.csv", PICTURE, "race.svg")]


def as_markdown(race: Race) -> list[str]:
    """The lines of the report: a title, the table, the picture, and what the numbers mean."""
    reference = race.rules.reference
    machine = ", ".join(f"{name} {value}" for name, value in machine_facts().items())
    return [
        f"# A race on {reference.source.name}: {', '.join(each.racer.name for each in race.standings())}",
        "",
        *table(race),
        "",
        f"![{RACED[race.score].title} against time, images and arithmetic](race.svg)",
        "",
        *(f"- {line}" for line in _notes(race)),
        f"- Machine: {machine}.",
    ]


def table(race: Race) -> list[str]:
    """The table as Markdown: a line for each recipe, and one for real images."""
    where = f"to {race.terms.until}" if race.terms.until else f"best {race.score} at"
    head = ["recipe", "parameters", where, "images", "evaluations", "arithmetic"]
    rows = [[*_standing(each), *_scores(each.points[-1].scores)] for each in race.standings()]
    rows.append(["real images: the floor", *[""] * (len(head) - 1), *_scores(race.floor)])
    lines = [[*head, *HEADS.values()], ["---", *["---:"] * (len(head) + len(HEADS) - 1)], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _standing(each: Standing) -> list[str]:
    point, racer = each.at, each.racer
    took = str(timedelta(seconds=round(point.seconds))) if point.seconds >= 60 else f"{point.seconds:.1f} s"
    if each.target is not None and not each.reached:
        took = f"not reached; best {plus_minus(*point.scores[each.score])} at {took}"
    arithmetic = f"{point.evaluations * racer.operations:.2g} FLOP"
    return [racer.name, f"{racer.parameters:,}", took, f"{point.images:,}", f"{point.evaluations:,}", arithmetic]


def _scores(scores: dict[str, tuple[float, float]]) -> list[str]:
    return [plus_minus(*scores[name]) for name in RACED]


def _notes(race: Race) -> list[str]:
    reference, sampling, terms = race.rules.reference, race.rules.sampling, race.terms
    schedule = "as its own number of steps has it"
    if terms.minutes is not None:
        schedule = f"so that it ends with the {terms.minutes:g} minutes"
    return [
        f"Scores are those at the end of each recipe's race: mean ± standard deviation over {DRAWS} draws of "
        f"n = {sampling.n:,} images, against {reference.compared:,} of {reference.source.name}'s "
        f"{reference.source.split} split, in {reference.features.name} features {reference.features.digest[:12]}. The "
        "floor is what as many real images score.",
        f"All recipes draw with {sampling.solver}, {sampling.steps} steps and seed {sampling.seed}, so image i begins "
        "from the same noise in all of them.",
        "Each recipe is trained with its own settings, one after the other; its learning rate falls " + schedule + ".",
        f"Time is that of training alone, without drawing and scoring. Images were scored every {race.rules.every:g} "
        "seconds of it, so a target counts as reached at the first point that was scored at it or better.",
        f"An image that is trained on counts as {EVALUATIONS} evaluations of the network: one forward, and its "
        "gradient, which costs about two. Arithmetic is evaluations times the floating-point operations of one, "
        f"{', '.join(f'{each.operations:.3g} for {each.name}' for each in race.racers)}.",
    ]


def as_csv(race: Race) -> str:
    """One line per point, and the floor last: the costs, and the mean and deviation over draws of each score."""
    points = [point for each in race.standings() for point in each.points]
    scored = [name for name in SCORES if name in race.floor and all(name in point.scores for point in points)]
    pairs = [part for name in scored for part in (name, f"{name}_sd")]
    lines: list[list[object]] = [
        ["recipe", "parameters", "step", "seconds", "images", "evaluations", "flop", "n", "draws", *pairs]
    ]
    n = race.rules.sampling.n
    for each in race.standings():
        for point in each.points:
            paid = (point.step, f"{point.seconds:.3f}", point.images, point.evaluations)
            flop = point.evaluations * each.racer.operations
            values = _numbers([point.scores[name] for name in scored])
            lines.append([each.racer.name, each.racer.parameters, *paid, flop, n, DRAWS, *values])
    lines.append(["real images", *[""] * 6, n, DRAWS, *_numbers([race.floor[name] for name in scored])])
    return foreign.as_csv(lines)


def _numbers(pairs: Sequence[tuple[float, float]]) -> list[str]:
    return [f"{part:.6g}" for pair in pairs for part in pair]


def plus_minus(mean: float, sd: float) -> str:
    """A mean and its standard deviation, as far as two digits of the deviation go, or four of the mean."""
    if not (math.isfinite(mean) and math.isfinite(sd)):
        return "–"
    places = [shown - math.floor(math.log10(abs(value))) for shown, value in ((1, sd), (3, mean)) if value != 0]
    digits = min(7, max(0, min(places, default=3)))
    return f"{mean:.{digits}f} ± {sd:.{digits}f}".replace("-", MINUS)


def _terms(race: Race) -> dict[str, str | float | None]:
    return {"until": None if race.terms.until is None else str(race.terms.until), "minutes": race.terms.minutes}
