"""Models in the box: what the files hold, who finds them by name, and how one is made of a run."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import torch

from cli_runner import did, inkwash
from inkwash import UsageError, commands, load, models
from inkwash.commands._base import RUN
from inkwash.runs import box
from inkwash.runs.model import open_model
from inkwash.training import checkpoint

FOLDERS = [models.folder(name) for name in models.names()]
FEW = ("-n", 2, "--steps", 2, "--device", "cpu")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_there_is_a_model_of_mnist_by_class() -> None:
    assert "mnist-class" in models.names()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_is_small_whole_and_names_no_folder(folder: Path) -> None:
    saved = checkpoint.load(folder / checkpoint.LAST)
    assert saved.checked
    assert (folder / checkpoint.LAST).stat().st_size <= box.LARGEST
    assert saved.parts.keys() == {"ema"}
    assert {tensor.dtype for tensor in saved.parts["ema"].values()} == {torch.float16}
    assert '"/' not in json.dumps(saved.facts)
    assert saved.facts["box"]["scores"]["frechet"]["mean"] > 0
    assert len(saved.facts["box"]["stds"]) == saved.facts["shape"][1] * saved.facts["shape"][2]


def test_a_name_is_a_run_wherever_one_is_asked_for(tmp_path: Path) -> None:
    did("sample", "mnist-class", "--label", 7, *FEW, "--out", "a.npz")
    did("replay", "a.npz")
    drawn = load("mnist-class", device="cpu").sample(2, steps=2, label=7, progress=False)
    with (tmp_path / "a.npz").open("rb") as file:
        import numpy as np

        assert (np.load(file)["images"] == drawn).all()
    assert "mnist-class" in did("info", "mnist-class").out
    assert did("models").out.startswith("mnist-class ")


def marks(hint: Any) -> Iterator[Any]:
    """All that Annotated says in a type, also inside of it."""
    yield from getattr(hint, "__metadata__", ())
    for inner in get_args(hint):
        yield from marks(inner)


@pytest.mark.parametrize("name", commands.names())
def test_each_command_that_takes_a_run_looks_into_the_box(name: str) -> None:
    for hint in get_type_hints(commands.find(name), include_extras=True).values():
        said = [mark.metavar for mark in marks(hint) if isinstance(getattr(mark, "metavar", None), str)]
        if any(metavar.startswith("RUN") for metavar in said):
            assert RUN in marks(hint)


def test_nothing_is_written_into_the_box(tmp_path: Path) -> None:
    before = sorted(models.folder("mnist-class").iterdir())
    did("sample", "mnist-class", *FEW)
    assert sorted(models.folder("mnist-class").iterdir()) == before
    assert (tmp_path / "runs/mnist-class-in-the-box/samples.png").is_file()


def test_a_folder_of_the_name_comes_first_and_it_is_said(
    tmp_path: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models._say_both.cache_clear()
    (tmp_path / "mnist-class").symlink_to(trained)
    assert models.find("mnist-class") == Path("mnist-class")
    assert models.find("mnist-class") == Path("mnist-class")
    assert capsys.readouterr().err.count("folder here and a model in the box") == 1
    assert "digits" in did("info", "mnist-class").out
    assert models.find("./mnist-class/") == Path("mnist-class")
    assert models.find("elsewhere") == Path("elsewhere")


def test_training_does_not_go_on_without_the_weights_it_needs(data_dir: Path, tmp_path: Path) -> None:
    made = box.make(models.folder("mnist-class"), tmp_path / "runs/mnist-class")
    before = made.read_bytes()
    refused = inkwash("train", "mnist-class", "--resume", "--device", "cpu")
    assert refused.code == 2
    assert "averaged weights alone" in refused.sentence
    assert made.read_bytes() == before


def test_a_run_is_boxed_with_its_averaged_weights_rounded(trained: Path, tmp_path: Path) -> None:
    scores = tmp_path / "scores.json"
    scores.write_text(json.dumps({"scores": {"fid": {"mean": 3.0, "sd": 0.5}}, "sampling": {}, "floor": {}}))
    made = box.make(trained, tmp_path / "boxed", scores)
    there, here = checkpoint.load(trained / checkpoint.LAST), checkpoint.load(made)
    assert here.facts["box"]["of"] == there.sha256
    assert here.parts.keys() == {"ema"}
    for name, tensor in there.parts["ema"].items():
        assert torch.equal(here.parts["ema"][name], tensor.half())
    assert {tensor.dtype for tensor in open_model(made.parent, device="cpu").denoiser.parameters()} == {torch.float32}
    assert "fid 3 ± 0.5" in did("info", made.parent).out


def test_what_does_not_fit_is_refused_and_leaves_nothing(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="is no scores"):
        box.make(trained, tmp_path / "a", tmp_path / "none.json")
    monkeypatch.setattr(box, "LARGEST", 1000)
    with pytest.raises(UsageError, match="above the 1,000"):
        box.make(trained, tmp_path / "b")
    assert not list((tmp_path / "b").iterdir())
