"""train --play: the page of a training beside it, which changes nothing of it and ends with it."""

import re
import socket
import sys
import time
from pathlib import Path

import psutil
import pytest
import requests
import torch

from cli_runner import TINY, Command, did, refused
from inkwash.training import load
from inkwash.training.checkpoint import LAST

HOW = ("train", "digits", *TINY, "--save-every", 20, "--steps", 40)
PLAY = ("--play", "--play-port", 0)


def test_what_is_refused_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(*HOW, "--play", "--play-port", port, "--out", run)
    assert said.startswith(f"127.0.0.1 port {port} cannot be listened at")
    assert "--play-port" in said
    for name in [name for name in sys.modules if name.startswith(("inkwash.play.", "uvicorn"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    said = refused(*HOW, *PLAY, "--out", run)
    assert said == "the page needs the package uvicorn; install it with: pip install 'inkwash[play]'"
    assert not run.exists()


@pytest.mark.slow
def test_the_training_is_the_same_to_the_bit_and_takes_its_page_along(tmp_path: Path) -> None:
    did(*HOW, *PLAY, "--out", tmp_path / "run")
    assert not [each for each in psutil.Process().children(recursive=True) if "spawn_main" in " ".join(each.cmdline())]
    did(*HOW, "--out", tmp_path / "plain")
    ours, theirs = load(tmp_path / "run" / LAST), load(tmp_path / "plain" / LAST)
    for part, named in theirs.parts.items():
        assert all(torch.equal(tensor, ours.parts[part][name]) for name, tensor in named.items())


@pytest.mark.slow
def test_the_page_shows_the_training_and_ends_with_it_when_it_is_killed(tmp_path: Path) -> None:
    run = tmp_path / "run"
    args = (*HOW, "--steps", 100000, *PLAY, "--out", run)
    training = Command(args, tmp_path / "told", daemon=False)
    address = None
    while address is None:
        assert training.process.is_alive()
        time.sleep(0.1)
        address = re.search(r"the page: (http://127\.0\.0\.1:\d+/)#panel=training", training.err.read_text())
    told = requests.get(f"{address[1]}v1/trainings", timeout=200).json()  # waits until the page is there
    assert told == {"trainings": ["run"]}
    seen = requests.get(f"{address[1]}v1/trainings/run", timeout=200).json()
    assert seen["running"]
    assert seen["reports"][0]["step"] == 0
    pages = [
        each for each in psutil.Process(training.process.pid).children() if "spawn_main" in " ".join(each.cmdline())
    ]
    assert [page.nice() for page in pages] == [19]
    training.send(9)
    training.process.join(20)
    assert psutil.wait_procs(pages, timeout=20)[1] == []
