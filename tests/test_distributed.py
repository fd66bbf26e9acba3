"""The processes of torchrun; tests/runs/test_scale.py draws and trains with two."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import inkwash
from cli_runner import Command
from inkwash.distributed import (
    ALONE,
    Processes,
    is_main_process,
    per_machine,
    process_group,
    processes,
    take_gpu,
    world_size,
)
from inkwash.errors import InkwashError

SET_BY_TORCHRUN = {"RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}


def variables(rank: int, world: int) -> dict[str, str]:
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    return {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_WORLD_SIZE": "1", **address}


@pytest.fixture(autouse=True)
def _without_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SET_BY_TORCHRUN:
        monkeypatch.delenv(name, raising=False)


def test_without_torchrun_there_is_one() -> None:
    assert processes() == ALONE == Processes(0, 1)
    assert (world_size(), per_machine(), is_main_process()) == (1, None, True)
    with process_group() as among:
        rows = torch.arange(3)
        assert among.gather(rows) is rows
    take_gpu()


def test_what_torchrun_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables(2, 3).items():
        monkeypatch.setenv(name, value)
    assert processes() == Processes(2, 3)
    assert (world_size(), per_machine(), is_main_process()) == (3, "1", False)


@pytest.mark.parametrize("missing", ["RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"])
def test_processes_that_torchrun_did_not_start(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables(0, 2).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(missing)
    with pytest.raises(InkwashError, match=r"\$WORLD_SIZE announces 2 processes, .* `torchrun --nproc-per-node 2 "):
        processes()


@pytest.mark.parametrize("args", [("sample",), ("study", "--steps", "1,2", "-n", 8, "--features", "pixels")])
def test_commands_refuse_them(args: tuple[object, ...], trained: Path, tmp_path: Path) -> None:
    """Rather than wait for what nobody computes."""
    line = (args[0], trained, *args[1:], "--out", tmp_path / "images")
    done = Command(line, tmp_path, env={"WORLD_SIZE": "2"}).wait()
    assert done.code == 1
    assert "$WORLD_SIZE announces 2 processes, but they are not connected" in done.sentence


@pytest.mark.parametrize("name", ["RANK", "WORLD_SIZE", "LOCAL_RANK"])
def test_a_variable_that_is_no_number(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv(name, "two")
    reader = {"RANK": is_main_process, "WORLD_SIZE": processes, "LOCAL_RANK": take_gpu}[name]
    with pytest.raises(InkwashError, match=rf"\${name} must be a whole number, .* \(got 'two'\); unset it"):
        reader()


@pytest.mark.parametrize("world", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [0, 1, 2, 6, 7, 100])
def test_shares(world: int, count: int) -> None:
    """Together all, in order, none twice, as even as can be, and never less for the main process."""
    parts = [Processes(rank, world).share(range(count)) for rank in range(world)]
    assert [i for part in parts for i in part] == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert len(parts[0]) == max(map(len, parts))


def test_each_process_takes_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    for rank in "012":
        monkeypatch.setenv("LOCAL_RANK", rank)
        take_gpu()
    assert taken == [0, 1, 0]


def test_no_other_file_knows_these_variables() -> None:
    root = Path(inkwash.__file__).parent
    knowing = {
        str(file.relative_to(root))
        for file in root.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in SET_BY_TORCHRUN
    }
    assert knowing == {"distributed.py"}


def test_it_is_imported_without_torch() -> None:
    code = "import sys, inkwash.distributed as d; d.is_main_process(); d.take_gpu(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
