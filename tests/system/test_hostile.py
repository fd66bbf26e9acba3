"""Hostile images and folders get a sentence: no traceback, no hang, no escape sequence, less than 2 GiB of memory."""

import os
import resource
import shutil
from pathlib import Path

import pytest
from hostile import hostile_folder, hostile_image, image

from cli_runner import TINY, Command, Done

LIMITS = {resource.RLIMIT_DATA: 2 * 2**30, resource.RLIMIT_CPU: 60}
TRAIN = (*TINY, "--size", 8, "--steps", 1, "--held-out", "none")


def check(done: Done, what: str) -> None:
    """It ended by itself, in time, and said what is wrong in words that a terminal only shows."""
    said = done.out + done.err
    assert done.code in (0, 1, 2), (what, done.code, said[-2000:])  # a negative one: killed for its time or memory
    assert "Traceback" not in said, (what, said[-3000:])
    assert "Warning" not in said, (what, said[-3000:])
    bare = said.replace("\r", "").replace("\n", "").replace("\x1b[A", "")  # a bar's
    assert all(c.isprintable() or c in "\u200c\u200d" for c in bare), (what, ascii(bare)[-2000:])


def train(folder: Path, out: Path, *more: object) -> Done:
    command = Command(("train", folder, *TRAIN, *more, "--out", out / "run"), out, limits=LIMITS)
    try:
        return command.wait()
    finally:
        if command.process.is_alive():
            command.send(9)
        shutil.rmtree(out / "run", ignore_errors=True)


def some(count: int) -> range:
    """As many as $INKWASH_HOSTILE says, if it does, on a machine with little time."""
    return range(int(os.environ.get("INKWASH_HOSTILE", count)))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_images(tmp_path: Path, part: int) -> None:
    """Together in a folder with a good one: refused, or left out."""
    import random

    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "good.png").write_bytes(image(random.Random(0), "PNG"))
    numbers = [number for number in some(100) if number % 10 == part]
    for number in numbers:
        (folder / f"{number}.{random.Random(number).choice(('png', 'jpg', 'tiff'))}").write_bytes(hostile_image(number))
    for how in ("refuse", "skip"):
        check(train(folder, tmp_path, "--unreadable", how), f"images {numbers} {how}")


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_folders(tmp_path: Path, part: int) -> None:
    for number in some(100):
        if number % 10 == part:
            hostile_folder(tmp_path / str(number), number)
            how = ("--unreadable", "skip") if number % 3 else ()
            condition = ("--condition", "class") if number % 2 else ()
            check(train(tmp_path / str(number), tmp_path, *how, *condition), f"folder {number}")


def test_a_sample_of_them(tmp_path: Path) -> None:
    import random

    folder = tmp_path / "photos"
    hostile_folder(folder, 1)
    for number in (0, 9, 11, 12, 17, 40, 41, 42):
        (folder / f"{number}.png").write_bytes(hostile_image(number))
    (folder / "good.png").write_bytes(image(random.Random(0), "PNG"))
    check(train(folder, tmp_path, "--unreadable", "skip"), "a sample")
