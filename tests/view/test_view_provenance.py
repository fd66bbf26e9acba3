"""Reading what inkwash did not write, or what is no longer what it wrote."""

import contextlib

import numpy as np
import pytest
from PIL import Image

from inkwash.errors import UsageError
from inkwash.view import read_provenance, write
from inkwash.view.ffmpeg import ffmpeg

ENDINGS = [".png", ".gif", ".webp", ".mp4", ".npz"]


@pytest.mark.parametrize("name", ["a.png", "a.mp4", "a.jpg", "folder", "folder/a.npz"])
def test_a_missing_file_is_named(tmp_path, name):
    with pytest.raises(UsageError, match=f"There is no .*{name}"):
        read_provenance(tmp_path / name)


@pytest.mark.parametrize("name", ["a.jpg", "a.txt", "a"])
def test_another_kind_is_refused_and_the_kinds_are_named(tmp_path, name):
    (tmp_path / name).write_text("{}")
    with pytest.raises(UsageError, match=r"\.png, \.gif, \.webp, \.mp4, \.npz and folders"):
        read_provenance(tmp_path / name)


def plain(folder, ending: str) -> None:
    """Write a file, or fill the folder, as any other program would."""
    picture = Image.new("RGB", (16, 16), "red")
    if ending == ".npz":
        np.savez(folder / "a.npz", images=np.zeros(3))
    elif ending == ".mp4":
        raw = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", "16x16", "-r", "20", "-i", "-"]
        ffmpeg([*raw, "-metadata", "comment=holiday", str(folder / "a.mp4")], bytes(16 * 16 * 3))
    elif ending == ".gif":
        picture.save(folder / "a.gif", comment="Grüße [1, 2]".encode("latin-1"))
    elif ending == ".webp":
        exif = Image.Exif()
        exif[0x010E] = "a red square"
        picture.save(folder / "a.webp", exif=exif)
    else:
        picture.save(folder / f"a{ending or '.png'}")


@pytest.mark.parametrize("ending", [*ENDINGS, ""])
def test_files_of_other_programs_carry_none(tmp_path, ending):
    plain(tmp_path, ending)
    with pytest.raises(UsageError, match="carries no provenance"):
        read_provenance(tmp_path / f"a{ending}" if ending else tmp_path)


def test_a_list_is_no_provenance(tmp_path):
    (tmp_path / "provenance.json").write_text("[1, 2]")
    with pytest.raises(UsageError, match="carries no provenance"):
        read_provenance(tmp_path)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("content", [b"", b"not at all", b"\x00" * 1000])
def test_what_is_no_such_file_is_damaged(tmp_path, ending, content):
    (tmp_path / f"a{ending}").write_bytes(content)
    with pytest.raises(UsageError, match=r"damaged|no provenance"):
        read_provenance(tmp_path / f"a{ending}")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_that_breaks_off_is_damaged(tmp_path, ending, images, grey_frames):
    path = tmp_path / f"a{ending}"
    write(path, images, {"a": 1}, grey_frames)
    whole = path.read_bytes()
    for part in (0.1, 0.5, 0.9):
        path.write_bytes(whole[: int(part * len(whole))])
        with pytest.raises(UsageError, match=r"damaged|its end is missing"):
            read_provenance(path)


@pytest.mark.parametrize("ending", [".png", ".gif", ".webp", ".npz"])
def test_flipped_bytes_are_never_more_than_a_sentence(tmp_path, ending, images, grey_frames):
    path, rng = tmp_path / f"a{ending}", np.random.default_rng(1)
    write(path, images, {"a": 1}, grey_frames[:2])
    whole = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    for _ in range(60):
        damaged = whole.copy()
        damaged[rng.integers(0, min(len(whole), 600), 3)] = rng.integers(0, 256, 3)
        path.write_bytes(damaged.tobytes())
        with contextlib.suppress(UsageError):  # the one error that is allowed
            assert isinstance(read_provenance(path), dict)


def test_nothing_pickled_is_ever_loaded(tmp_path):
    np.savez(tmp_path / "a.npz", provenance=np.array({"a": 1}, dtype=object))
    with pytest.raises(UsageError, match="damaged"):
        read_provenance(tmp_path / "a.npz")
