"""A run is drawn from with the sampler of its recipe, from the command line and from Python."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

import inkwash
from cli_runner import did
from inkwash import recipes
from inkwash.errors import UsageError
from inkwash.settings import RunSettings, Sampler
from inkwash.training.checkpoint import LAST, load, save
from inkwash.view import read_provenance

OWN = Sampler("ddpm", steps=3, variance="large", limit="none")


@pytest.fixture(scope="module")
def run(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run, as if its recipe had the sampler OWN."""
    folder = tmp_path_factory.mktemp("own") / "run"
    shutil.copytree(trained, folder)
    saved = load(folder / LAST)
    saved.facts["run"]["sampler"] = asdict(OWN)
    save(folder / LAST, saved)
    return folder


def sampling(path: Path) -> Sampler:
    about = read_provenance(path)["sampling"]
    return Sampler(**{name: about[name] for name in vars(Sampler())})


@pytest.mark.parametrize(
    ("flags", "used"),
    [
        ((), OWN),
        (("--steps", 4), Sampler("ddpm", 4, variance="large", limit="none")),
        (("--solver", "ddpm", "--limit", "clip"), Sampler("ddpm", 3, variance="large", limit="clip")),
        (("--solver", "ddim"), Sampler()),
        (("--solver", "heun", "--steps", 2), Sampler("heun", 2)),
    ],
)
def test_flags_replace_values_and_another_solver_replaces_the_sampler(
    run: Path, tmp_path: Path, flags: tuple[object, ...], used: Sampler
) -> None:
    spacing = ("--spacing", "karras") if used.solver == "heun" else ()
    did("sample", run, "-n", 2, *flags, *spacing, "--out", tmp_path / "a.npz", "--device", "cpu")
    found = sampling(tmp_path / "a.npz")
    assert Sampler(**{**vars(found), "spacing": None}) == used
    given = dict(zip((str(flag)[2:] for flag in flags[::2]), flags[1::2], strict=True))
    if spacing:
        given["spacing"] = "karras"
    drawn = inkwash.load(run, device="cpu").sample(2, progress=False, **given)
    with np.load(tmp_path / "a.npz") as saved:
        assert np.array_equal(drawn, saved["images"])


def test_one_output_is_written_once(run: Path, tmp_path: Path) -> None:
    done = did("sample", run, "-n", 1, "--out", tmp_path / "a.png", "--device", "cpu")
    assert done.out.splitlines() == [str(tmp_path / "a.png")]


def test_a_run_of_an_earlier_version_has_the_general_sampler(trained: Path, tmp_path: Path) -> None:
    saved = load(trained / LAST)
    del saved.facts["run"]["sampler"]
    (tmp_path / "run").mkdir()
    save(tmp_path / "run" / LAST, saved)
    did("sample", tmp_path / "run", "-n", 1, "--steps", 2, "--device", "cpu", "--out", tmp_path / "a.npz")
    assert sampling(tmp_path / "a.npz") == Sampler(steps=2, spacing="trailing")


def test_info_shows_the_flags(run: Path) -> None:
    assert "--solver ddpm --steps 3 --variance large --limit none" in did("info", run).out


def test_evaluation_and_study_use_it(run: Path, tmp_path: Path) -> None:
    did("evaluate", run, "-n", 4, "--features", "pixels", "--jobs", 1, "--device", "cpu", "--out", tmp_path / "e")
    found = json.loads((tmp_path / "e" / "scores.json").read_text())
    assert "ddpm" in json.dumps(found)
    did(
        "study",
        run,
        "--steps",
        "2",
        "-n",
        4,
        "--features",
        "pixels",
        "--jobs",
        1,
        "--device",
        "cpu",
        "--out",
        tmp_path / "s",
    )
    cells = (tmp_path / "s" / "cells.csv").read_text()
    assert "ddpm" in cells
    assert "large" in cells
    assert "none" in cells


@pytest.mark.parametrize("name", recipes.names())
def test_the_sampler_of_a_recipe_suits_its_process(name: str) -> None:
    from inkwash.runs import build

    settings = recipes.find(name)
    build.solver(settings.default_sampler)
    assert (
        len(build.plan(settings.default_sampler, build.schedule(settings.process)))
        == settings.default_sampler.steps + 1
    )


@pytest.mark.parametrize(
    ("name", "sampler"),
    [
        ("lab06-eps", Sampler("ddim-lab", 1000, eta=1.0, limit="none")),
        ("sysu-mnist", Sampler("ddpm", 1000, variance="large", limit="none")),
        ("abarankab-cifar10", Sampler("ddpm", 1000, variance="large", limit="none")),
        ("cs231n-emoji", Sampler("ddpm", 100)),
        ("mnist", Sampler()),
    ],
)
def test_the_samplers_of_the_documents(name: str, sampler: Sampler) -> None:
    assert recipes.find(name).sampler == sampler


