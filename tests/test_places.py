"""CONTRIBUTING's table of places: a thing is added from outside by one file and one row, and used by its name.

The files are those of docs/extending.md, whose own test uses them without a row.
"""

import json
from pathlib import Path

import pytest

from cli_runner import TINY, did, refused
from inkwash import choices
from inkwash.choices import Choice, Choices
from inkwash.training.checkpoint import LAST, facts
from inkwash.view import read_provenance
from test_docs_extending import FILES

BRIEF = (*TINY, "--steps", "4")

NETWORK = (
    FILES["small.py"]
    + """

from dataclasses import dataclass
from typing import Literal

from inkwash.networks import NetworkSettings


@dataclass(frozen=True)
class Settings(NetworkSettings):
    depth: int = 1
    kind: Literal["small"] = "small"

    def build(self, inputs):
        return Deep(inputs, self.depth)


class Deep(nn.Module):
    def __init__(self, inputs, depth):
        super().__init__()
        self.parts = nn.ModuleList(Small(inputs.image_channels, vector=inputs.vector) for _ in range(depth))

    def forward(self, x, t, cond=None):
        for part in self.parts:
            x = x + part(x, t, cond)
        return x
"""
)


FORMAT = """
import torch
from inkwash.data import Images


class Letters:
    @staticmethod
    def recognises(path):
        return path.suffix == ".letters"

    @staticmethod
    def read(path):
        letters = torch.tensor(list(path.read_bytes()), dtype=torch.uint8)
        ramp = torch.arange(64, dtype=torch.uint8).view(1, 1, 8, 8)
        return {"": Images("letters", "train", letters.view(-1, 1, 1, 1) + ramp)}
"""


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Where a run of the test goes, in full: models are opened once in a process, by their folder."""
    return tmp_path / "run"


def add(monkeypatch: pytest.MonkeyPatch, kind: Choices, file: str, place: str, name: str, text: str = "") -> None:
    """The one file and the one row."""
    module = f"place_{Path(file).stem}"  # a name that no other test has imported
    Path(f"{module}.py").write_text(text or FILES[file], encoding="utf-8")
    monkeypatch.setattr(kind, "rows", (*kind.rows, Choice(name, f"{module}:{place}", "of another")))


def test_a_solver(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, choices.SOLVERS, "adams.py", "AdamsBashforth", "adams")
    did("sample", trained, "--solver", "adams", "--steps", 5, "-n", 4, "--out", "a.npz")
    about = read_provenance("a.npz")
    assert (about["sampling"]["solver"], about["sampling"]["spacing"]) == ("adams", "karras")
    assert "code" not in about
    did("study", trained, "--solver", "ddim,adams", "--steps", "2,3", "-n", 20, "--jobs", 1, "--out", "study")
    assert "adams" in Path("study/cells.csv").read_text()
    assert "adams has no η" in refused("sample", trained, "--solver", "adams", "--eta", 0.5)
    assert "Did you mean adams?" in refused("sample", trained, "--solver", "adam")


def test_a_spacing(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, choices.SPACINGS, "quadratic.py", "quadratic", "quadratic")
    did("sample", trained, "--spacing", "quadratic", "--steps", 5, "-n", 4, "--out", "a.npz")
    assert read_provenance("a.npz")["sampling"]["spacing"] == "quadratic"


def test_a_limit(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, choices.LIMITS, "quadratic.py", "soft", "soft")
    did("sample", trained, "--limit", "soft", "--steps", 5, "-n", 4, "--out", "a.npz")
    assert read_provenance("a.npz")["sampling"]["limit"] == "soft"


def test_a_schedule(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, choices.SCHEDULES, "geometric.py", "geometric", "geometric")
    did("train", "digits", *BRIEF, "--schedule", "geometric", "--beta-high", 0.04, "--out", run)
    did("sample", run, "--steps", 5, "-n", 4)
    did("forward", run)
    assert "geometric schedule" in did("info", run).out


def test_a_prediction(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, choices.PREDICTIONS, "towards.py", "Towards", "towards")
    did("train", "digits", *BRIEF, "--prediction", "towards", "--out", run)
    did("sample", run, "--steps", 5, "-n", 4)
    did("study", run, "--prediction", "towards", "--steps", "2,3", "-n", 20, "--jobs", 1, "--out", "study")
    assert Path("study/index.html").is_file() or list(Path("study").glob("*.html"))


def test_a_weight(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, choices.WEIGHTS, "quiet.py", "Quiet", "quiet")
    did("train", "digits", *BRIEF, "--weight", "quiet", "--out", run)
    assert facts(run / LAST)["run"]["training"]["weight"] == "quiet"
    did("train", "digits", *BRIEF, "--out", "plain")
    losses = [facts(folder / LAST)["held_out"][0][1] for folder in (run, Path("plain"))]
    assert losses[0] < 0.8 * losses[1]


def test_a_network(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, choices.NETWORKS, "small.py", "Settings", "small", NETWORK)
    few = [word for word in BRIEF if word not in ("--channels", "8")] + ["--condition", "class"]
    did("train", "digits", *few, "--network", "small", "--depth", 3, "--out", run)
    assert facts(run / LAST)["run"]["network"] == {"depth": 3, "kind": "small"}
    did("sample", run, "--label", 3, "--steps", 5, "-n", 4)
    did("train", "digits", "--resume", "--steps", 6, "--out", run)
    did("train", "digits", "--resume", "--steps", 8, "--network", "small", "--depth", 3, "--out", run)
    said = refused("train", "digits", *BRIEF, "--network", "small")
    assert said == "--channels is a flag of the network that --network replaces; leave out one of them."


def test_a_data_source(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, choices.SOURCES, "shapes.py", "shapes", "shapes")
    did("train", "digits", *BRIEF, "--source", "shapes", "--size", 12, "--out", run)
    about = facts(run / LAST)
    assert (about["shape"], about["images"], about["classes"]) == ([1, 12, 12], 600, ["disc", "square"])
    did("evaluate", run, "--steps", 2, "-n", 20, "--jobs", 1, "--features", "pixels")
    assert json.loads((run / "evaluation" / "scores.json").read_text())["data"] == "shapes"


def test_a_format_of_images(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, choices.FORMATS, "alphabet.py", "Letters", "alphabet", FORMAT)
    (tmp_path / "a.letters").write_text("abcdefghijkl")
    assert did("data", "a.letters", "--size", 10).out.startswith("letters: images of 10×10×1")
    did("train", "a.letters", *BRIEF, "--out", run)
    assert (facts(run / LAST)["shape"], facts(run / LAST)["images"]) == ([1, 8, 8], 11)


def test_a_text_encoder(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, choices.SOURCES, "shapes.py", "shapes", "shapes")
    add(monkeypatch, choices.ENCODERS, "letters.py", "Letters", "letters")
    did("train", "digits", *BRIEF, "--source", "shapes", "--condition", "text", "--encoder", "letters", "--out", run)
    did("sample", run, "--text", "a square", "--steps", 5, "-n", 4)
    assert "text, read by letters" in did("info", run).out


def test_a_condition(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, choices.CONDITIONS, "bright.py", "Bright", "bright")
    did("train", "digits", *BRIEF, "--condition", "bright", "--condition-dropout", 0, "--out", run)
    assert "how bright it is" in did("info", run).out
    did("sample", run, "--text", 0.3, "--steps", 5, "-n", 4)
    assert "--text 0.3" in refused("sample", run, "--steps", 5)
    did("study", run, "--steps", "2,3", "-n", 20, "--jobs", 1, "--out", "study")


def test_the_table_names_every_kind() -> None:
    """Each kind of `choices` has its row in CONTRIBUTING's table."""
    table = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    names = [name for name, kind in vars(choices).items() if isinstance(kind, Choices)]
    assert len(names) == len(choices.ALL)
    assert [name for name in names if f"`choices.{name}`" not in table] == []
