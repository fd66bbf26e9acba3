"""All mistakes that are looked for in a kind of function: its rows of the table, and those that any kind may have."""

from collections.abc import Iterator
from dataclasses import replace

from inkwash.check.formulas import Formula
from inkwash.check.kinds import Kind
from inkwash.check.mistakes import MISTAKES, Mistake


def mistakes_of(kind: Kind) -> Iterator[Mistake]:
    """The rows of a kind; after them those that may be made in any kind. A step
    may clamp x̂₀, which hides a mistake, and compute ε̂ from it again.
    """
    own = [row for row in MISTAKES if kind.name in row.kinds.split()]
    yield from own
    right = kind.readings[0].formula
    if kind.batched and kind.name not in ("flow_velocity", "cfg_forward"):
        for axis in (3, 2, 1):
            yield Mistake(
                "broadcast", kind.name,
                f"a coefficient [B] is broadcast along axis {axis} of the images: reshape it to [B,1,1,1].",
                lambda c, axis=axis: right(replace(c, axis=axis)),
            )  # fmt: skip
    if "ᾱ" in kind.says or "posterior" in kind.name or kind.name in ("p_sample", "remove_noise"):
        for moved in (-1, 1):
            for reading in kind.readings:
                yield Mistake(
                    "off-by-one", kind.name,
                    f"the tables are read one row too {'early' if moved < 0 else 'late'}: row t holds ᾱ_t.",
                    lambda c, moved=moved, reading=reading: reading.formula(replace(c, moved=moved)),
                )  # fmt: skip
    if kind.name == "denoise":  # the paper's η is the root of the lab's
        own += [replace(row, wrong=_with_squared_eta(row.wrong)) for row in own]
        yield from own[len(own) // 2 :]
    if kind.observed == "step":
        for row in own:
            for limited, again in ((True, False), (False, True), (True, True)):
                says = f"{row.says} A clamp of x̂₀ to [−1, 1] hides it." if limited else row.says
                yield replace(row, says=says, wrong=_using(row.wrong, limited, again))


def _using(formula: Formula, limited: bool, again: bool) -> Formula:
    return lambda c: formula(replace(c, limited=limited, again=again))


def _with_squared_eta(formula: Formula) -> Formula:
    return lambda c: formula(replace(c, eta=c.eta**2))
