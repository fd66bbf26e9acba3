"""Which paths are refused before anything is computed, and what is left when writing fails."""

import errno
import os

import numpy as np
import pytest
from PIL import Image

from inkwash.atomic import replacing
from inkwash.errors import InkwashError, UsageError
from inkwash.view import check_out, needs_frames, read_provenance, write
from inkwash.view.ffmpeg import ffmpeg

ENDINGS = [".png", ".gif", ".webp", ".mp4", ".npz"]


@pytest.mark.parametrize("name", ["a.png", "a.GIF", "a.webp", "b/c/a.mp4", "a.npz", "a", "a/", "v1.2/", ".hidden"])
def test_what_can_be_written_passes_and_nothing_is_made(tmp_path, name):
    check_out(f"{tmp_path}/{name}")
    assert list(tmp_path.iterdir()) == []


def test_a_file_may_be_replaced_and_an_empty_folder_filled(tmp_path):
    (tmp_path / "a.png").write_text("old")
    (tmp_path / "empty").mkdir()
    check_out(tmp_path / "a.png")
    check_out(tmp_path / "empty")


@pytest.mark.parametrize("name", ["a.jpg", "a.pngg", "v1.2", "a.tar.gz"])
def test_an_unknown_ending_names_the_possible_ones(tmp_path, name):
    for function in (check_out, needs_frames):
        with pytest.raises(UsageError, match=r"\.png .*\.gif, \.webp and \.mp4 .*\.npz .*folder of PNGs"):
            function(tmp_path / name)


def test_an_ending_alone_is_no_name(tmp_path):
    with pytest.raises(UsageError, match=r"samples\.png"):
        check_out(tmp_path / ".png")


def test_needs_frames():
    assert [needs_frames(f"a{e}") for e in (*ENDINGS, ".GIF", "", "/")] == [0, 1, 1, 1, 0, 1, 0, 0]
    assert not needs_frames("a.gif/")


def test_a_folder_with_the_ending_of_a_file_is_refused(tmp_path):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        check_out(tmp_path / "a.png")


def test_a_file_with_the_name_of_a_folder_is_refused(tmp_path):
    (tmp_path / "a").touch()
    for name in ("a", "a/"):
        with pytest.raises(UsageError, match="is a file"):
            check_out(f"{tmp_path}/{name}")


def test_a_folder_in_use_is_refused(tmp_path, monkeypatch):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "holiday.jpg").touch()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for path in (tmp_path / "full", ".", "", tmp_path / "here"):
        with pytest.raises(UsageError, match="empty or not there yet"):
            check_out(path)


def test_a_parent_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for name in ("file/a.png", "file/b/a.png", "file/b/"):
        with pytest.raises(UsageError, match="is not a folder"):
            check_out(f"{tmp_path}/{name}")


def test_a_parent_that_may_not_be_written_in_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)  # as tests may run as root
    with pytest.raises(UsageError, match="may not write in"):
        check_out(tmp_path / "new" / "a.png")


def test_a_name_that_the_system_refuses_is_refused(tmp_path):
    with pytest.raises(UsageError, match="too long"):
        check_out(tmp_path / f"{'a' * 300}.png")


def test_a_name_as_long_as_the_system_allows_can_be_written(tmp_path, images):
    write(tmp_path / f"{'a' * 251}.png", images, {"a": 1})
    assert read_provenance(tmp_path / f"{'a' * 251}.png") == {"a": 1}


class BrokenOffError(Exception):
    pass


def break_off(monkeypatch, error: Exception) -> None:
    """Let every form fail when all is written but the last step."""

    def refuse(descriptor: int) -> None:
        raise error

    monkeypatch.setattr(os, "fsync", refuse)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("error", [BrokenOffError(), KeyboardInterrupt()], ids=["error", "ctrl-c"])
def test_when_a_writer_breaks_off_the_old_file_stays(tmp_path, monkeypatch, images, grey_frames, ending, error):
    (tmp_path / f"a{ending}").write_text("old")
    break_off(monkeypatch, error)
    with pytest.raises(type(error)):
        write(tmp_path / f"a{ending}", images, {}, grey_frames)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(f"a{ending}", "old")]


def test_when_a_folder_breaks_off_nothing_is_left(tmp_path, monkeypatch, images):
    break_off(monkeypatch, BrokenOffError())
    with pytest.raises(BrokenOffError):
        write(tmp_path / "folder", images, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", [*ENDINGS, ""])
def test_a_full_disk_is_said_in_a_sentence(tmp_path, monkeypatch, images, grey_frames, ending):
    break_off(monkeypatch, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    with pytest.raises(InkwashError, match=r"No space left on device\. Nothing was changed") as raised:
        write(tmp_path / f"a{ending}", images, {}, grey_frames)
    assert str(tmp_path / f"a{ending}") in str(raised.value)
    assert not isinstance(raised.value, UsageError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
def test_ffmpeg_on_a_full_disk_is_heard():
    raw = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", "64x64", "-r", "20"]
    with pytest.raises(OSError, match="No space left"):
        ffmpeg(["-y", *raw, "-i", "-", "-f", "mp4", "/dev/full"], np.zeros((5, 64, 64), np.uint8).tobytes())


def test_a_writer_that_fails_halfway_leaves_nothing(tmp_path, monkeypatch, images):
    save = Image.Image.save

    def fill_the_disk(self, path, *args, **kwargs):
        if path.name == "00003.png":
            path.write_bytes(b"\x89PNG half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(self, path, *args, **kwargs)

    monkeypatch.setattr(Image.Image, "save", fill_the_disk)
    with pytest.raises(InkwashError, match="Nothing was changed"):
        write(tmp_path / "folder", images, {})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_filled_meanwhile_is_left_alone(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()

    def fill() -> None:
        with replacing(folder, folder=True) as temporary:
            (temporary / "ours").touch()
            (folder / "theirs").touch()

    with pytest.raises(InkwashError, match="Nothing was changed"):
        fill()
    assert [file.name for file in tmp_path.rglob("*")] == ["folder", "theirs"]


def test_a_replaced_file_has_the_rights_of_any_new_file(tmp_path, images):
    (tmp_path / "plain").touch()
    write(tmp_path / "a.png", images, {})
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_what_json_cannot_hold_is_found_before_anything_is_written(tmp_path, images):
    with pytest.raises(TypeError):
        write(tmp_path / "a.png", images, {"a": object()})
    assert list(tmp_path.iterdir()) == []
