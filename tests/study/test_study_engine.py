"""The engine of studies: measured is what was foretold, and nothing is lost, computed twice, or left to chance."""

import fcntl
import json
import math
import multiprocessing
import os
import re
import shlex
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import SpawnProcess
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from torch import Tensor

from cli_runner import TINY, Command, Fuse, _server, did
from inkwash.atomic import TEMPORARY
from inkwash.data import Images, to_float
from inkwash.errors import InkwashError, UsageError
from inkwash.metrics.score import as_json
from inkwash.runs import draw as drawing
from inkwash.runs.draw import draw
from inkwash.runs.model import Model
from inkwash.settings import Prediction, Sampling, Scoring
from inkwash.study import theory, workers
from inkwash.study import units as unit_files
from inkwash.study.axes import Sweep
from inkwash.study.cells import cells
from inkwash.study.exact import Exact
from inkwash.study.references import forget
from inkwash.study.session import CELLS, Session, begin
from inkwash.study.subject import Trained, load_model
from inkwash.study.table import Table
from inkwash.study.units import Unit

SMALL = Exact(count=300)
TWO = Sweep(steps=(2, 3), solver=("ddpm",), limit=("none",))


def study(folder: Path, *sweeps: Sweep, n: int = 16, features: Any = "auto", subject: Any = SMALL) -> Session:
    return begin([subject], sweeps or [TWO], Scoring(n, features), folder, 16)


def assert_same(one: Table, other: Table) -> None:
    """To the bit, but for the seconds."""
    assert len(one.rows) == len(other.rows) > 0
    for row, again in zip(one.rows, other.rows, strict=True):
        assert row.cell == again.cell
        assert row.draws == again.draws
        assert row.theory == again.theory
        assert np.array_equal(row.pictures, again.pictures)
        assert row.evaluations == again.evaluations
    assert one.floor == other.floor


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """The study of TWO that was never interrupted."""
    return study(tmp_path_factory.mktemp("whole")).finish(1)


@dataclass
class Counts:
    """How often units were drawn and scored."""

    drawn: int = 0
    scored: int = 0


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counts:
    return counting(monkeypatch.setattr)


def counting(change: Callable[[Any, str, Any], None]) -> Counts:
    found, drawn, scores = Counts(), unit_files._draw, unit_files.as_json

    def counted_draw(*args: Any) -> Any:
        found.drawn += 1
        return drawn(*args)

    def counted_scores(*args: Any) -> Any:
        found.scored += 1
        return scores(*args)

    change(unit_files, "_draw", counted_draw)
    change(unit_files, "as_json", counted_scores)
    return found


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / CELLS).iterdir())


# ---- on data whose every score can be foretold


MEAN = torch.linspace(-0.2, 0.2, 8).double().expand(8, 8).flatten()
STD = 0.2 * torch.exp(-torch.arange(8.0, dtype=torch.float64) / 2.5).sqrt()[:, None].expand(8, 8).flatten()
EVERY = (
    Sweep(
        steps=(3, 10),
        solver=("ddpm",),
        spacing=("trailing", "leading", "linspace", "karras"),
        variance=("small", "large"),
        limit=("none",),
    ),
    Sweep(
        steps=(3, 10),
        eta=(0.0, 0.3),
        spacing=("trailing", "leading", "linspace", "karras"),
        variance=("small", "large"),
        limit=("none",),
    ),
    Sweep(
        steps=(3, 10),
        solver=("ddim-lab",),
        eta=(0.3, 1.0),
        spacing=("trailing",),
        variance=("small", "large"),
        limit=("none",),
    ),
    Sweep(
        steps=(3, 10),
        solver=("dpmpp2m",),
        eta=(0.0, 1.0),
        spacing=("trailing", "leading", "linspace", "karras"),
        limit=("none",),
    ),
    Sweep(
        steps=(3, 10), solver=("heun",), spacing=("leading", "karras"), limit=("none",)
    ),  # others begin at pure noise
)


def total(pixels: Tensor) -> float:
    """√(the trace of the covariance), in [−1, 1] units."""
    return to_float(pixels).double().flatten(1).var(0).sum().sqrt().item()


