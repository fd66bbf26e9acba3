"""Which cells a study has, and what it refuses before anything is computed."""

import shutil
import socket
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cli_runner import TINY, did, refused
from inkwash import choices, own
from inkwash.denoise import Denoiser
from inkwash.errors import UsageError
from inkwash.metrics import classifier
from inkwash.runs.draw import draw
from inkwash.sample import DDIM
from inkwash.settings import Sampling, Scoring
from inkwash.study import units as unit_files
from inkwash.study.axes import Sweep
from inkwash.study.cells import Cell, cells
from inkwash.study.exact import Exact
from inkwash.study.session import begin
from inkwash.study.subject import Trained, load_model

EXACT = Exact()


def found(*sweeps: Sweep, n: int = 16, subjects: Sequence[Exact] = (EXACT,)) -> list[Cell]:
    return cells(subjects, sweeps, n, 0)


# ---- which there are


def meant(solver: str, steps: int, eta: float | None, spacing: str | None, variance: str, limit: str) -> tuple:
    """What a combination of flags comes to, said in one way."""
    if solver not in ("ddim", "ddim-lab", "dpmpp2m"):
        eta = None
    elif eta is None:
        eta = 0.0
    if solver == "heun" or eta == 0:
        variance = "small"
    return solver, steps, eta, spacing or {"heun": "karras"}.get(solver, "trailing"), variance, limit


@pytest.mark.parametrize(
    "sweep",
    [
        Sweep(),
        Sweep(
            steps=(5, 9),
            solver=("ddim", "ddpm", "heun", "dpmpp2m", "ddim-lab"),
            eta=(0.0, 0.5, 1.0),
            variance=("small", "large"),
        ),
        Sweep(
            steps=(5, 9, 5),
            solver=("ddpm", "ddpm"),
            spacing=("trailing", "karras"),
            variance=("large",),
            limit=("clip", "none", "dynamic"),
        ),
        Sweep(steps=(7,), solver=("heun", "ddim"), spacing=("karras", "leading"), variance=("large", "small")),
        Sweep(steps=(7,), solver=("ddim", "ddim-lab"), eta=(0.3, 0.0, 0.3), variance=("large",)),
    ],
)
def test_every_combination_is_there_once(sweep: Sweep) -> None:
    """In the order of the flags, those that mean the same as one."""
    axes = (sweep.solver, sweep.spacing or (None,), sweep.variance, sweep.limit, sweep.eta or (None,), sweep.steps)
    expected = dict.fromkeys(meant(a, f, e, b, c, d) for a, b, c, d, e, f in product(*axes))
    got = [(s.solver, s.steps, s.eta, s.spacing, s.variance, s.limit) for s in (cell.sampling for cell in found(sweep))]
    assert got == list(expected)


def test_sweeps_add_up_without_repetition() -> None:
    one, other = Sweep(steps=(5, 9), eta=(0.0,)), Sweep(steps=(9, 20), spacing=("trailing",))
    assert [cell.sampling.steps for cell in found(one, other)] == [5, 9, 20]
    assert found(one, one) == found(one)


def test_every_subject_has_every_cell() -> None:
    subjects = [Exact("v"), Exact("x0"), Exact("flow")]
    got = found(Sweep(steps=(3, 4)), subjects=subjects)
    assert [(cell.subject, cell.sampling.steps) for cell in got] == list(product(subjects, (3, 4)))
    chosen = found(Sweep(steps=(3,), prediction=("flow", "v")), subjects=subjects)
    assert [cell.subject.prediction for cell in chosen] == ["v", "flow"]


def test_n_and_seed_are_those_asked_for() -> None:
    (cell,) = cells([EXACT], [Sweep(steps=(3,))], 77, 5)
    assert (cell.sampling.n, cell.sampling.seed) == (77, 5)


@pytest.mark.parametrize(
    "flags",
    [
        Sampling("ddim", 4, None, "large", None),
        Sampling("ddim-lab", 4, None, "small", None),
        Sampling("ddpm", 4, None, "large", None),
        Sampling("heun", 4, None, "small", None),
        Sampling("dpmpp2m", 4, None, "small", None),
        Sampling("dpmpp2m", 4, 1.0, "large", None),
        Sampling("ddim", 4, 0.5, "large", "karras"),
    ],
    ids=lambda flags: f"{flags.solver} {flags.eta}",
)
def test_a_cell_draws_what_its_flags_draw(flags: Sampling) -> None:
    """Said in one way or the other, and with as many evaluations as it promises."""
    eta, spacing = (() if value is None else (value,) for value in (flags.eta, flags.spacing))
    (cell,) = found(
        Sweep(steps=(4,), solver=(flags.solver,), eta=eta, spacing=spacing, variance=("small", flags.variance)[-1:])
    )
    model = load_model(EXACT)
    said = Sampling(flags.solver, 4, flags.eta, flags.variance, flags.spacing, n=16)
    one, other = draw(model, said), draw(model, cell.sampling)
    assert np.array_equal(one.images, other.images)
    assert one.evaluations == cell.evaluations


