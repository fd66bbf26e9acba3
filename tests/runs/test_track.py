"""--track: the reports of a training go elsewhere too, each step once, and change nothing of it."""

import csv
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch

from cli_runner import TINY, Command, Fuse, did, refused
from inkwash.api.train import train_steps
from inkwash.errors import UsageError
from inkwash.runs.record import stored
from inkwash.settings import Training
from inkwash.training import Step, Untracked, load
from inkwash.training.checkpoint import LAST

HOW = ("train", "digits", *TINY, "--save-every", 20, "--schedule", "linear", "--timesteps", 10)
SHEETS = ("--preview-every", 15, "--preview-images", 4)
TELLING = """
class Failing:
    done = 0

    def begin(self, so_far):
        pass

    def log(self, row):
        if row["step"] == 20:
            raise ConnectionError("the line is dead.")

    def sheet(self, step, path):
        pass

    def close(self):
        raise OSError("closed twice")


class Unready(Failing):
    def begin(self, so_far):
        raise MemoryError


class Nothing:
    pass
"""


def training(out: Path, **changes: Any) -> Iterator[Any]:
    return train_steps(
        "digits", out=out, channels=8, batch_size=16, precision="float32", device="cpu", save_every=20,
        schedule="linear", timesteps=10, preview_images=4, **changes,
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tracked run of 40 steps in one go, with sheets after 15 and 30."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    list(training(folder, steps=40, preview_every=15, track="csv,tensorboard"))
    return folder


def table(run: Path) -> list[tuple[str, ...]]:
    """The columns of track.csv that do not depend on the clock."""
    with (run / "track.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [tuple(row[name] for name in ("step", "loss", "held_out", "lr", "images_seen")) for row in rows]


def events(run: Path) -> dict[str, list[Any]]:
    """What a reader of all files of events finds, without its dropping of what a later file replaces."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(run / "tensorboard"), purge_orphaned_data=False)
    read.Reload()
    found: dict[str, list[Any]] = {
        name: [(event.step, event.value) for event in read.Scalars(name)] for name in ("loss", "held_out", "lr")
    }
    return found | {"previews": [(event.step, event.encoded_image_string) for event in read.Images("previews")]}


def same_weights(ours: Path, theirs: Path) -> bool:
    a, b = load(ours / LAST), load(theirs / LAST)
    same = all(
        torch.equal(value, a.parts[part][name]) for part, named in b.parts.items() for name, value in named.items()
    )
    return same and all(a.facts[fact] == b.facts[fact] for fact in ("history", "held_out", "best", "step"))


def test_the_training_is_the_same_to_the_bit(whole: Path, tmp_path: Path) -> None:
    list(training(tmp_path / "plain", steps=40))
    assert same_weights(whole, tmp_path / "plain")
    assert not (tmp_path / "plain" / "track.csv").exists()


def test_both_logs_say_what_the_checkpoint_knows(whole: Path) -> None:
    facts = load(whole / LAST).facts
    rows = table(whole)
    assert [(int(row[0]), float(row[1])) for row in rows if row[1]] == [tuple(pair) for pair in facts["history"]]
    assert [(int(row[0]), float(row[2])) for row in rows if row[2]] == [tuple(pair) for pair in facts["held_out"]]
    found = events(whole)
    assert found["loss"] == [(step, pytest.approx(loss)) for step, loss in facts["history"]]
    assert found["held_out"] == [(step, pytest.approx(loss)) for step, loss in facts["held_out"]]
    assert [step for step, _ in found["previews"]] == [15, 30]
    assert found["previews"][0][1] != found["previews"][1][1]


def test_a_training_that_was_cut_off_has_each_step_once(whole: Path, tmp_path: Path) -> None:
    """It ends like a killed one: without a checkpoint of its step 30, and within a line."""
    run = tmp_path / "run"
    with closing(training(run, steps=40, preview_every=15, track="csv,tensorboard")) as told:  # type: ignore[type-var]
        next(event for event in told if isinstance(event, Step) and event.step == 40)
    assert table(run)[-1][0] == "30"
    assert load(run / LAST).facts["step"] == 20
    with (run / "track.csv").open("a") as file:
        file.write("40,0.12")
    (run / "metrics.jsonl").write_text((run / "metrics.jsonl").read_text().splitlines()[0] + "\n")  # the rest is lost
    list(training(run, steps=40, preview_every=15, track="csv,tensorboard", resume=True))
    assert [row[:3] for row in table(run)] == [row[:3] for row in table(whole)]
    mine, its = events(run), events(whole)
    assert all(mine[name] == its[name] for name in ("loss", "held_out", "previews"))
    assert same_weights(run, whole)


@pytest.mark.slow
def test_a_killed_training_has_each_step_once(whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    fuse = Fuse("inkwash.tracking.csv:Csv.log", 4)  # 0, 10, 20, then before the row of 30
    args = (*HOW, *SHEETS, "--track", "csv", "--track", "tensorboard", "--steps", 40, "--out", run)
    assert Command(args, tmp_path / "first", fuse).wait().code == -9
    did("train", run, "--resume")
    assert table(run) == table(whole)
    assert events(run) == events(whole)


def test_a_failing_tracker_is_named_once_and_the_training_goes_on(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("telling.py").write_text(TELLING)
    run = tmp_path / "run"
    done = did(*HOW, "--track", "telling.py:Failing,csv", "--track", "telling.py:Unready", "--steps", 40, "--out", run)
    assert done.err.count("not tracked") == 2
    assert "warning: not tracked by telling.py:Failing after step 20: ConnectionError: the line is dead.\n" in done.err
    assert "warning: not tracked by telling.py:Unready after step 0: MemoryError.\n" in done.err
    assert table(run) == table(whole)
    assert same_weights(run, whole)
    told = list(training(Path("python"), steps=20, track="telling.py:Unready"))
    assert [event for event in told if isinstance(event, Untracked)] == [
        Untracked("telling.py:Unready", 0, "MemoryError")
    ]


def test_a_resumed_run_keeps_adds_and_ends_its_trackers(tmp_path: Path) -> None:
    run = tmp_path / "run"
    did(*HOW, "--steps", 10, "--out", run)
    did("train", run, "--resume", "--steps", 20, "--track", "csv")
    settings = stored(run)
    assert settings is not None
    assert settings.training.track == ("csv",)
    assert [row[0] for row in table(run)] == ["0", "10", "20"]  # also what was before it
    did("train", run, "--resume", "--steps", 30)
    assert [row[0] for row in table(run)] == ["0", "10", "20", "30"]
    did("train", run, "--resume", "--steps", 40, "--track", "none")
    assert [row[0] for row in table(run)] == ["0", "10", "20", "30"]


def test_what_is_refused_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("telling.py").write_text(TELLING)
    for name in [name for name in sys.modules if name.startswith(("tensorboard", "torch.utils.tensorboard"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "inkwash.tracking.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    said = refused(*HOW, "--track", "csv,tensorboard", "--out", "run")
    assert said == "--track tensorboard needs the package tensorboard; install it with: pip install tensorboard"
    assert "Did you mean tensorboard?" in refused(*HOW, "--track", "tensorbord", "--out", "run")
    said = refused(*HOW, "--track", "telling.py:Nothing", "--out", "run")
    assert said.startswith(
        "the tracker telling.py:Nothing cannot be used: type Nothing has no begin, log, sheet, close"
    )
    assert not Path("run").exists()


def test_the_names_of_trackers() -> None:
    assert Training(track="csv, tensorboard,csv").track == ("csv", "tensorboard")  # type: ignore[arg-type]
    assert Training(track=("csv", "none", "tensorboard")).track == ("tensorboard",)
    assert Training(track=["none"]).track == ()  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="`track`"):
        Training(track=3)  # type: ignore[arg-type]


def test_a_tracker_begun_late_keeps_the_moments_of_older_steps(tmp_path: Path) -> None:
    """TensorBoard's relative time counts the seconds of the training."""
    from inkwash.tracking import SoFar
    from inkwash.tracking.tensorboard import TensorBoard

    rows = [{"step": 10, "loss": 1.0, "seconds": 100.0}, {"step": 20, "loss": 0.5, "seconds": 400.0}]
    (old := tmp_path / "tensorboard" / "events.out.tfevents.1.old").parent.mkdir()
    old.write_bytes(b"")
    made = TensorBoard()
    made.begin(SoFar(tmp_path, {"a": 1}, rows, {}))
    made.close()
    assert not old.exists()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (read := EventAccumulator(str(tmp_path / "tensorboard"))).Reload()
    first, second = read.Scalars("loss")
    assert second.wall_time - first.wall_time == pytest.approx(300, abs=1)
    assert second.wall_time == pytest.approx(time.time(), abs=60)


class Recording:
    """As much of wandb's and trackio's interface as is used."""

    runs: ClassVar[dict[str, list[tuple[int, str]]]]

    def __init__(self, name: str) -> None:
        self.name = name
        self.runs.setdefault(name, [])

    @classmethod
    def init(cls, *, name: str, resume: str, **_: Any) -> "Recording":
        assert resume in ("allow", "never")
        if resume == "allow":  # wandb's run begins in a folder of its own
            cls.runs.pop(name, None)
        assert resume == "allow" or name not in cls.runs
        return cls(name)

    def log(self, values: dict[str, Any], step: int) -> None:
        assert not self.runs[self.name] or step >= self.runs[self.name][-1][0]
        self.runs[self.name] += [(step, name) for name in values]

    def finish(self) -> None:
        self.runs[self.name].append((10**9, "finished"))


@pytest.mark.parametrize("library", ["wandb", "trackio"])
def test_libraries_that_log_by_step(library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a stand-in for the library: steps never fall, and a training that goes on has each once."""
    monkeypatch.setattr(Recording, "runs", {}, raising=False)
    storage = SimpleNamespace(delete_run=lambda project, name: Recording.runs.pop(name, None))
    made = SimpleNamespace(init=Recording.init, Image=str, Settings=SimpleNamespace, SQLiteStorage=storage)
    monkeypatch.setitem(sys.modules, library, made)
    monkeypatch.delitem(sys.modules, f"inkwash.tracking.{library}", raising=False)
    list(training(tmp_path / "run", steps=10, preview_every=5, track=library))
    list(training(tmp_path / "run", steps=20, preview_every=5, track=library, resume=True))
    monkeypatch.delitem(sys.modules, f"inkwash.tracking.{library}")
    (logged,) = Recording.runs.values()
    for name, steps in (("loss", [10, 20]), ("held_out", [0, 10, 20]), ("previews", [5, 10, 15, 20])):
        assert [step for step, each in logged if each == name] == steps
    assert logged[-1][1] == "finished"