def held(std: Tensor) -> float:
    """The total standard deviation of N(MEAN, std²) that is held in [−1, 1] and rounded to 256 levels."""
    variance = torch.zeros_like(std)
    for i, (mean, s) in enumerate(zip(MEAN.tolist(), std.tolist(), strict=True)):
        x = torch.linspace(-6, 6, 2001, dtype=torch.float64)
        weight, x = torch.exp(-x.square() / 2), (mean + s * x).clamp(-1, 1)
        share = weight / weight.sum()
        variance[i] = (share * x.square()).sum() - (share * x).sum() ** 2
    return (variance.sum() + len(std) * (2 / 255) ** 2 / 12).sqrt().item()


def test_every_cell_measures_what_theory_foretells() -> None:
    """The spread, within 4.5 standard errors: its own and that of the images it is compared with."""
    subject, n = Exact(), 240
    real = subject.images("train").pixels
    told = theory.predict(*cells([subject], [Sweep(steps=(1000,), limit=("none",))], 1, 0)[0].solver_and_plan, STD)
    assert abs(total(real) / held(STD) - 1) < 4.5 * told.unit_error / math.sqrt(len(real) - 1)
    far: dict[str, float] = {}
    for cell in cells([subject], EVERY, n, 0):
        images = torch.from_numpy(draw(load_model(subject), cell.sampling).images).permute(0, 3, 1, 2)
        foretold, out = theory.predict(*cell.solver_and_plan, STD), theory.spreads(*cell.solver_and_plan, STD)
        error = math.hypot(
            foretold.unit_error / math.sqrt(n - 1), foretold.spread * told.unit_error / math.sqrt(len(real))
        )
        far[str(cell.sampling)] = (total(images) / total(real) - held(out) / held(STD)) / error
        if out.max() < 0.25:  # nothing leaves [−1, 1]
            assert held(out) / held(STD) == pytest.approx(foretold.spread, abs=3e-3), cell.sampling
    assert len(far) == 68
    assert {name: z for name, z in far.items() if abs(z) > 4.5} == {}


def test_the_tables_theory_and_measure_agree(tmp_path: Path) -> None:
    """As above, by the scores of a study and from the principal directions of its images."""
    n, subject = 60, Exact(count=3000)
    sweeps = (
        Sweep(steps=(4, 12), solver=("ddpm", "ddim", "dpmpp2m"), eta=(0.5,), spacing=("trailing",), limit=("none",)),
        Sweep(steps=(12,), solver=("heun",), limit=("none",)),
    )
    done = study(tmp_path, *sweeps, n=n, subject=subject).finish(1)
    compared = 3000 - 3 * n
    assert len(done.rows) == 7
    for row in done.rows:
        exact = theory.predict(*row.cell.solver_and_plan, STD)
        error = math.hypot(
            exact.unit_error / math.sqrt(3 * (n - 1)), exact.spread * exact.unit_error / math.sqrt(compared)
        )
        assert abs(row.scores["spread"][0] - row.theory.spread) < 4.5 * error
        assert row.theory.spread == pytest.approx(exact.spread, abs=3e-3)
        assert row.theory.unit_error == pytest.approx(exact.unit_error, rel=0.05)
        assert row.scores["frechet"][0] > row.theory.frechet  # it is biased by the number of images
    fewer, more = (next(row for row in done.rows if row.cell.sampling.steps == steps) for steps in (4, 12))
    assert fewer.scores["frechet"][0] > more.scores["frechet"][0]
    assert fewer.theory.frechet > more.theory.frechet
    assert more.scores["frechet"][0] < 1.2 * done.floor_scores["frechet"][0]


def test_exact_networks_agree_whatever_they_predict() -> None:
    """To a grey level."""
    sampling = Sampling("dpmpp2m", 6, spacing="leading", limit="none", n=16)
    predictions: tuple[Prediction, ...] = ("v", "eps", "x0", "flow", "edm")
    images = [draw(Exact(each).model(), sampling).images.astype(int) for each in predictions]
    assert all(abs(other - images[0]).max() <= 1 for other in images)
    assert len({Exact(each).model().digest for each in predictions}) == 5


# ---- the same noise


