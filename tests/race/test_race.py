"""Races: honest clocks, one yardstick, and nothing done twice."""

import csv
import json
import os
import shutil
import signal
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cli_runner import did, inkwash, refused
from inkwash import recipes
from inkwash.errors import InkwashError, UsageError
from inkwash.metrics.score import Reference
from inkwash.networks import UNet
from inkwash.race import racer as racing
from inkwash.race.race import Race, Terms, begin
from inkwash.race.racer import DrawingProgress, Point
from inkwash.race.table import as_csv, table, write_results
from inkwash.race.target import Target
from inkwash.settings import Data, Process, RunSettings, Sampler, Scoring, Training
from inkwash.training import Step
from inkwash.training.checkpoint import LAST, load

N = 8
EASY, HARD = Target("frechet", 1e9), Target("frechet", 1e-9)
OFTEN = 1e-6  # seconds: a point after 11 steps, and then after 10 each


@pytest.fixture(scope="module", autouse=True)
def quick_classifier(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Features that are learned in no time, in a cache of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("inkwash.metrics.classifier.STEPS", 10)
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def tiny(name: str, channels: int = 4, steps: int = 25) -> RunSettings:
    training = Training(steps=steps, batch_size=8, warmup=5, ema=0.9, precision="float32", device="cpu", save_every=9)
    process = Process(schedule="linear", timesteps=20, prediction="v")
    network = UNet(channels=channels, mults=(1,), blocks=1)
    return RunSettings(name, Data("digits"), network, process=process, training=training)


SMALL, LARGE = tiny("small"), tiny("large", 8)


def made(folder: Path, *runs: RunSettings, **terms: Any) -> Race:
    given = {"until": HARD, "every": OFTEN, **terms}
    return begin(runs or (SMALL, LARGE), Terms(**given), Sampler(steps=2), Scoring(n=N), folder, device="cpu")


def walked(race: Race, stop: Callable[[], bool] = lambda: False) -> list[Any]:
    """All that happens."""
    return [event for racer in race.racers for event in race.go(racer, stop)]


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> Race:
    """A race to its end, to be read only."""
    race = made(tmp_path_factory.mktemp("raced") / "race")
    walked(race)
    write_results(race)
    return race


# ---- what a race is


def test_points(raced: Race) -> None:
    for racer in raced.racers:
        points = racer.points()
        assert [point.step for point in points] == [11, 21, 25]
        assert [point.images for point in points] == [88, 168, 200]
        assert [point.evaluations for point in points] == [264, 504, 600]
        seconds = [point.seconds for point in points]
        assert 0 < seconds[0] < seconds[1] < seconds[2]
        assert [len(point.draws) for point in points] == [3, 3, 3]
        assert racer.finished(HARD)
    assert raced.racers[1].operations > 2 * raced.racers[0].operations > 0
    assert raced.racers[1].parameters > 2 * raced.racers[0].parameters > 0


def test_one_yardstick_and_the_same_noise(raced: Race) -> None:
    small, large = (racer.setup() for racer in raced.racers)
    assert small is not None
    assert small == large
    assert small["yardstick"] == raced.rules.reference.digest
    assert small["n"] == N
    assert "seed=0" in small["sampler"]


def test_each_run_is_an_ordinary_one(raced: Race, tmp_path: Path) -> None:
    folder = raced.racers[0].folder
    did("sample", folder, "-n", 1, "--steps", 2, "--out", tmp_path / "a.png")
    assert "25 of 25 steps" in did("info", folder).out


def test_the_last_point_is_of_the_last_checkpoint(raced: Race, tmp_path: Path) -> None:
    racer = raced.racers[0]
    did("sample", racer.folder, "-n", 3 * N, "--steps", 2, "--out", tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        pixels = torch.from_numpy(archive["images"]).permute(0, 3, 1, 2)
    for one, each in zip(racer.points()[-1].draws, torch.split(pixels, N), strict=True):
        assert raced.rules.reference.score(each)["frechet"] == pytest.approx(one["frechet"], rel=1e-9)


def test_the_files(raced: Race) -> None:
    names = {path.name for path in raced.folder.iterdir()}
    assert names == {"small", "large", "small.json", "large.json", "race.md", "race.csv", "race.png", "race.svg"}
    told = (raced.folder / "race.md").read_text(encoding="utf-8")
    assert f"| small | {raced.racers[0].parameters:,} |" in told
    for words in ("not reached; best", "| real images: the floor |", "n = 8", "train split", "Machine: "):
        assert words in told
    assert raced.rules.reference.features.digest[:12] in told
    ET.fromstring((raced.folder / "race.svg").read_text(encoding="utf-8"))
    with Image.open(raced.folder / "race.png") as picture:
        assert picture.size[0] > 1000
    lines = list(csv.DictReader((raced.folder / "race.csv").read_text(encoding="utf-8").splitlines()))
    assert [line["recipe"] for line in lines] == ["small"] * 3 + ["large"] * 3 + ["real images"]
    assert float(lines[-1]["frechet"]) == pytest.approx(raced.floor["frechet"][0], rel=1e-5)
    assert int(lines[0]["flop"]) == 264 * raced.racers[0].operations
    assert "not written by sample, " in refused("replay", raced.folder / "race.png")


def test_rows_of_the_table_are_alike(raced: Race) -> None:
    assert len({line.count("|") for line in table(raced)}) == 1
    assert len(table(raced)) == 2 + 2 + 1
    assert len(as_csv(raced).splitlines()) == 1 + 6 + 1


# ---- the clock


def test_the_clock_does_not_see_the_scoring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each scoring, and each drawing, takes an hour of a clock that otherwise goes as ever."""
    hours = []
    monkeypatch.setattr(
        "inkwash.training.loop.time", SimpleNamespace(perf_counter=lambda: time.perf_counter() + 3600 * len(hours))
    )
    score, draw = Reference.score, racing.draw
    monkeypatch.setattr(Reference, "score", lambda self, *given: hours.append(1) or score(self, *given))
    monkeypatch.setattr(racing, "draw", lambda *args, **more: hours.append(1) or draw(*args, **more))
    race = made(tmp_path / "race", SMALL)
    walked(race)
    assert len(hours) >= 12
    assert [point.step for point in race.racers[0].points()] == [11, 21, 25]
    assert race.racers[0].points()[-1].seconds < 3000


# ---- going on


@pytest.mark.slow
def test_a_race_that_was_interrupted(raced: Race, tmp_path: Path) -> None:
    """In training, in drawing, and between two recipes: it ends on the same bits, and nothing is done twice."""
    race = made(tmp_path / "race")
    racer = race.racers[0]
    steps = []

    def stop() -> bool:
        return bool(steps) and steps[-1] >= 10

    for event in race.go(racer, stop):  # in training
        assert isinstance(event, Step)
        steps.append(event.step)
    assert steps == [1, 10, 11]
    assert racer.points() == []

    seen: list[Any] = []
    for event in made(tmp_path / "race").go(racer, lambda seen=seen: bool(seen)):  # in drawing
        seen.append(event)
    assert seen == [DrawingProgress(24, 24), racer.points()[0]]  # all were drawn, so they were scored too

    events = walked(made(tmp_path / "race"))
    assert [event.step for event in events if isinstance(event, Step)][:3] == [12, 20, 21]
    for one, other in zip(race.racers, raced.racers, strict=True):
        assert [(point.step, point.draws) for point in one.points()] == [
            (point.step, point.draws) for point in other.points()
        ]
        ours, theirs = load(one.folder / LAST).parts["model"], load(other.folder / LAST).parts["model"]
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_stopped_in_drawing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(racing, "CHUNK", 16)
    race = made(tmp_path / "race", SMALL)
    drawn = []
    for event in race.go(race.racers[0], lambda drawn=drawn: bool(drawn)):
        drawn.extend([event] if isinstance(event, DrawingProgress) else [])
    assert drawn == [DrawingProgress(16, 24)]
    assert race.racers[0].points() == []
    first = next(race.go(race.racers[0], lambda: False))
    assert first == DrawingProgress(16, 24)  # it does not train before that is scored


def test_a_race_that_is_over(raced: Race, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(racing, "fit", None)
    monkeypatch.setattr(racing, "draw", None)
    again = made(raced.folder)
    assert walked(again) == []
    assert as_csv(again) == as_csv(raced)


def test_a_target_ends_it_and_a_harder_one_goes_on(tmp_path: Path) -> None:
    race = made(tmp_path / "race", SMALL, until=EASY)
    walked(race)
    (point,) = race.racers[0].points()
    (standing,) = race.standings()
    assert point.step == 11
    assert standing.reached
    assert standing.at == point
    assert f"| to {EASY} |" in table(race)[0]
    assert "not reached" not in table(race)[2]
    write_results(race)
    later = made(tmp_path / "race", SMALL, until=HARD)
    events = walked(later)
    assert [event.step for event in events if isinstance(event, Step)] == [12, 20, 21, 22, 25]
    assert later.racers[0].points()[0] == point
    assert not later.standings()[0].reached


def test_minutes(tmp_path: Path) -> None:
    race = made(tmp_path / "race", SMALL, until=None, minutes=0.002, every=None)
    assert race.racers[0].run.training.minutes == 0.002
    assert race.rules.every == pytest.approx(0.012)
    walked(race)
    trained = race.racers[0].trained()
    assert trained is not None
    assert race.racers[0].points()[-1].step == trained["step"] == trained["steps"]
    best = race.standings()[0].at.scores["frechet"][0]
    assert best == min(point.scores["frechet"][0] for point in race.racers[0].points())
    write_results(race)
    assert "so that it ends with the 0.002 minutes" in (tmp_path / "race" / "race.md").read_text(encoding="utf-8")
    with pytest.raises(UsageError, match=r"was begun otherwise \(minutes: 0.002 then, 3.0 now\)"):
        made(tmp_path / "race", SMALL, until=None, minutes=3.0)


def test_a_recipe_that_diverges_is_named(tmp_path: Path) -> None:
    wild = replace(SMALL, training=replace(SMALL.training, lr=1e30, clip=None))
    with pytest.raises(InkwashError, match=r"^small: the loss was no longer a number"):
        walked(made(tmp_path / "race", wild))


# ---- the command


@pytest.fixture
def tiny_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    real = recipes.find
    runs = {"digits": replace(SMALL, recipe="digits"), "mnist": replace(LARGE, recipe="mnist")}
    monkeypatch.setattr(recipes, "find", lambda name: runs.get(name) or real(name))


@pytest.mark.usefixtures("tiny_recipes")
def test_the_command(tmp_path: Path) -> None:
    out = tmp_path / "race"
    line = ("race", "mnist", "digits", "--until", "coverage=0.999", "--every", 0.001, "-n", N, "--steps", 2)
    line = (*line, "--out", out)
    done = did(*line)
    assert done.out.splitlines()[0].startswith("| recipe | parameters | to coverage ≥ 0.999 |")
    assert done.out.splitlines()[-4:] == [str(out / name) for name in ("race.md", "race.csv", "race.png", "race.svg")]
    assert "mnist: coverage " in done.err
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert did(*line).out == done.out
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.usefixtures("tiny_recipes")
def test_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While images are drawn: what was trained is kept, and how to go on is said."""
    line = ("race", "digits", "--until", "frechet=1e-6", "--every", 0.001, "-n", 30, "--steps", 1, "--out", tmp_path)
    draw = racing.draw
    monkeypatch.setattr(racing, "draw", lambda *a, **b: (os.kill(os.getpid(), signal.SIGINT), draw(*a, **b))[1])
    done = inkwash(*line)
    assert done.code == 1
    assert done.sentence.startswith("stopped; what was trained and scored is kept. Go on with: inkwash race digits")
    assert (tmp_path / "digits" / LAST).is_file()
    assert json.loads((tmp_path / "digits.json").read_text())["points"] == []
    monkeypatch.setattr(racing, "draw", draw)
    did(*line)
    assert len(json.loads((tmp_path / "digits.json").read_text())["points"]) == 3


# ---- what is refused, before anything is computed


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "a race needs recipes: inkwash race RECIPE"),
        (("digits",), "a race needs an end: --minutes, or --until a score such as frechet=0.8"),
        (("digits", "digits", "--minutes", 1), "each recipe races once; got digits, digits."),
        (("digts", "--minutes", 1), "there is no recipe 'digts'. Did you mean digits?"),
        (("digits", "--minutes", 0), "--minutes should be greater than 0 (got 0.0)."),
        (("digits", "--minutes", 1, "--every", -3), "--every should be greater than 0 (got -3.0)."),
        (("digits", "--until", "beauty=1"), "there is no score 'beauty' to race for. They are frechet, kernel"),
        (("digits", "--until", "covrage=1"), "Did you mean coverage?"),
        (("digits", "--until", "frechet"), "--until takes a score and a number, such as frechet=0.8 (got 'frechet')."),
        (("digits", "--until", "frechet=nan"), "--until takes a score and a number"),
        (("digits", "--until", "frechet=0"), "--until frechet is above 0 (got 0)."),
        (("digits", "--until", "recall=1.5"), "--until recall is above 0 and at most 1 (got 1.5)."),
        (("digits", "photos", "--minutes", 1), "same images at the same size; got digits on digits 8×8, folder on"),
        (("digits", "--minutes", 1, "-n", 376), "a quarter of digits's train images, which is 375 (got --n 376)."),
        (("digits", "--minutes", 1, "--solver", "ddpm", "--eta", 1), "ddpm has no η"),
        (("digits", "--minutes", 1, "--device", "mps"), "this machine has no mps"),
        (("digits", "--minutes", 1, "--out", "file"), "file is not a folder"),
        (("digits", "--minutes", 1, "--out", "blocked"), "blocked/digits is a file, and the race would train there"),
        (("digits", "--minutes", 1, "--out", "foreign"), "foreign/digits is a run that no race has begun"),
        (("digits", "--minutes", 1, "--out", "junk"), "junk/digits.json is in the way"),
    ],
)
def test_refusals(
    args: tuple[object, ...], words: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("inkwash.metrics.classifier._train", None)
    monkeypatch.setattr(racing, "fit", None)
    for folder in ("photos", "blocked", "foreign", "junk"):
        Path(folder).mkdir()
    for i in range(4):
        Image.new("L", (8, 8), 60 * i).save(f"photos/{i}.png")
    shutil.copytree(trained, "foreign/digits")
    for file in ("file", "blocked/digits", "junk/digits.json"):
        Path(file).write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    assert words in refused("race", *args)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_race_begun_otherwise(raced: Race) -> None:
    def began(**changes: Any) -> None:
        given = {"sampler": Sampler(steps=2), "scoring": Scoring(n=N), **changes}
        begin((SMALL, LARGE), Terms(HARD, None, OFTEN), out=raced.folder, device="cpu", **given)

    began()
    for changes, words in (
        ({"scoring": Scoring(n=N + 1)}, "n: 8 then, 9 now"),
        ({"scoring": Scoring(n=N, features="pixels")}, "features: classifier then, pixels now"),
        ({"sampler": Sampler(steps=3)}, "steps=3"),
    ):
        with pytest.raises(UsageError, match=words):
            began(**changes)
    other = replace(SMALL, training=replace(SMALL.training, lr=0.5))
    with pytest.raises(UsageError, match=r"begun with other settings \(lr: .*\); choose another `out`"):
        made(raced.folder, other)


def test_a_run_that_was_taken_away(raced: Race, tmp_path: Path) -> None:
    shutil.copytree(raced.folder, tmp_path / "race")
    shutil.rmtree(tmp_path / "race" / "small")
    with pytest.raises(UsageError, match="has a point at step 25, which the run beside it no longer has"):
        made(tmp_path / "race")


def test_samplers_that_a_recipe_cannot_have(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="20"):
        begin((SMALL,), Terms(HARD), Sampler(steps=21), Scoring(n=N), tmp_path / "race", device="cpu")
    blind = replace(SMALL, process=Process(schedule="continuous-cosine", prediction="eps"))
    with pytest.raises(UsageError, match="says nothing of the image at pure noise"):
        made(tmp_path / "race", blind)
    assert not (tmp_path / "race").exists()


def test_under_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "start it without torchrun" in inkwash("race", "digits", "--minutes", 1).sentence


def test_points_are_plain(raced: Race) -> None:
    held = json.loads(raced.racers[0].path.read_text(encoding="utf-8"))
    assert [Point(**{**each, "draws": ()}).step for each in held["points"]] == [11, 21, 25]
