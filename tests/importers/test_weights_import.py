"""`inkwash export --safetensors` and `import safetensors`: the same weights and the same images; what is damaged."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from safetensors import safe_open

from cli_runner import TINY, did, inkwash, refused
from inkwash.training.checkpoint import LAST, load


@pytest.fixture(scope="module")
def by_class(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("weights") / "run"
    did("train", "digits", *TINY, "--mults", 1, "--condition", "class", "--steps", 2, "--out", run)
    return run


def written(run: Path, file: Path) -> dict[str, str]:
    did("export", run, "--safetensors", file)
    with safe_open(file, "pt") as opened:
        return opened.metadata()


def test_out_and_in_again(by_class: Path, tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    said = written(by_class, file)
    assert said["modelspec.architecture"] == "inkwash-unet"
    assert said["modelspec.sai_model_spec"] == "1.0.0"
    assert said["modelspec.resolution"] == "8x8"
    content = file.read_bytes()
    tensors = content[8 + int.from_bytes(content[:8], "little") :]
    assert said["modelspec.hash_sha256"] == f"0x{hashlib.sha256(tensors).hexdigest()}"
    assert str(tmp_path.parent) not in said["inkwash"]
    did("import", "safetensors", file, "--out", tmp_path / "again")
    before, after = (load(run / LAST) for run in (by_class, tmp_path / "again"))
    assert all(torch.equal(before.parts["ema"][name], after.parts["ema"][name]) for name in before.parts["ema"])
    drawn = []
    for run in (by_class, tmp_path / "again"):
        did("sample", run, "-n", 3, "--steps", 3, "--out", tmp_path / f"{run.name}.npz")
        drawn.append(np.load(tmp_path / f"{run.name}.npz")["images"])
    assert np.array_equal(*drawn)
    assert written(by_class, file) == said


def test_refusals(by_class: Path, tmp_path: Path) -> None:
    file, out = tmp_path / "w.safetensors", tmp_path / "run"
    assert "ending in .safetensors" in refused("export", by_class, "--safetensors", tmp_path / "w.pt")
    said = written(by_class, file)
    content, state = file.read_bytes(), safetensors.torch.load_file(file)
    for share in (0, 0.5, 0.99):
        file.write_bytes(content[: int(share * len(content))])
        assert "is damaged or no safetensors file" in inkwash("import", "safetensors", file, "--out", out).sentence
    safetensors.torch.save_file(state, file)
    assert "says nothing of a run of inkwash" in refused("import", "safetensors", file, "--out", out)
    other = state | {"net.first.weight": torch.zeros(4, 1, 3, 3)}
    safetensors.torch.save_file(other, file, said)
    assert "net.first.weight is [4, 1, 3, 3] and not [8, 1, 3, 3]" in refused(
        "import", "safetensors", file, "--out", out
    )  # fmt: skip
    for change in ({"format": "x"}, {"shape": [1, 8]}, {"run": {}}, {"classes": 3}, {"shape": [1, 10**9, 8]}):
        safetensors.torch.save_file(state, file, {"inkwash": json.dumps(json.loads(said["inkwash"]) | change)})
        assert "does not describe a run" in refused("import", "safetensors", file, "--out", out)
    safetensors.torch.save_file(state, file, {"inkwash": "[" * 100_000})
    assert "does not describe a run" in refused("import", "safetensors", file, "--out", out)
    own = json.loads(said["inkwash"])
    own["run"]["network"] = {"kind": "own", "reference": "a.py:B"}
    safetensors.torch.save_file(state, file, {"inkwash": json.dumps(own)})
    assert "is of a network of your own" in refused("import", "safetensors", file, "--out", out)
    assert not (out / LAST).exists()