def test_a_guided_cell_promises_what_guidance_costs(tmp_path: Path) -> None:
    """Two evaluations where σ/α lies in the run's interval, one elsewhere; Heun's looks at both ends of an edge."""
    flags = ("--mults", 1, "--attention", "--heads", 1, "--patch", 1, "--condition", "class", "--interval", "0.3,20")
    did("train", "digits", *TINY, *flags, "--scale", 3, "--steps", 1, "--out", tmp_path / "run")
    subject = Trained(tmp_path / "run")
    sweep = Sweep(steps=(7,), solver=("ddpm", "dpmpp2m", "heun"), scale=(0.0, 1.0, 3.0), spacing=("karras",))
    there = cells([subject], [sweep], 16, 0)
    for cell in there:
        made = draw(load_model(subject), cell.sampling, asked=subject.condition_order()).evaluations
        assert made == cell.evaluations, cell.sampling
    assert {cell.evaluations for cell in there if cell.sampling.scale in (0.0, 1.0)} == {7, 13}
    assert {cell.evaluations for cell in there if cell.sampling.scale == 3.0} == {7 + 3, 13 + 3 + 3}


def test_every_sampler_and_spacing_can_be_swept() -> None:
    """But for Heun's from pure noise."""
    there = found(Sweep(steps=(4,), solver=choices.SOLVERS.names, spacing=("leading", "karras")))
    assert len(there) == 2 * len(choices.SOLVERS.names)
    there = found(Sweep(steps=(4,), solver=("ddpm", "ddim", "ddim-lab", "dpmpp2m"), spacing=choices.SPACINGS.names))
    assert len(there) == 4 * len(choices.SPACINGS.names)


class Bare:
    """A solver that has a step and nothing more."""

    def step(self, *given: Any) -> Any:
        return DDIM().step(*given)


def test_an_object_that_only_has_a_step_can_be_studied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(own._given, "mine:Bare", Bare)
    bare, ddim = found(Sweep(steps=(4,), solver=("mine:Bare", "ddim")))
    one, other = (draw(load_model(EXACT), cell.sampling) for cell in (bare, ddim))
    assert np.array_equal(one.images, other.images)
    assert one.evaluations == bare.evaluations == ddim.evaluations == 4
    assert (bare.eta, bare.sampling.eta, bare.sampling.spacing) == (0.0, None, "trailing")


