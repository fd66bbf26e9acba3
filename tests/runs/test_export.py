"""`inkwash export --onnx`: the file draws what the run draws, and the page's code draws from it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cli_runner import did, refused
from inkwash.core import karras, linear, trailing
from inkwash.runs.export import time_type

PAGE = Path(__file__).parents[2] / "docs" / "export.md"
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'inkwash[onnx]'")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model in the box, as the page writes it."""
    folder = tmp_path_factory.mktemp("exported")
    done = did("export", "mnist-class", "--onnx", folder / "net.onnx", "--steps", 5)
    assert "its images differ from the run's by at most" in done.err
    return folder


def test_the_manifest_says_what_a_sampler_needs(exported: Path) -> None:
    about = json.loads((exported / "net.json").read_text(encoding="utf-8"))
    assert about["largest_difference"] < 1e-4  # a grey level is 0.0078
    assert about["shape"] == [1, 28, 28]
    assert about["classes"] == [str(i) for i in range(10)]
    assert (about["condition"], about["scale"]) == ("class", 3.0)
    assert set(about["inputs"]) == {"x", "t", "alpha", "sigma", "value", "present"}
    assert len(about["plan"]) == 5
    for level in about["plan"]:
        assert level["alpha"] ** 2 + level["sigma"] ** 2 == pytest.approx(1)
    ratios = [level["sigma"] / max(level["alpha"], 1e-9) for level in about["plan"]]
    assert ratios == sorted(ratios, reverse=True)


def test_the_code_of_the_page_draws_without_torch(exported: Path) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    check = "\nimport sys\nassert 'torch' not in sys.modules and 'inkwash' not in sys.modules\n"
    done = subprocess.run(
        [sys.executable, "-c", code + check], cwd=exported, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    image = np.load(exported / "seven.npy")
    assert image.shape == (1, 1, 28, 28)
    assert image.std() > 40  # strokes on paper


@pytest.mark.slow
def test_an_unconditional_run_with_a_discrete_schedule(trained: Path, tmp_path: Path) -> None:
    did("export", trained, "--onnx", tmp_path / "net.onnx", "--steps", 4, "--batch-size", 3)
    about = json.loads((tmp_path / "net.json").read_text(encoding="utf-8"))
    assert set(about["inputs"]) == {"x", "t", "alpha", "sigma"}
    assert about["inputs"]["x"]["shape"][0] == 3
    assert about["largest_difference"] < 1e-4


def test_times_between_the_rows_of_a_table_are_not_cut() -> None:
    """Karras' levels lie between rows; an integer t would tell the network of another level."""
    table = linear(1000)
    assert time_type(trailing(table, 10)) == torch.int64
    between = karras(table, 10)
    assert time_type(between) == torch.float32
    assert any(level.t != int(level.t) for level in between[:-1])


@pytest.mark.slow
@pytest.mark.parametrize("spacing", ["karras", "logsnr", "trailing"])
def test_a_discrete_run_is_told_the_same_time_by_every_spacing(trained: Path, tmp_path: Path, spacing: str) -> None:
    did("export", trained, "--onnx", tmp_path / "net.onnx", "--steps", 8, "--spacing", spacing)
    about = json.loads((tmp_path / "net.json").read_text(encoding="utf-8"))
    assert about["inputs"]["t"]["dtype"] == ("int64" if spacing == "trailing" else "float32")
    assert about["largest_difference"] < 5e-6


@pytest.mark.slow
def test_the_scale_that_is_asked_for_is_written(by_class: Path, tmp_path: Path) -> None:
    did("export", by_class, "--onnx", tmp_path / "net.onnx", "--steps", 2, "--scale", 1.25)
    assert json.loads((tmp_path / "net.json").read_text(encoding="utf-8"))["scale"] == 1.25


def test_refusals(trained: Path, tmp_path: Path) -> None:
    assert "a name ending in .onnx" in refused("export", trained, "--onnx", tmp_path / "net.pt")
    assert "--batch-size must be at least 1" in refused(
        "export", trained, "--onnx", tmp_path / "a.onnx", "--batch-size", 0
    )
    assert "no checkpoint" in refused("export", tmp_path, "--onnx", tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []
