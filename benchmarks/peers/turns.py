"""Workers that take turns: each holds its network in a process of its own, and one computes at a time."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from inkwash.data import Images, load
from peers.sizes import Peer

HERE = Path(__file__).parent
SETTLE = 0.3  # s between turns: workers that read ahead fill their queues


class Failed(Exception):
    """A worker ended; says with which words."""


@dataclass(frozen=True)
class Terms:
    """What all workers of a comparison share."""

    data: str
    device: str
    threads: int
    folder: Path  # of what is kept: environments, pictures, runs
    pixels: Path = field(default=Path())
    pictures: Path = field(default=Path())


def ready(data: str, device: str, threads: int, folder: Path) -> Terms:
    """The terms with the training images laid out as peers read them: one array, and one PNG file each."""
    source = load(data, "train")
    assert isinstance(source, Images)
    images = source.pixels[:, 0].numpy()
    place = folder / "images" / f"{data}-{source.fingerprint[:12]}"
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=place.parent))
        (made / "png").mkdir()
        np.save(made / "pixels.npy", images)
        for i, image in enumerate(images):
            Image.fromarray(image).save(made / "png" / f"{i:05}.png")
        made.rename(place)
    return Terms(data, device, threads, folder, place / "pixels.npy", place / "png")


class Worker:
    """A system in its own process and environment. Raises Failed when that ends before it has answered."""

    def __init__(
        self, title: str, python: Path, system: str, terms: Terms, packages: tuple[str, ...] = (), **more: Any
    ) -> None:
        self.title, self._work = title, tempfile.TemporaryDirectory(prefix="inkwash-peers-")
        self._log = Path(self._work.name) / "stderr"
        asked = {
            "system": system, "data": terms.data, "device": terms.device, "threads": terms.threads,
            "pixels": str(terms.pixels), "pictures": str(terms.pictures), "cache": str(terms.folder / "arrow"),
            "work": str(Path(self._work.name) / "run"), "packages": packages, "standin": bool(packages),
            "planned": 10**6, **more,
        }  # fmt: skip
        env = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": str(terms.threads)}
        if terms.device == "cpu":  # accelerate takes a GPU where it sees one
            env["CUDA_VISIBLE_DEVICES"] = ""
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [str(python), str(HERE / "worker.py"), json.dumps(asked)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=env,
            )  # fmt: skip
        try:
            self.facts = self._answer()
        except BaseException:
            self.close()
            raise

    def ask(self, **command: Any) -> dict[str, Any]:
        """What the worker answers when it has done it."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended, and `_answer` says how
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        answer = self._answer()
        time.sleep(SETTLE)
        return answer

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            with self._log.open(errors="replace") as log:
                words = deque((each.strip() for each in log if each.strip()), maxlen=3)
            raise Failed(f"{self.title}: {' / '.join(words) or 'ended without a word'}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """Ends the process and removes its files."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            self._process.wait()
        self._work.cleanup()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def ours(title: str, peer: Peer, terms: Terms, width: int, batch: int, precision: str) -> Worker:
    """inkwash with a network of the peer's size."""
    size = peer.ours[width]
    return Worker(title, Path(sys.executable), "inkwash", terms, size=size, batch=batch, precision=precision)


def theirs(
    title: str, peer: Peer, python: Path, terms: Terms, size: Any, batch: int, bf16: bool, **more: Any
) -> Worker:
    """A peer, as written or asked for bf16."""
    precision, packages = "bf16" if bf16 else "as written", (peer.package, "accelerate")
    return Worker(title, python, peer.name, terms, packages, size=size, batch=batch, precision=precision, **more)
