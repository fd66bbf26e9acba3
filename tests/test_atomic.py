"""What killed writes leave is removed, and nothing else is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from inkwash.atomic import TEMPORARY, replacing, sweep

WRITER = """
import sys, time
from pathlib import Path
from inkwash.atomic import replacing
with replacing(Path(sys.argv[1]), folder=sys.argv[2] == "folder") as temporary:
    inner = temporary / "a" if temporary.is_dir() else temporary
    inner.write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(60)
"""


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_being_written_stays_and_what_was_killed_goes(tmp_path: Path, kind: str) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path / "a.png", kind], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"writing\n"
    writer.stdout.close()
    (half,) = names(tmp_path)
    assert half.startswith(TEMPORARY)
    sweep(tmp_path)
    assert names(tmp_path) == {half}
    writer.kill()
    writer.wait()
    with replacing(tmp_path / "b.png") as temporary:  # the next that writes there sweeps first
        temporary.write_bytes(b"whole")
    assert names(tmp_path) == {"b.png"}


def test_only_our_own_are_swept(tmp_path: Path) -> None:
    ours = {f"{TEMPORARY}0123456789ab{ending}" for ending in (".safetensors", "", ".csv")}
    others = {
        f"{TEMPORARY}0123456789a.png",  # a digit short
        f"{TEMPORARY}0123456789abc.png",
        f"{TEMPORARY}0123456789AB.png",
        f"{TEMPORARY}notes.txt",
        ".inkwash",
        "mine.png",
        "x.inkwash-0123456789ab",
    }
    for name in ours | others:
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / f"{TEMPORARY}aaaaaaaaaaaa.png").symlink_to(tmp_path / "mine.png")
    (tmp_path / f"{TEMPORARY}bbbbbbbbbbbb").symlink_to(tmp_path)
    os.mkfifo(tmp_path / f"{TEMPORARY}cccccccccccc")
    sweep(tmp_path)
    stay = {f"{TEMPORARY}aaaaaaaaaaaa.png", f"{TEMPORARY}bbbbbbbbbbbb", f"{TEMPORARY}cccccccccccc"}
    assert names(tmp_path) == others | stay


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_belongs_to_another_user_stays(tmp_path: Path) -> None:
    theirs = tmp_path / f"{TEMPORARY}0123456789ab.png"
    theirs.write_bytes(b"half")
    os.chown(theirs, 12345, 12345)
    sweep(tmp_path)
    assert theirs.exists()


def test_a_folder_that_is_not_there_or_cannot_be_listed(tmp_path: Path) -> None:
    sweep(tmp_path / "nothing")
    (tmp_path / "file").touch()
    sweep(tmp_path / "file")