def test_cells_share_their_noise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Image i begins alike in all cells of one seed, and no two images of a cell do."""
    began: list[Tensor] = []
    prior = drawing.prior

    def recorded(noise: Any, level: Any, like: Tensor) -> Tensor:
        began.append(prior(noise, level, like))
        return began[-1].clone()

    monkeypatch.setattr(drawing, "prior", recorded)
    sweeps = (
        Sweep(steps=(2, 5), solver=("ddim", "ddpm", "dpmpp2m")),
        Sweep(steps=(2,), solver=("heun",)),
        Sweep(steps=(2,), spacing=("linspace",)),
    )
    begins = []
    job = study(tmp_path, *sweeps)
    for cell in job.cells:
        began.clear()
        for unit in (unit for unit in job.units if unit.cell == cell):
            unit_files.compute(unit)
        begins.append(torch.cat(began))
    assert len(begins) == 8
    for each in begins[1:]:
        assert torch.allclose(each, begins[0], rtol=1e-6, atol=0)  # each level has a √(α² + σ²) of its own
    assert len(begins[0].flatten(1).unique(dim=0)) == 48


@pytest.mark.parametrize("n", [5, 16, 23])
def test_draws_are_parts_of_one_long_drawing(n: int, tmp_path: Path) -> None:
    """Images 0 to n − 1, n to 2n − 1 and 2n to 3n − 1 of the seed, whatever they are computed beside."""
    job = study(tmp_path, Sweep(steps=(3,), solver=("ddpm",)), n=n)
    job.finish(1)
    parts = [unit.images() for unit in job.units]
    long = draw(load_model(SMALL), Sampling("ddpm", 3, n=3 * n)).images
    assert np.array_equal(np.concatenate([part.images for part in parts if part is not None]), long)
    assert len(np.unique(long.reshape(3 * n, -1), axis=0)) == 3 * n


def test_the_global_generator_and_the_threads_are_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    before = torch.get_num_threads()
    study(tmp_path).finish(1)
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == before


# ---- what is kept


def test_a_study_asked_again_computes_nothing(tmp_path: Path, counts: Counts, whole: Table) -> None:
    told: list[int] = []
    job = study(tmp_path)
    assert job.left == 3 * 16 * (2 + 3)
    assert_same(job.finish(1, told.append), whole)
    assert sum(told) == 3 * 16 * (2 + 3)
    assert counts == Counts(6, 6)
    again = study(tmp_path)
    assert again.left == 0
    assert_same(again.finish(1), whole)
    assert counts == Counts(6, 6)


def test_wider_axes_compute_what_is_new_alone(tmp_path: Path, counts: Counts, whole: Table) -> None:
    study(tmp_path).finish(1)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in (tmp_path / CELLS).iterdir()}
    assert counts == Counts(6, 6)
    wider = study(tmp_path, Sweep(steps=(2, 3, 4), solver=("ddpm", "ddim"), limit=("none",)))
    assert wider.left == 3 * 16 * (4 + 2 + 3 + 4)
    done = wider.finish(1)
    assert counts == Counts(6 + 12, 6 + 12)
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in before} == before
    kept = [row for row in done.rows if row.cell in [row.cell for row in whole.rows]]
    assert [row.draws for row in kept] == [row.draws for row in whole.rows]
    cast_weights = study(tmp_path)
    assert cast_weights.left == 0
    assert_same(cast_weights.finish(1), whole)


def test_another_measure_scores_anew_and_draws_nothing(tmp_path: Path, counts: Counts) -> None:
    study(tmp_path).finish(1)
    begin([SMALL], [TWO], Scoring(16, split="test"), tmp_path, 16).finish(1)
    assert counts == Counts(6, 12)
    study(tmp_path, n=15).finish(1)
    assert counts == Counts(12, 18)
    begin([SMALL], [TWO], Scoring(16, seed=1), tmp_path, 16).finish(1)
    assert counts == Counts(18, 24)


def damaged(how: str, path: Path) -> None:
    content = path.read_bytes()
    match how:
        case "lost":
            path.unlink()
        case "emptied":
            path.write_bytes(b"")
        case "cut off":
            path.write_bytes(content[: len(content) * 2 // 3])
        case "turned":  # one bit of the compressed numbers
            middle = len(content) // 3
            path.write_bytes(content[:middle] + bytes([content[middle] ^ 16]) + content[middle + 1 :])
        case "of something else":
            path.write_bytes(b"[1, 2, 3]")
        case "edited" if path.suffix == ".json":
            scores = json.loads(content)
            path.write_text(json.dumps({**scores, "frechet": scores["frechet"] / 2}))
        case "edited":
            with np.load(path) as held:
                np.savez(path, **{**held, "images": 255 - held["images"]})


@pytest.mark.parametrize("how", ["lost", "emptied", "cut off", "turned", "edited", "of something else"])
def test_damaged_files_are_computed_again(how: str, tmp_path: Path, counts: Counts, whole: Table) -> None:
    """The images, the scores, or both: never more than what is needed."""
    job = study(tmp_path)
    job.finish(1)
    files = names(tmp_path)
    for which, expected in ((1, Counts(1, 0)), (2, Counts(0, 1)), (3, Counts(1, 1))):
        unit = job.units[which]
        counts.drawn = counts.scored = 0
        if expected.drawn:
            damaged(how, unit.images_path)
        if expected.scored:
            damaged(how, unit.scores_path)
        assert_same(study(tmp_path).finish(1), whole)
        assert counts == expected
        assert names(tmp_path) == files


def test_whatever_bit_of_the_images_turns_it_is_seen(tmp_path: Path) -> None:
    """Or it is one that holds nothing."""
    job = study(tmp_path)
    unit_files.compute(job.units[0])
    path, before = job.units[0].images_path, job.units[0].images()
    content = path.read_bytes()
    seen = 0
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ (1 << place % 8)]) + content[place + 1 :])
        after = job.units[0].images()
        seen += after is None
        assert after is None or np.array_equal(after.images, before.images)
    assert seen > len(content) / 7 * 0.7  # the rest are names, dates and paddings


# ---- interrupted


def asked(folder: Path, fuse: Fuse | None, env: dict[str, str], told: Path | None) -> None:
    """The study of TWO in a process of its own; `told` is where it says what it computed and found."""
    os.environ.update(env)
    counts = counting(setattr)
    if fuse is not None:
        fuse.install()
    done = study(folder).finish(1)
    if told is not None:
        scores = [[as_json(scores) for scores in row.draws] for row in done.rows]
        told.write_text(json.dumps([counts.drawn, counts.scored, scores]))


def started(folder: Path, fuse: Fuse | None = None, env: dict[str, str] | None = None, told: Path | None = None
            ) -> BaseProcess:  # fmt: skip
    process = _server().Process(target=asked, args=(folder, fuse, env or {}, told), daemon=True)
    process.start()
    return process


MOMENTS = {
    "before the first draw": (Fuse("inkwash.study.units:_draw", 1), 6, 6),
    "before a draw": (Fuse("inkwash.study.units:_draw", 3), 4, 4),
    "in a draw": (Fuse("inkwash.core.noise:Seeded.__call__", 8), 4, 4),
    "after a draw": (Fuse("inkwash.study.units:_draw", 3, after=True), 4, 4),
    "in the writing of images": (Fuse("numpy:savez_compressed", 3), 4, 4),
    "before images are on disk": (Fuse("inkwash.atomic:_to_disk", 5), 4, 4),
    "before images are renamed": (Fuse("pathlib:Path.replace", 5), 4, 4),
    "between images and scores": (Fuse("pathlib:Path.replace", 5, after=True), 3, 4),
    "in the writing of scores": (Fuse("inkwash.atomic:_to_disk", 6), 3, 4),
    "before scores are renamed": (Fuse("pathlib:Path.replace", 6), 3, 4),
    "after scores": (Fuse("pathlib:Path.replace", 6, after=True), 3, 3),
    "before the table": (Fuse("inkwash.study.session:table", 1), 0, 0),
}


@pytest.mark.parametrize("snapshot", MOMENTS)
def test_killed_and_asked_again(snapshot: str, tmp_path: Path, counts: Counts, whole: Table) -> None:
    """Units that are finished are never computed again, and the table is the one of a study never killed."""
    fuse, drawn, scored = MOMENTS[snapshot]
    killed = started(tmp_path, fuse)
    killed.join(60)
    assert killed.exitcode == -signal.SIGKILL
    assert_same(study(tmp_path).finish(1), whole)
    assert counts == Counts(drawn, scored)
    assert len(names(tmp_path)) == 12
    assert not any(name.startswith(TEMPORARY) for name in names(tmp_path))


def test_a_half_written_file_of_a_process_at_work_is_left_to_it(tmp_path: Path) -> None:
    """Nobody may take it away; that of a killed process is swept."""
    half = tmp_path / CELLS / f"{TEMPORARY}0123456789ab.npz"
    half.parent.mkdir(parents=True)
    with half.open("wb") as writing:
        fcntl.flock(writing, fcntl.LOCK_EX)
        job = study(tmp_path)
        job.finish(1)
        assert half.exists()
    job.finish(1)
    assert not half.exists()


# ---- several processes


def torchrun(rank: int, world: int = 2) -> dict[str, str]:
    """What torchrun tells a process; those of a study meet in its folder, and nobody listens at the address."""
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    return {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world), **address}


def test_two_processes_of_torchrun_share_the_work(tmp_path: Path, whole: Table) -> None:
    """Each computes its part alone, both know the whole, and it is what one process finds."""
    out = tmp_path / "study"
    two = [started(out, None, torchrun(rank), tmp_path / f"{rank}.json") for rank in range(2)]
    for process in two:
        process.join(60)
    assert [process.exitcode for process in two] == [0, 0]
    told = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    expected = json.loads(json.dumps([[as_json(scores) for scores in row.draws] for row in whole.rows]))
    assert told == [[3, 3, expected], [3, 3, expected]]
    assert_same(study(out).finish(1), whole)


def test_of_two_processes_the_first_speaks_and_writes(trained: Path, tmp_path: Path) -> None:
    line = ("study", trained, "--steps", "1,2", "-n", 8, "--features", "pixels", "--out", tmp_path / "study")
    two = [Command(line, tmp_path / str(rank), env=torchrun(rank)) for rank in range(2)]
    first, second = (command.wait() for command in two)
    assert (first.code, second.code) == (0, 0)
    assert (second.out, second.err) == ("", "")
    assert all(Path(path).is_file() for path in first.out.splitlines())
    assert "2 cells, three draws of 8 images in each" in first.err
    assert len(names(tmp_path / "study")) == 12


def test_two_processes_of_its_own_share_the_work(tmp_path: Path, counts: Counts, whole: Table) -> None:
    told: list[int] = []
    assert_same(study(tmp_path).finish(2, told.append), whole)
    assert counts == Counts(0, 0)
    assert sum(told) == 3 * 16 * (2 + 3)
    assert settled()
    assert len(names(tmp_path)) == 12


def settled() -> bool:
    """Whether the processes that were started end by themselves."""
    deadline = time.monotonic() + 10
    while any(process.name.startswith("SpawnProcess") for process in multiprocessing.active_children()):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize(("jobs", "world", "cores", "devices", "expected"), [
    (None, 1, 4, "cpu", 4),
    (None, 1, 9, "cpu", 6),
    (None, 1, 4, "cuda", 0),
    (None, 2, 4, "cpu", 0),
    (1, 1, 4, "cpu", 0),
    (2, 1, 4, "cuda", 2),
])  # fmt: skip
def test_how_many_processes_there_are(
    jobs: int | None, world: int, cores: int, devices: str, expected: int, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """One for each core, never more than units, and one where torchrun or a GPU has its own; 0 is this one."""
    shared: list[int] = []
    job = study(tmp_path)
    for unit in sorted(job.units, key=lambda unit: -unit.cost)[1:] if world > 1 else []:
        unit_files.compute(unit)  # those of the other process, which are awaited, and two of this one's

    def share(units: list[Unit], jobs: int, tick: Any) -> None:
        shared.append(jobs)
        for unit in units:
            unit_files.compute(unit)

    for name, value in torchrun(0, world).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(workers, "_cores", lambda: cores)
    monkeypatch.setattr(workers, "_compute_in_processes", share)
    monkeypatch.setattr(workers, "load_model", lambda subject: Place(torch.device(devices)))
    workers.compute_all(job.units, jobs)
    assert shared == ([expected] if expected else [])
    assert all(unit.done() for unit in job.units)


@pytest.mark.parametrize("jobs", [0, -2])
def test_there_is_one_process_at_least(jobs: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"`jobs` must be at least 1 \(got {jobs}\)"):
        study(tmp_path).finish(jobs)
    assert list(tmp_path.iterdir()) == []


@dataclass(frozen=True)
class Place:
    device: torch.device
    run: None = None


@dataclass(frozen=True)
class Deadly:
    """A subject whose model ends every process but the first."""

    name: str = "deadly"
    prediction: str = "v"
    data_dir: None = None

    def model(self, precision: torch.dtype | None = None) -> Model:
        if multiprocessing.parent_process() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return SMALL.model()

    def condition_order(self) -> None:
        return None

    def images(self, split: str) -> Images:
        return SMALL.images(split)


def test_a_process_that_is_ended_from_outside_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InkwashError, match="ended from outside, perhaps for want of memory; run the same command"):
        study(tmp_path, subject=Deadly()).finish(2)
    assert settled()
    done = study(tmp_path, subject=Deadly()).finish(1)
    assert len(done.rows) == 2


def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / CELLS).write_text("a file")
    with pytest.raises(InkwashError, match=r"\.npz could not be written: .*\. Nothing was changed\."):
        study(tmp_path).finish(1)


def processes_of(command: Command) -> list[psutil.Process]:
    assert command.process.pid is not None
    children = psutil.Process(command.process.pid).children()
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def test_ctrl_c_while_its_processes_are_started_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    start = SpawnProcess.start

    def starting(process: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        start(process)
        started.append(process)

    monkeypatch.setattr(SpawnProcess, "start", starting)
    with pytest.raises(KeyboardInterrupt):
        study(tmp_path).finish(2)
    assert len(started) == 2
    assert settled()


def test_a_checkpoint_that_changes_meanwhile_is_refused(trained: Path, tmp_path: Path) -> None:
    """Workers open it anew, and the scores of its new weights must not come under the name of the old ones."""
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    subject = Trained(run, device="cpu")
    job = study(tmp_path / "study", Sweep(steps=(1,)), n=8, features="pixels", subject=subject)
    did("train", "digits", *TINY, "--steps", 13, "--resume", "--out", run)
    forget()  # as in a process that has not opened it yet
    with pytest.raises(UsageError, match="as its training goes on"):
        job.finish(1)
    assert not (tmp_path / "study" / CELLS).exists()
    forget()
    assert study(tmp_path / "study", Sweep(steps=(1,)), n=8, features="pixels", subject=subject).finish(1).rows


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_study_that_is_interrupted_ends_at_once_and_wholly(number: int, trained: Path, tmp_path: Path) -> None:
    """Ctrl-C reaches its processes too, while they begin; SIGTERM reaches the first alone, while they work."""
    out = tmp_path / "a study"  # the space must be quoted
    line = ("study", trained, "--steps", 1000, "-n", 100, "--jobs", 2, "--features", "pixels", "--out", out)
    command = Command(line, tmp_path, daemon=False)
    try:
        while len(begun := processes_of(command)) < 2:
            assert command.process.is_alive()
            time.sleep(0.005)
        if number == signal.SIGINT:
            while min(sum(child.cpu_times()[:2]) for child in begun) < 0.05:
                time.sleep(0.005)
            for child in begun:
                child.send_signal(number)
        else:
            while not re.search(r"[1-9]\S*/300k evaluations", command.err.read_text()):
                time.sleep(0.005)
        command.send(number)
        before = time.monotonic()
        done = command.wait()
        assert time.monotonic() - before < 20
    finally:
        command.process.kill()
    assert (done.code, done.out) == (1, "")
    told, _, again = done.sentence.partition("Go on with: ")
    assert told == "stopped; what was finished is kept. "
    assert shlex.split(again) == ["inkwash", *map(str, line)]
    assert psutil.wait_procs(begun, 10)[1] == []
    assert [path.name for path in out.rglob("*") if path.is_file()] == []
