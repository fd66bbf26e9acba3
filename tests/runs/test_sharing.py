"""`train` says when other programs keep cores busy that it would compute on in whole batches."""

import os
from pathlib import Path

import pytest
import torch

from cli_runner import TINY, did
from inkwash.runs.machine import sharing_note

CPU = torch.device("cpu")


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    return monkeypatch


@pytest.mark.parametrize(("load", "threads"), [(0.0, None), (0.4, None), (0.8, 1), (1.0, 1), (5.0, 1)])
def test_a_busy_core_is_told(two_cores: pytest.MonkeyPatch, load: float, threads: int | None) -> None:
    two_cores.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
    note = sharing_note(CPU)
    assert (note is None) == (threads is None)
    if note is not None:
        assert f"OMP_NUM_THREADS={threads} before the command" in note


def test_one_thread_shares_nothing(two_cores: pytest.MonkeyPatch) -> None:
    two_cores.setattr(os, "getloadavg", lambda: (2.0, 0.0, 0.0))
    two_cores.setattr(torch, "get_num_threads", lambda: 1)
    assert sharing_note(CPU) is None


def test_a_system_without_a_load_says_nothing(two_cores: pytest.MonkeyPatch) -> None:
    def none() -> tuple[float, float, float]:
        raise OSError

    two_cores.setattr(os, "getloadavg", none)
    assert sharing_note(CPU) is None
    assert sharing_note(torch.device("cuda")) is None


def test_train_says_it_before_it_begins(two_cores: pytest.MonkeyPatch, tmp_path: Path) -> None:
    two_cores.setattr(os, "getloadavg", lambda: (1.0, 0.0, 0.0))
    done = did("train", "digits", *TINY, "--recompute", "--steps", 1, "--out", tmp_path / "run")
    assert "other programs keep about 1.0 of 2 cores busy" in done.err
