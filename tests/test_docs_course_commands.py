"""Every command of the course page's table of documents runs, on real data and with trainings of two steps."""

import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cli_runner import did
from inkwash import recipes
from inkwash.nets.cs231n import Cs231nUNet

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "from-your-course.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("## What each document asks for")[2].partition("\n## ")[0]
COMMANDS = re.findall(r"`inkwash ([^`]+)`", TABLE)

TRAIN = ("--steps", "2", "--batch-size", "4", "--device", "cpu", "--precision", "float32")
SMALLER = {
    "lab06-eps": ("--channels", "16"), "lab06-v": ("--channels", "16"), "abarankab-cifar10": ("--base-channels", "32"),
    "cs231n-emoji": ("--dim", "16", "--source", "captioned"), "sysu-mnist": (), "sysu-fashion": (),
}  # fmt: skip
FEWER = {
    "sample": ("--steps", "2"), "gallery": ("--steps", "2"), "restore": ("--steps", "2", "-n", "1", "--resize"),
    "edit": ("--steps", "3", "-n", "1", "--resize"), "study": ("-n", "40", "--jobs", "1"),
}  # fmt: skip


def test_each_document_has_its_rows() -> None:
    assert len(COMMANDS) >= 16
    for recipe in SMALLER:
        assert f"train {recipe}" in " ".join(COMMANDS)
        assert recipe in recipes.names()


@pytest.mark.slow
def test_every_command_runs(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "examples" / "lab06" / "scheduler.py", tmp_path)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 40, 3), dtype=np.uint8)).save("photo.png")
    (tmp_path / "captioned").mkdir()
    for i in range(8):
        Image.fromarray(np.full((32, 32, 3), 30 * i, dtype=np.uint8)).save(f"captioned/{i}.png")
    lines = [json.dumps({"file_name": f"{i}.png", "text": f"grey {i}"}) for i in range(8)]
    (tmp_path / "captioned" / "captions.jsonl").write_text("\n".join(lines))
    state = {f"model.{name}": value for name, value in Cs231nUNet(8, 512, (1, 2)).state_dict().items()}
    state |= {"betas": torch.linspace(1e-4, 0.02, 1000), "loss_weight": torch.ones(1000)}
    torch.save({"step": 70000, "model": state}, "model-70000.pt")
    for command in COMMANDS:
        name, *rest = [word.replace("RUN", "runs/abarankab-cifar10") for word in shlex.split(command)]
        if name == "study":  # the table's sweep, over fewer steps
            rest = [word.replace("5,10,50", "2,3") for word in rest]
        more = (*TRAIN, *SMALLER[rest[0]]) if name == "train" else FEWER.get(name, ())
        did(name, *rest, *more)
    assert {
        "lab06-eps",
        "lab06-v",
        "cs231n-emoji",
        "sysu-mnist",
        "sysu-fashion",
        "abarankab-cifar10",
        "model-70000",
    } <= {run.name for run in Path("runs").iterdir()}
