"""A virtual environment for each peer, made once with uv and kept."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import torch

from peers.sizes import Peer


class NotThere(Exception):
    """A peer cannot be had here; says why."""


def default_folder() -> Path:
    """Where environments are kept unless told otherwise."""
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "inkwash-peers"


def environment(peer: Peer, folder: Path) -> Path:
    """The Python of an environment with the peer and this torch, made anew where what it needs has changed.

    What is `bare` goes in without its dependencies: they name torchvision, for which there is a stand-in.
    Raises NotThere with the installer's last words.
    """
    version = str(torch.__version__).partition("+")[0]
    needs = (f"torch=={version}", *peer.needs)
    place, told = folder / peer.name, "\n".join((sys.version, *needs, "bare:", *peer.bare))
    python, made = place / "bin" / "python", place / "made"
    if made.is_file() and made.read_text(encoding="utf-8") == told:
        return python
    uv = _uv(folder)
    shutil.rmtree(place, ignore_errors=True)
    _run([uv, "venv", "--quiet", "--python", sys.executable, str(place)])
    install = [uv, "pip", "install", "--quiet", "--python", str(python)]
    _run([*install, *needs])
    if peer.bare:
        _run([*install, "--no-deps", *peer.bare])
    made.write_text(told, encoding="utf-8")
    return python


def _uv(folder: Path) -> str:
    """uv, from the path or from an environment of its own."""
    found = shutil.which("uv")
    if found is not None:
        return found
    own = folder / "uv"
    if not (own / "bin" / "uv").is_file():
        _run([sys.executable, "-m", "venv", str(own)])
        _run([str(own / "bin" / "python"), "-m", "pip", "install", "--quiet", "uv"])
    return str(own / "bin" / "uv")


def _run(command: list[str]) -> None:
    links = os.environ.get("PIP_FIND_LINKS")  # uv has a name of its own for it
    env = os.environ | ({"UV_FIND_LINKS": links} if links and "UV_FIND_LINKS" not in os.environ else {})
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise NotThere(" ".join(words[-3:]) or f"{command[0]} ended with {done.returncode}")