def test_a_process_of_fewer_timesteps_takes_fewer_steps() -> None:
    settings = RunSettings("x", process=recipes.find("cs231n-emoji").process, sampler=Sampler("ddpm", 250))
    assert settings.default_sampler.steps == 100


def test_over_refuses_what_the_sampler_refuses() -> None:
    with pytest.raises(UsageError, match="steps"):
        OWN.over(steps=0)


def test_stretched_images_reach_from_black_to_white(run: Path, tmp_path: Path) -> None:
    """Each by itself, from the values before they are clamped: here x = 7·x̂₀ + 3, of which clamping leaves little."""
    from inkwash.runs.draw import draw
    from inkwash.runs.model import open_model
    from inkwash.settings import Sampling

    model = open_model(run, device="cpu")
    sampling = Sampling("ddim", 2, n=5, limit="none")
    clamped, stretched = draw(model, sampling).images, draw(model, replace(sampling, stretch=True)).images
    assert stretched.reshape(5, -1).min(1).tolist() == [0] * 5
    assert stretched.reshape(5, -1).max(1).tolist() == [255] * 5
    assert not np.array_equal(clamped, stretched)
    inside = (clamped > 0) & (clamped < 255)
    for a, b, where in zip(clamped, stretched, inside, strict=True):  # the order of the pixels is kept
        order = np.argsort(a[where], kind="stable")
        assert (np.diff(b[where][order].astype(int)) >= -1).all()


def test_an_image_of_one_value_is_not_stretched() -> None:
    from inkwash.runs.draw import pixels

    flat = torch.stack([torch.full((1, 2, 2), 0.5), torch.tensor([[[-20.0, 30.0], [5.0, 5.0]]])])
    assert pixels(flat, stretch=True).flatten(1).tolist() == [[191] * 4, [0, 255, 128, 128]]


def test_the_report_stretches_its_pictures(run: Path, tmp_path: Path) -> None:
    saved = load(run / LAST)
    saved.facts["run"]["stretch"] = True
    (tmp_path / "run").mkdir()
    save(tmp_path / "run" / LAST, saved)
    did("sample", tmp_path / "run", "-n", 2, "--out", tmp_path / "a.npz", "--device", "cpu")
    assert read_provenance(tmp_path / "a.npz")["sampling"]["stretch"] is True
    did("sample", tmp_path / "run", "-n", 2, "--no-stretch", "--out", tmp_path / "b.npz", "--device", "cpu")
    assert read_provenance(tmp_path / "b.npz")["sampling"]["stretch"] is False
    did("replay", tmp_path / "a.npz")
    assert "--limit none --stretch" in did("info", tmp_path / "run").out
    assert recipes.find("sysu-mnist").stretch
    assert recipes.find("sysu-fashion").stretch


def test_the_weights_of_the_last_step_are_drawn_with_where_asked(trained: Path, tmp_path: Path) -> None:
    """A run whose average is the last weights draws the same either way; others do not, and a replay knows which."""
    asked = ("sample", trained, "-n", 2, "--steps", 2, "--device", "cpu", "--out")
    did(*asked, tmp_path / "ema.npz")
    did(*asked, tmp_path / "raw.npz", "--weights", "raw")
    ema, raw = (np.load(tmp_path / f"{name}.npz")["images"] for name in ("ema", "raw"))
    assert not np.array_equal(ema, raw)
    did("replay", tmp_path / "raw.npz", "--run", trained)
    assert np.array_equal(inkwash.load(trained, device="cpu", weights="raw").sample(2, steps=2, progress=False), raw)
    saved = load(trained / LAST)
    swapped = replace(saved, parts={**saved.parts, "ema": saved.parts["model"]})
    (tmp_path / "run").mkdir()
    save(tmp_path / "run" / LAST, swapped)
    did("sample", tmp_path / "run", *asked[2:], tmp_path / "swapped.npz")
    assert np.array_equal(np.load(tmp_path / "swapped.npz")["images"], raw)


def test_scores_of_raw_weights_are_not_those_of_the_average(trained: Path, tmp_path: Path) -> None:
    asked = ("evaluate", trained, "-n", 4, "--steps", 1, "--features", "pixels", "--jobs", 1, "--out", tmp_path / "e")
    did(*asked)
    first = json.loads((tmp_path / "e" / "scores.json").read_text())
    did(*asked, "--weights", "raw")
    second = json.loads((tmp_path / "e" / "scores.json").read_text())
    assert first["scores"]["frechet"] != second["scores"]["frechet"]
    assert (list(first["weights"].values()), list(second["weights"].values())) == (["ema"], ["raw"])
