"""The axes of a study: a table with one row for each setting that can be varied.

The flags of `inkwash study`, the cells, the columns of the table, and the figures and sections of the report are all
derived from these rows, so a new axis is a new row. This module does not import torch; the command line reads it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, make_dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import tyro

from inkwash import choices
from inkwash.checked import Checked, Count, Positive, Scale, Share, listed
from inkwash.settings import Limit, Prediction, Sampler, Sampling, Solver, Spacing

_LAST = 99


@dataclass(frozen=True)
class Axis:
    """A setting that a study can vary."""

    name: str  # the flag, the column, and the field of Sampling that it sets, or else the attribute of a subject
    title: str
    say: Callable[[Any], str]  # the text of a value: "50 steps", "η = 0.5", "trailing spacing"
    read: Callable[[Any], Any]  # the value of a `table.Row` on the axis; untyped, since its type would import torch
    numeric: bool = False  # numbers have an order and a middle; other values are names, in the order given
    type: Any = None  # type of one value of the flag; None if there is no flag
    default: tuple[Any, ...] = ()  # values of the flag; () leaves the choice to the run or to the other settings
    help: str = ""
    follows: str | None = None  # the axis that determines the default of this one
    log: bool = False  # whether figures use a logarithmic scale; otherwise the axis begins at 0
    colour: int = _LAST  # of several axes a figure colours by the one with the least number here,
    panel: int = _LAST  # and has a panel for each value of the one with the least number here

    @property
    def of_subject(self) -> bool:
        """Whether the axis is a property of the subject, not a sampler setting."""
        return self.name not in _SETTINGS


_SETTINGS = {entry.name for entry in fields(Sampling)}


def _prediction(name: str) -> str:
    return f"{getattr(choices.PREDICTIONS.load(name), 'symbol', name)}-prediction"


def _count(value: int) -> str:
    return f"{value:,} step{'s' * (value != 1)}"


AXES: dict[str, Axis] = {  # in the order in which a report goes through them
    axis.name: axis
    for axis in (
        Axis(
            "prediction", "prediction type", _prediction, lambda row: row.cell.subject.prediction, type=Prediction,
            colour=5, panel=1, help="Restrict the runs to those with these prediction targets; empty uses all.",
        ),
        Axis(
            "run", "run", str, lambda row: row.cell.subject.name, follows="prediction", colour=6, panel=2,
        ),
        Axis(
            "solver", "sampler", str, lambda row: row.cell.sampling.solver, type=Solver, default=("ddim",),
            help=f"Samplers: {', '.join(choices.SOLVERS.names)}.", colour=4, panel=3,
        ),
        Axis(
            "steps", "number of steps", _count, lambda row: row.cell.sampling.steps, numeric=True, type=Count,
            default=(5, 10, 20, 50), help="Steps of the sampler.", log=True, colour=3, panel=9,
        ),
        Axis(
            "scale", "guidance scale s", lambda value: f"s = {value:g}", lambda row: row.cell.sampling.scale,
            numeric=True, type=Scale, help="Guidance scales, for conditional runs; empty uses the run's default.",
            follows="run", colour=2, panel=4,
        ),
        Axis(
            "eta", "η", lambda value: f"η = {value:g}", lambda row: row.cell.eta, numeric=True, type=Share,
            help="Amount of noise η, from 0 (none) to 1 (as much as ddpm), for samplers that have it; empty uses 0.",
            follows="solver", colour=1, panel=8,
        ),
        Axis(
            "spacing", "spacing of the steps", lambda value: f"{value} spacing", lambda row: row.cell.sampling.spacing,
            type=Spacing, follows="solver",
            help=f"Spacing: {', '.join(choices.SPACINGS.names)}; empty uses the sampler's default.",
            colour=7, panel=5,
        ),
        Axis(
            "variance", "variance of the added noise", lambda value: f"{value} variance",
            lambda row: row.cell.sampling.variance, type=Literal["small", "large"], default=("small",),
            help="Variance of the noise that ddpm and samplers with η add: small, large.", colour=9, panel=7,
        ),
        Axis(
            "limit", "limit on x̂₀", lambda value: f"limit {value}", lambda row: row.cell.sampling.limit,
            type=Limit, default=("clip",),
            help=f"How to limit the predicted image: {', '.join(choices.LIMITS.names)}.", colour=8, panel=6,
        ),
        Axis(
            "tolerance", "tolerance", lambda value: f"tolerance {value:g}", lambda row: row.cell.sampling.tolerance,
            numeric=True, log=True, type=Positive, follows="solver",
            help="Tolerances of the sampler adaptive; empty uses its default.", colour=10, panel=10,
        ),
        Axis(
            "snr", "signal-to-noise ratio r", lambda value: f"r = {value:g}", lambda row: row.cell.sampling.snr,
            numeric=True, type=Positive, follows="solver",
            help="Signal-to-noise ratios of the Langevin steps of pc and langevin; empty uses the default.",
            colour=11, panel=11,
        ),
        Axis(
            "corrections", "Langevin steps per level", lambda value: f"{value} Langevin step{'s' * (value != 1)}",
            lambda row: row.cell.sampling.corrections, numeric=True, log=True, type=Count, follows="solver",
            help="Langevin steps at each level, for pc and langevin; empty uses the default.", colour=12, panel=12,
        ),
    )
}  # fmt: skip


def _flag(axis: Axis) -> tuple[str, Any, Any]:
    """A field of `Sweep`: its name, its type with parser and help, and its default."""
    word = get_args(axis.type)[0] if get_origin(axis.type) is Annotated else str
    kind = Annotated[tuple[axis.type, ...], listed(word), tyro.conf.arg(help=axis.help)]  # type: ignore[name-defined]
    return axis.name, kind, field(default=axis.default)


_ABOUT = "What a study varies: each axis takes one value or several, and every combination is a cell."

if TYPE_CHECKING:  # no type checker can see fields that come from rows

    class Sweep(Checked):
        solver: tuple[str, ...]

        def __init__(self, **values: tuple[Any, ...]) -> None: ...

else:
    Sweep = make_dataclass(
        "Sweep", [_flag(axis) for axis in AXES.values() if axis.type is not None], bases=(Checked,), frozen=True,
        kw_only=True, namespace={"__doc__": _ABOUT, "__module__": __name__},
    )  # fmt: skip


def sweep_of(sampler: Sampler) -> Sweep:
    """The default steps of a study with the other settings of `sampler`."""
    given = {name: value for name, value in vars(sampler).items() if value is not None and name != "steps"}
    return Sweep(**{name: (value,) for name, value in given.items()})


def one_cell(sampler: Sampler) -> Sweep:
    """The sweep with one cell, which uses the settings of `sampler`."""
    given = {name: value for name, value in vars(sampler).items() if value is not None}
    return Sweep(**{name: (value,) for name, value in given.items()})
