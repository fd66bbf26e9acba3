"""What a study can vary is one row each: flags, cells, columns and the report follow from it."""

import csv
import os
import re
import shutil
import subprocess
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import inkwash
from cli_runner import TINY, did
from inkwash import choices
from inkwash.errors import UsageError
from inkwash.settings import Sampler, Sampling
from inkwash.study.axes import AXES, Sweep, one_cell
from inkwash.study.cells import Cell, cells
from inkwash.study.exact import Exact

FLAGS = [axis for axis in AXES.values() if axis.type is not None]

# Two values of each axis, and what makes a sampler have it.
VALUES: dict[str, tuple[tuple[Any, Any], dict[str, Any]]] = {
    "solver": (("ddim", "dpmpp2m"), {}),
    "steps": ((3, 4), {}),
    "eta": ((0.25, 1.0), {}),
    "spacing": (("leading", "karras"), {}),
    "variance": (("small", "large"), {"solver": ("ddpm",)}),
    "limit": (("none", "clip"), {}),
    "tolerance": ((0.01, 0.1), {"solver": ("adaptive",)}),
    "snr": ((0.1, 0.2), {"solver": ("pc",)}),
    "corrections": ((1, 3), {"solver": ("langevin",)}),
}


def stands(cell: Cell, axis: str) -> Any:
    """Where the row of a cell would stand."""
    return AXES[axis].read(SimpleNamespace(cell=cell))


@pytest.mark.parametrize("axis", VALUES)
def test_what_is_swept_is_what_is_read(axis: str) -> None:
    """And nothing else moves, but where one axis decides another."""
    values, more = VALUES[axis]
    one, two = cells([Exact()], [Sweep(**{"steps": (3,), **more, axis: values})], 8, 0)
    assert (stands(one, axis), stands(two, axis)) == values
    for other in AXES.values():
        if axis not in (other.name, other.follows):
            assert stands(one, other.name) == stands(two, other.name), other.name


@pytest.mark.parametrize(("solver", "eta"), [("ddpm", 1.0), ("heun", 0.0), ("ddim", 0.0), ("ddim-lab", 0.0)])
def test_a_solver_stands_at_the_eta_that_it_has_of_itself(solver: str, eta: float) -> None:
    (cell,) = cells([Exact()], [Sweep(steps=(3,), solver=(solver,))], 8, 0)
    assert stands(cell, "eta") == eta


def test_the_labs_eta_is_read_as_it_was_given() -> None:
    """And not as the paper's, its root, which the solver has."""
    (cell,) = cells([Exact()], [Sweep(steps=(3,), solver=("ddim-lab",), eta=(0.25,))], 8, 0)
    assert stands(cell, "eta") == 0.25


def test_subjects_stand_where_they_are() -> None:
    subjects = [Exact("v"), Exact("flow")]
    found = cells(subjects, [Sweep(steps=(3,))], 8, 0)
    assert [(stands(cell, "prediction"), stands(cell, "run")) for cell in found] == [
        ("v", "gaussian-v"), ("flow", "gaussian-flow"),
    ]  # fmt: skip


def test_every_axis_is_a_setting_or_a_property_of_subjects() -> None:
    names = {entry.name for entry in fields(Sampling)}
    for axis in AXES.values():
        assert axis.of_subject == (axis.name not in names)
        assert axis.type is None or axis.name in names or hasattr(Exact(), axis.name)
        assert axis.follows is None or axis.follows in AXES
    assert [axis.name for axis in FLAGS] == [entry.name for entry in fields(Sweep)]
    assert {entry.name for entry in fields(Sampler)} <= AXES.keys()
    assert VALUES.keys() | {"scale"} == {axis.name for axis in FLAGS if not axis.of_subject}  # test_cells.py has scale


@pytest.mark.parametrize("axis", FLAGS, ids=lambda axis: axis.name)
def test_values_are_said_in_words(axis: Any) -> None:
    """Each in words of its own."""
    kinds = {"solver": choices.SOLVERS, "spacing": choices.SPACINGS, "limit": choices.LIMITS}
    kinds["prediction"] = choices.PREDICTIONS
    literals = kinds[axis.name].names if axis.name in kinds else getattr(axis.type, "__args__", ())
    values = (0.0, 0.5, 1.0) if axis.numeric and axis.name != "steps" else (1, 2, 1000) if axis.numeric else literals
    words = [axis.say(value) for value in values]
    assert len(set(words)) == len(values) > 1
    assert all(word and word == word.strip() for word in words)


