"""Finds what can be checked on a page, and checks it. Runs the page's code: see guard.py for how it is fenced in."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from inkwash.check.call import Blank, Exact, Target, Unfit, fit, observe
from inkwash.check.case import make_case
from inkwash.check.chance import Chance, known_chance
from inkwash.check.finding import Finding
from inkwash.check.judge import Verdict, WrongShapeError, judge
from inkwash.check.kinds import BY_NAME, KINDS, Kind
from inkwash.check.page import load, make, modes_of, told
from inkwash.check.tables import betas_of, check_tables
from inkwash.core import linear
from inkwash.errors import UsageError

OnFinding = Callable[[str], None]


def examine(
    path: Path, named: Mapping[str, str] | None = None, begun: OnFinding = lambda name: None
) -> Iterator[Finding]:
    """The findings on the page `path`, one after another; `named` maps kinds to names on the page.

    Calls `begun` with the name of what is checked next. Raises UsageError if the page cannot be loaded, or if nothing
    on it is recognised.
    """
    with known_chance() as chance, torch.random.fork_rng(devices=[]):
        begun("")
        page = load(path)
        count = 0
        for finding in _all(page, path, dict(named or {}), chance, begun):
            count += 1
            yield finding
        if count == 0:
            kinds = ", ".join(kind.name for kind in KINDS)
            raise UsageError(
                f"{path} has no function that is recognised. They are {kinds}; name yours with `as='add_noise=YOURS'`, "
                "and see docs/check.md for their arguments."
            )


def _all(page: ModuleType, path: Path, named: dict[str, str], chance: Chance, begun: OnFinding) -> Iterator[Finding]:
    """Module-level functions first, then each class."""
    for name in named:
        if name not in BY_NAME:
            raise UsageError(f"`as` has {name!r}, which is no kind of function; they are {', '.join(BY_NAME)}.")
    wanted = set(named.values())
    own = {name: each for name, each in vars(page).items() if getattr(each, "__module__", None) == page.__name__}
    functions = {name: each for name, each in own.items() if inspect.isfunction(each)}
    begun("its tables")
    yield from check_tables(page, "")
    betas = betas_of(page)
    for kind, name, forced in _pairs(list(functions), named, ""):
        wanted.discard(name)
        yield from _check(kind, name, functions[name], Exact(), betas, "eps", forced, page, chance, path, begun)
    for label, cls in own.items():
        if inspect.isclass(cls):
            methods = [name for name in dir(cls) if inspect.isfunction(inspect.getattr_static(cls, name, None))]
            pairs = [p for p in _pairs(methods, named, label) if _defined_here(cls, p[1], page)]
            wanted -= {name for _, name, _ in pairs} | {f"{label}.{name}" for _, name, _ in pairs}
            if pairs:
                yield from _check_class(cls, label, pairs, page, chance, path, begun)
    if wanted:
        raise UsageError(f"{path} has no {sorted(wanted)[0]}; `as` gives a kind and a function or method of the page.")


def _pairs(names: list[str], named: dict[str, str], label: str) -> list[tuple[Kind, str, bool]]:
    """(kind, name, whether --as named it). A name may fit several kinds; the arguments decide."""
    forced = [(BY_NAME[kind], given.removeprefix(f"{label}."), True) for kind, given in named.items()
              if given.removeprefix(f"{label}.") in names and (label or "." not in given)]  # fmt: skip
    taken = {name for _, name, _ in forced}
    found = [
        (kind, name, False) for kind in KINDS for name in kind.names.split() if name in names and name not in taken
    ]
    return forced + found


def _defined_here(cls: type, name: str, page: ModuleType) -> bool:
    return getattr(getattr(cls, name), "__module__", None) == page.__name__


def _check_class(
    cls: type, label: str, pairs: list[tuple[Kind, str, bool]], page: ModuleType, chance: Chance, path: Path,
    begun: OnFinding,
) -> Iterator[Finding]:  # fmt: skip
    cfg = [pair for pair in pairs if pair[0].observed == "cfg"]
    for kind, name, forced in cfg:  # of a network: built without its layers
        bare: Any = object.__new__(cls)
        if isinstance(bare, torch.nn.Module):
            torch.nn.Module.__init__(bare)
        method = getattr(bare, name)
        yield from _check(kind, f"{label}.{name}", method, Exact(), None, "eps", forced, bare, chance, path, begun)
    pairs = [pair for pair in pairs if pair not in cfg and _may_fit(cls, pair)]
    if not pairs:
        return
    begun(label)
    first = True
    for value, predicts in modes_of(cls, path):
        network = Exact()
        try:
            made = make(cls, network, value)
        except Exception as error:  # noqa: BLE001 whatever a student's code raises
            if first:
                blank = isinstance(error, Blank | NotImplementedError)
                says = "a blank is left in it." if blank else told(error, path)
                yield Finding(label, "class", "untested", f"{label}(…) cannot be made: {says}")
                return
            continue
        if first:
            yield from check_tables(made, label)
        betas = betas_of(made)
        for kind, name, forced in pairs:
            if not first and kind.name not in ("denoise", "p_sample", "p_losses", "remove_noise"):
                continue  # the others do not depend on what the network predicts
            shown = f"{label}.{name}" + ("" if first else f" ({value})")
            yield from _check(
                kind, shown, getattr(made, name), network, betas, predicts, forced, made, chance, path, begun
            )
        first = False


def _may_fit(cls: type, pair: tuple[Kind, str, bool]) -> bool:
    """Whether the arguments are those of the kind, before the class is made."""
    kind, name, forced = pair
    try:
        return fit(name, getattr(cls, name), kind, Exact(), forced) is not None
    except Unfit:
        return True


def _check(
    kind: Kind, label: str, function: Callable[..., Any], network: Exact, betas: torch.Tensor | None, predicts: str,
    forced: bool, owner: Any, chance: Chance, path: Path, begun: OnFinding,
) -> Iterator[Finding]:  # fmt: skip
    """The finding on one function; none where its arguments are not those of the kind."""
    begun(label)
    try:
        target = fit(label, function, kind, network, forced, owner)
        if target is None:
            return
        if kind.name == "get_velocity" and predicts == "v":
            network.case = None
        readings = [
            reading for reading in kind.readings
            if (not reading.only_with or set(reading.only_with.split()) & set(target.roles))
            and not (reading.without and hasattr(owner, reading.without))
        ]  # fmt: skip
        cases = kind.cases(linear(1000).betas if betas is None else betas, predicts)
        found = [observe(target, case, chance) for case in cases]
        verdict = judge(kind, readings, cases, found)
        if verdict.right and kind.observed == "step":
            verdict = _with_large_images(target, readings, betas, predicts, chance, verdict)
        yield _finding(target, verdict)
    except (Blank, NotImplementedError) as error:
        yield Finding(label, kind.name, "untested", str(error) or "it is still to be written.")
    except Unfit as error:
        yield Finding(label, kind.name, "untested", str(error))
    except WrongShapeError as error:
        yield Finding(label, kind.name, "wrong", str(error))
    except SystemExit as error:
        yield Finding(label, kind.name, "wrong", f"it ended the program (exit code {error.code}).")
    except Exception as error:  # noqa: BLE001 whatever a student's code raises
        if re.search("ellipsis|NoneType", str(error)):
            yield Finding(label, kind.name, "untested", f"it uses a blank that is left: {told(error, path)}")
            return
        mistakes = ("broadcast",) if re.search(r"size of tensor|broadcast|shape", str(error)) else ()
        hint = " Reshape a coefficient [B] to [B,1,1,1]." if mistakes else ""
        yield Finding(label, kind.name, "wrong", f"it raised an error: {told(error, path)}{hint}", None, mistakes)


def _with_large_images(
    target: Target, readings: list[Any], betas: torch.Tensor | None, predicts: str, chance: Chance, small: Verdict
) -> Verdict:
    """The verdict, which also says whether x̂₀ is clipped: seen where x̂₀ leaves [−1, 1]."""
    table = linear(1000).betas if betas is None else betas
    cases = []
    for case in target.kind.cases(table, predicts):
        wide = make_case(table, case.t.tolist(), case.s.tolist(), wide=True, predicts=predicts)
        cases.append(replace(wide, eta=case.eta))
    found = [observe(target, case, chance) for case in cases]
    if judge(target.kind, readings, cases, found).right:
        return small
    for again in (False, True):
        clipped = [replace(case, limited=True, again=again) for case in cases]
        if judge(target.kind, readings, clipped, found).right:
            return replace(small, words="; ".join(filter(None, [small.words, "x̂₀ is clipped to [−1, 1]"])))
    verdict = judge(target.kind, readings, cases, found)
    return replace(verdict, part="where x̂₀ leaves [−1, 1]", mistakes=())


def _finding(target: Target, verdict: Verdict) -> Finding:
    kind = target.kind
    if verdict.right:
        words = f" ({verdict.words})" if verdict.words else ""
        return Finding(target.label, kind.name, "right", f"{kind.says}{words}.", verdict.error)
    where = f"The {verdict.part} is wrong: " if verdict.part and verdict.mistakes else ""
    if verdict.mistakes:
        says = where + " ".join(row.says for row in verdict.mistakes)
    elif verdict.error == float("inf"):
        says = f"it returns numbers that are not finite; expected: {kind.says}."
    else:
        of = (
            f" {verdict.part}"
            if verdict.part.startswith("where")
            else f", in the {verdict.part}"
            if verdict.part
            else ""
        )
        says = f"its numbers differ{of}; expected: {kind.says}. No known mistake gives these numbers."
    return Finding(target.label, kind.name, "wrong", says, verdict.error, tuple(row.name for row in verdict.mistakes))