# ---- what is refused


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, trained: Path) -> Path:
    """A folder of three runs: `run` on the digits, `eps` too but with 50 rows, `photos` without labels."""
    folder = tmp_path_factory.mktemp("runs")
    images = folder / "images"
    images.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    for i, picture in enumerate(pixels):
        Image.fromarray(picture).save(images / f"{i}.png")
    shutil.copytree(trained, folder / "run")
    small = (*TINY, "--mults", 1, "--attention", "--heads", 1, "--patch", 1, "--blocks", 1, "--steps", 1)
    did("train", "digits", *small, "--schedule", "linear", "--timesteps", 50, "--prediction", "eps",
        "--out", folder / "eps")  # fmt: skip
    did("train", images, *small, "--out", folder / "photos")
    shutil.copytree(folder / "eps", folder / "other" / "run")
    return folder


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is drawn, trained or downloaded, and no network is asked."""

    def forbid(owner: object, name: str) -> None:
        def forbidden(*args: object, **kwargs: object) -> None:
            raise AssertionError(f"{name} was called")

        monkeypatch.setattr(owner, name, forbidden)

    for owner, name in (
        (unit_files, "_draw"),
        (classifier, "_train"),
        (classifier, "_restored"),
        (Denoiser, "forward"),
    ):
        forbid(owner, name)
    forbid(socket.socket, "connect")


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize(
    ("names", "flags", "words"),
    [
        (["run"], ("--solver", "heun", "--eta", 0.5), "heun has no η; leave out --eta, or add ddim to --solver."),
        (["run"], ("--solver", "heun,ddpm", "--eta", 0), "heun and ddpm have no η; leave out --eta, or add ddim"),
        (["run"], ("--solver", "heun", "--variance", "large"), "heun adds no noise; leave out --variance, or add ddpm"),
        (["run"], ("--scale", "1,2"), "run was trained without a condition, so it has no guidance scale; leave out"),
        (
            ["run", "eps"],
            ("--prediction", "eps,x0"),
            "none of the runs has the prediction type x0 (they have eps, v), which is fixed when",
        ),
        (["run"], ("--prediction", "eps"), "Train one with --prediction eps, and name its folder too."),
        (["eps"], ("--steps", "5,51"), "needs at least 1 step and at most 50, the rows of this schedule (got 51)."),
        (["run"], ("--solver", "heun", "--spacing", "trailing"), "heun cannot begin at pure noise, as trailing"),
        (["run"], ("--solver", "ddim,heun", "--spacing", "karras,linspace"), "as linspace spacing does here; use kar"),
        (["run", "photos"], (), "compares runs of the same images at the same size; got run on digits, photos on "),
        (["run", "other/run"], (), "the runs need names of their own in the table, and these are run, run."),
        (["run", "run"], (), "the runs need names of their own in the table, and these are run, run."),
        ([], (), "a study needs a run: inkwash study RUN, or --preset quick."),
        (["run"], ("--preset", "quick"), "--preset quick has its own runs; leave out "),
        ([], ("--preset", "gaussian", "--steps", 7), "--preset gaussian has its own axes; leave out those flags"),
        (["run"], ("-n", 376), "at most a quarter of run's train images, which is 375 (got --n 376)."),
        (["run"], ("-n", 3), "scores need 4 images or more in each of 3 draws"),
        (["run"], ("-n", 75, "--split", "test"), "at most a quarter of run's test images, which is 74 (got --n 75)."),
        (["run"], ("-n", 376, "--features", "inception"), "which is 375 (got --n 376)."),
        (["photos"], ("--features", "classifier"), "has no labels, so no classifier can be trained on it; take --f"),
        (["photos"], ("-n", 20), "at most a quarter of photos's train images, which is 14 (got --n 20)."),
        (["nowhere"], (), "nowhere"),
        (["run"], ("--steps", "0"), "--steps"),
        (["run"], ("--eta", "0,1.5"), "--eta"),
        (["run"], ("--solver", "euler"), "there is no solver 'euler'."),
    ],
)
def test_what_cannot_be_studied(
    names: list[str], flags: tuple[object, ...], words: str, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said in a sentence, and no file is written."""
    monkeypatch.chdir(tmp_path)
    before = sorted(runs.rglob("*"))
    for out in ((), ("--out", tmp_path / "study")):
        said = refused("study", *(runs / name for name in names), *flags, *out)
        assert words in said
    assert list(tmp_path.iterdir()) == []
    assert sorted(runs.rglob("*")) == before


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize("spacing", ["trailing", "linspace"])
def test_an_eps_network_cannot_begin_at_pure_noise(spacing: str, tmp_path: Path) -> None:
    """And what the sentence advises can be had."""
    few = Exact("eps", 100)
    for sweep in (
        Sweep(steps=(5,), spacing=(spacing,)),
        Sweep(steps=(5,), solver=("ddpm",), spacing=("karras", spacing)),
    ):
        with pytest.raises(UsageError, match=rf"gaussian-eps predicts eps, .* {spacing} .* take karras or leading"):
            begin([few], [sweep], Scoring(4), tmp_path, 4)
    assert (
        begin([few], [Sweep(steps=(5,), spacing=("karras", "leading"))], Scoring(4), tmp_path, 4).left == 5 * 4 * 3 * 2
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--solver", "heun", "--eta", 0.5), "heun has no η"),
        (("--steps", 51), "at most 50"),
        (("-n", 376), "at most a quarter of eps's train images, which is 375 (got --n 376)."),
    ],
)
def test_what_cannot_be_evaluated(args: tuple[object, ...], words: str, runs: Path) -> None:
    assert words in refused("evaluate", runs / "eps", *args)
    assert {path.name for path in (runs / "eps").iterdir()} == {"best.safetensors", "last.safetensors", "metrics.jsonl"}


@pytest.mark.usefixtures("idle")
def test_a_run_whose_images_were_changed(runs: Path, tmp_path: Path) -> None:
    """By one grey level of each pixel of one image."""
    image = runs / "images" / "3.png"
    before = image.read_bytes()
    with Image.open(image) as picture:
        pixels = np.array(picture)
    try:
        Image.fromarray(pixels ^ 1).save(image)
        assert "was trained on other images than" in refused("study", runs / "photos", "--out", tmp_path / "study")
    finally:
        image.write_bytes(before)
    assert not (tmp_path / "study").exists()