def test_an_option_that_no_sampler_has_is_refused() -> None:
    """One that a part of them has acts on that part alone."""
    with pytest.raises(UsageError, match="ddim and pc have no `tolerance`; leave it out, or add one of adaptive"):
        cells([Exact()], [Sweep(steps=(3,), solver=("ddim", "pc"), tolerance=(0.1,))], 8, 0)
    found = cells([Exact()], [Sweep(steps=(3,), solver=("ddim", "pc"), snr=(0.1, 0.2))], 8, 0)
    assert [(cell.sampling.solver, cell.sampling.snr) for cell in found] == [("ddim", None), ("pc", 0.1), ("pc", 0.2)]


def test_a_value_out_of_range_is_refused_with_the_flag() -> None:
    with pytest.raises(UsageError, match=r"^`steps` should be greater than or equal to 1 \(got \(5, 0\)\)\.$"):
        Sweep(steps=(5, 0))
    with pytest.raises(UsageError, match="there is no solver 'euler'"):
        Sweep(solver=("euler",))
    with pytest.raises(TypeError, match="speed"):
        Sweep(speed=(1,))


SAMPLERS = [
    Sampler(steps=4), Sampler("ddpm", 4, variance="large"), Sampler("heun", 4, limit="none"),
    Sampler("ddim-lab", 4, 0.25, spacing="leading"), Sampler("dpmpp2m", 4, 1.0, "large", "karras", "dynamic"),
    Sampler("adaptive", 4, tolerance=0.1), Sampler("langevin", 4, snr=0.3, corrections=2),
]  # fmt: skip


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_sampler_is_a_sweep_of_one_cell(sampler: Sampler) -> None:
    (cell,) = cells([Exact()], [one_cell(sampler)], 8, 0)
    for entry in fields(Sampler):
        given = getattr(sampler, entry.name)
        if given is not None:
            assert getattr(cell.sampling, entry.name) == given, entry.name


# ---- the command


def test_the_help_shows_each_flag_with_its_help_and_its_default() -> None:
    shown = " ".join(re.sub(r"[│─╭╮╰╯]", " ", did("study", "--help").out).split())
    for axis in FLAGS:
        default = ",".join(map(str, axis.default)) or "''"
        assert f"--{axis.name} A,B,… {axis.help} (default: {default})" in shown


# ---- a row from outside

ROW = """
        Axis(
            "rescale", "contrast of guided images", lambda value: f"rescale {value:g}",
            lambda row: row.cell.sampling.rescale, numeric=True, type=Share,
            help="How far guided images are brought back to the contrast of unguided ones.",
        ),
"""
LAST_ROW = "    )\n}  # fmt: skip\n"


@pytest.fixture(scope="module")
def with_a_row_more(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of an inkwash whose source has one row more, of a setting that cannot be swept today."""
    assert "rescale" not in AXES
    assert next(entry for entry in fields(Sampling) if entry.name == "rescale").default is not MISSING
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(Path(inkwash.__file__).parent, source / "inkwash", ignore=shutil.ignore_patterns("__pycache__"))
    axes = source / "inkwash" / "study" / "axes.py"
    text = axes.read_text(encoding="utf-8")
    assert text.count(LAST_ROW) == 1
    axes.write_text(text.replace(LAST_ROW, ROW.lstrip("\n") + LAST_ROW), encoding="utf-8")
    return {**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}


def ran(env: dict[str, str], *args: object) -> str:
    done = subprocess.run([sys.executable, *map(str, args)], env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def conditional(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that is asked for classes, without which nothing guides."""
    folder = tmp_path_factory.mktemp("conditional") / "run"
    flags = ("--mults", 1, "--attention", "--heads", 1, "--patch", 1, "--condition", "class", "--steps", 30)
    did("train", "digits", *TINY, *flags, "--out", folder)
    return folder


def test_a_row_is_a_flag(with_a_row_more: dict[str, str]) -> None:
    shown = ran(with_a_row_more, "-m", "inkwash", "study", "--help")
    assert "--rescale A,B,…" in shown
    assert "brought back" in shown


def test_a_row_is_an_axis_of_cells_a_column_and_a_section(
    with_a_row_more: dict[str, str], conditional: Path, tmp_path: Path
) -> None:
    flags = ("--steps", 2, "--scale", 3, "--rescale", "0,0.7", "-n", 8, "--features", "pixels", "--jobs", 1)
    ran(with_a_row_more, "-m", "inkwash", "study", conditional, *flags, "--out", tmp_path / "study")
    page = (tmp_path / "study" / "report.html").read_text(encoding="utf-8")
    assert "contrast of guided images" in page
    assert "rescale 0.7" in page
    lines = list(csv.DictReader((tmp_path / "study" / "cells.csv").read_text(encoding="utf-8").splitlines()))
    assert [line["rescale"] for line in lines] == ["0.0", "0.7"]
    assert lines[0]["spread"] != lines[1]["spread"]
