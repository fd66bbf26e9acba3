"""`inkwash tune` and spacing "tuned": the plan is kept with the run, recorded in pictures, and refused elsewhere."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli_runner import TINY, did, inkwash, refused
from inkwash import load
from inkwash.errors import UsageError
from inkwash.view import read_provenance


@pytest.fixture(scope="module")
def run(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(trained, tmp_path_factory.mktemp("tuned") / "tiny"))


@pytest.fixture(scope="module", autouse=True)
def _coarse() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("inkwash.runs.tuned.GRID", 16)
        yield


@pytest.fixture(scope="module")
def told(run: Path) -> list[str]:
    return did("tune", run, "--steps", 3, "-n", 16).out.splitlines()


def test_the_plan_is_told_and_kept(run: Path, told: list[str]) -> None:
    spacing = next(line for line in told if line.startswith("levels:"))
    (kept,) = json.loads((run / "tuned.json").read_text())
    assert kept["spacing"] == spacing
    assert spacing.count("/") == 2
    assert kept["error"] < min(few for few, _ in kept["others"].values())  # on images that it was not tuned on
    rows = {line.split()[0]: line.split()[1:] for line in told if line.split()[0] in kept["others"]}
    assert {name: [f"{each:.4f}" for each in pair] for name, pair in kept["others"].items()} == rows


def test_pictures_record_the_levels_and_replay(run: Path, told: list[str], tmp_path: Path) -> None:
    spacing = next(line for line in told if line.startswith("levels:"))
    tuned, listed = tmp_path / "tuned.png", tmp_path / "listed.png"
    did("sample", run, "--steps", 3, "--spacing", "tuned", "-n", 4, "--out", tuned)
    did("sample", run, "--steps", 3, "--spacing", spacing, "-n", 4, "--out", listed)
    assert tuned.read_bytes() == listed.read_bytes()
    assert read_provenance(tuned)["sampling"]["spacing"] == spacing
    did("replay", tuned, "--run", run, "--out", tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == tuned.read_bytes()
    drawn = [load(run).sample(4, steps=3, spacing=each, progress=False).pixels for each in ("tuned", spacing)]
    assert (drawn[0] == drawn[1]).all()


def test_a_plan_is_tuned_again_in_its_place(run: Path, told: list[str], tmp_path: Path) -> None:
    again = Path(shutil.copytree(run, tmp_path / "again"))
    did("tune", again, "--steps", 3, "-n", 16, "--seed", 1)
    did("tune", again, "--steps", 2, "-n", 16, "--solver", "dpmpp2m")
    kept = json.loads((again / "tuned.json").read_text())
    assert [(each["solver"], each["steps"]) for each in kept] == [("ddim", 3), ("dpmpp2m", 2)]


def test_other_settings_and_checkpoints_have_no_plan(run: Path, told: list[str], tmp_path: Path) -> None:
    asked = ("--spacing", "tuned", "--out", tmp_path / "a.png")
    said = refused("sample", run, "--steps", 4, *asked)
    assert f"run: inkwash tune {run} --solver ddim --steps 4" in said
    assert "There are plans for: solver ddim, steps 3, limit clip" in said
    assert "no plan was tuned" in refused("sample", run, "--steps", 3, "--limit", "none", *asked)
    other = tmp_path / "other"
    did("train", "digits", *TINY, "--steps", 2, "--out", other)
    shutil.copy(run / "tuned.json", other)
    assert "was tuned for another checkpoint" in refused("sample", other, "--steps", 3, *asked)
    (other / "tuned.json").write_text("[{}]")
    damaged = inkwash("sample", other, "--steps", 3, *asked)
    assert (damaged.code, "tuned.json is damaged" in damaged.sentence) == (1, True)
    assert not (tmp_path / "a.png").exists()
    (other / "tuned.json").unlink()
    with pytest.raises(UsageError, match="no plan was tuned"):
        load(other).sample(1, steps=3, spacing="tuned")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--solver", "ddpm"), "add no noise"),
        (("--eta", 0.5), "add no noise"),
        (("--solver", "langevin"), "add no noise"),
        (("--solver", "adaptive"), "chooses its own steps"),
        (("--steps", 1), "2 to 8 steps"),
        (("--steps", 9), "2 to 8 steps"),
        (("--spacing", "karras"), "leave out --spacing"),
        (("--weights", "raw"), "leave out --weights"),
    ],
)
def test_what_cannot_be_tuned_is_refused(run: Path, flags: tuple[object, ...], said: str) -> None:
    assert said in refused("tune", run, *flags)


def test_where_it_is_not_looked_up_it_is_refused(run: Path, tmp_path: Path) -> None:
    said = refused("export", run, "--spacing", "tuned", "--onnx", tmp_path / "net.onnx")
    assert "give the levels that inkwash tune printed" in said
