from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inkwash.data import Batches, Images, Streamed, folder, hold_out
from inkwash.errors import InkwashError, UsageError

RNG = np.random.default_rng(0)


def draw(file: Path, height: int = 8, width: int = 8, channels: int = 3) -> np.ndarray:
    file.parent.mkdir(parents=True, exist_ok=True)
    shape = (height, width) if channels == 1 else (height, width, channels)
    array = RNG.integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(array).save(file)
    return array


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    """Two classes of images of several formats and sizes, and what desktops leave behind."""
    root = tmp_path / "zoo"
    for i in range(5):
        draw(root / "dogs" / f"{i}.png", 20 + i, 30)
        draw(root / "cats" / "indoors" / f"{i}.jpg", 40, 25 + i)
    draw(root / "cats" / "grey.bmp", 16, 16, channels=1)
    for junk in (".DS_Store", "cats/Thumbs.db", "dogs/desktop.ini", "__MACOSX/cats/._0.jpg", ".git/HEAD"):
        (root / junk).parent.mkdir(parents=True, exist_ok=True)
        (root / junk).write_text("junk")
    return root


def test_streamed_and_in_memory_are_equal(zoo: Path) -> None:
    memory, streamed = folder(zoo, size=16), folder(zoo, size=16, in_memory_bytes=0)
    assert isinstance(memory, Images)
    assert isinstance(streamed, Streamed)
    for source in (memory, streamed):
        assert (source.name, source.split, source.shape, len(source)) == ("zoo", "train", (3, 16, 16), 11)
        assert source.classes == ("cats", "dogs")
        assert source.labels is not None
        assert source.labels.tolist() == [0] * 6 + [1] * 5
        assert source.skipped == ()
    everything = torch.randperm(11)
    assert torch.equal(memory.take(everything), streamed.take(everything))
    for one, other in zip(hold_out(memory, 0.3), hold_out(streamed, 0.3), strict=True):
        assert torch.equal(one.pixels, other.take(torch.arange(len(other))))
        assert torch.equal(one.labels, other.labels)
        assert one.split == other.split
    walks = [Batches(source, 4, seed=0, flip=True).walk(0) for source in (memory, streamed)]
    for _ in range(4):
        assert torch.equal(*(next(walk).images for walk in walks))
    for walk in walks:
        walk.close()


def test_memory_is_used_up_to_the_limit(zoo: Path) -> None:
    needed = 11 * 3 * 16 * 16
    assert isinstance(folder(zoo, size=16, in_memory_bytes=needed), Images)
    assert isinstance(folder(zoo, size=16, in_memory_bytes=needed - 1), Streamed)


def test_images_of_one_size_need_no_size(tmp_path: Path) -> None:
    arrays = [draw(tmp_path / f"{i}.png", 6, 9) for i in range(3)]
    source = folder(tmp_path)
    assert source.shape == (3, 6, 9)
    assert (source.labels, source.classes) == (None, ())
    assert np.array_equal(source.take(torch.arange(3)), np.stack(arrays).transpose(0, 3, 1, 2))


@pytest.mark.parametrize(("channels", "expected"), [(None, 1), (1, 1), (3, 3)])
def test_grey_stays_grey_unless_told(tmp_path: Path, channels: int | None, expected: int) -> None:
    for i in range(3):
        draw(tmp_path / f"{i}.png", channels=1)
    assert folder(tmp_path, channels=channels).shape == (expected, 8, 8)
    draw(tmp_path / "3.png")
    assert folder(tmp_path, channels=channels).shape == (channels or 3, 8, 8)


def test_the_fingerprint_of_a_streamed_folder(zoo: Path) -> None:
    def fingerprint(size: int = 16) -> str:
        return folder(zoo, size=size, in_memory_bytes=0).fingerprint

    first = fingerprint()
    assert fingerprint() == first != fingerprint(size=8)
    moved = zoo.rename(zoo.with_name("moved"))
    assert folder(moved, size=16, in_memory_bytes=0).fingerprint == first
    os.utime(moved / "dogs" / "0.png", ns=(0, 0))
    changed = folder(moved, size=16, in_memory_bytes=0).fingerprint
    (moved / "dogs" / "0.png").rename(moved / "dogs" / "a.png")
    assert len({first, changed, folder(moved, size=16, in_memory_bytes=0).fingerprint}) == 3


@pytest.mark.parametrize("in_memory_bytes", [0, 1 << 30])
def test_unreadable_files_are_refused_or_skipped(zoo: Path, in_memory_bytes: int) -> None:
    whole = folder(zoo, size=16)
    (zoo / "dogs" / "notes.txt").write_text("not an image")
    with pytest.raises(UsageError) as caught:
        folder(zoo, size=16, in_memory_bytes=in_memory_bytes)
    assert "1 of the 12 files" in str(caught.value)
    assert "dogs/notes.txt (not an image that Pillow reads)" in str(caught.value)
    assert "`unreadable='skip'`" in str(caught.value)

    draw(zoo / "cats" / "half.png", 64, 64)  # its header is whole
    half = (zoo / "cats" / "half.png").read_bytes()
    (zoo / "cats" / "half.png").write_bytes(half[: len(half) // 2])
    source = folder(zoo, size=16, unreadable="skip", in_memory_bytes=in_memory_bytes)
    assert source.skipped == (zoo / "dogs" / "notes.txt", zoo / "cats" / "half.png")
    everything = torch.arange(len(source))
    assert torch.equal(source.take(everything), whole.take(everything))
    assert torch.equal(source.labels, whole.labels)


def test_damage_that_only_decoding_finds(zoo: Path) -> None:
    file = zoo / "cats" / "half.png"
    draw(file, 64, 64)
    file.write_bytes(file.read_bytes()[:6000])
    with pytest.raises(UsageError, match=r"cats/half\.png"):
        folder(zoo, size=16)
    source = folder(zoo, size=16, in_memory_bytes=0)
    with pytest.raises(InkwashError, match=r"cats/half\.png cannot be read .*`unreadable='skip'`"):
        source.take(torch.arange(len(source)))


def test_a_file_that_changed_since(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    source = folder(tmp_path, in_memory_bytes=0)
    draw(tmp_path / "a.png", 9, 9)
    with pytest.raises(InkwashError, match=r"\(3, 9, 9\), where \(3, 8, 8\)"):
        source.take(torch.tensor([0]))


def test_over_pillows_limit_is_unreadable(zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1500)
    draw(zoo / "dogs" / "huge.png", 40, 40)
    with pytest.raises(UsageError, match=r"huge\.png \(larger than Pillow's limit of 1500 pixels\)"):
        folder(zoo, size=16)


def test_different_sizes_need_a_size(zoo: Path) -> None:
    with pytest.raises(UsageError) as caught:
        folder(zoo)
    assert "cats/grey.bmp is 16×16 pixels, cats/indoors/0.jpg is 25×40" in str(caught.value)
    assert "`size=32`" in str(caught.value)


def test_images_beside_classes(zoo: Path) -> None:
    draw(zoo / "loose.png")
    with pytest.raises(UsageError, match=r"loose\.png lies beside folders of images \(cats, dogs\)"):
        folder(zoo, size=16)


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        folder(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is a file"):
        folder(tmp_path / "file")
    (tmp_path / "file").unlink()
    with pytest.raises(UsageError, match="holds no images"):
        folder(tmp_path)
    (tmp_path / "a.txt").touch()
    with pytest.raises(UsageError, match=r"holds no images; 1 file\(s\) .* a\.txt"):
        folder(tmp_path, unreadable="skip")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"size": 0}, "got 0"),
        ({"channels": 4}, "got 4"),
        ({"unreadable": "ignore"}, "'ignore'"),
        ({"split": "val"}, "'val'"),
    ],
)
def test_arguments_that_cannot_be(zoo: Path, arguments: dict, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        folder(zoo, **arguments)


@pytest.mark.parametrize("test", ["test", "val"])
def test_split_folders_share_classes_and_channels(tmp_path: Path, test: str) -> None:
    for i in range(3):
        draw(tmp_path / "train" / "cats" / f"{i}.png", channels=1)
        draw(tmp_path / "train" / "dogs" / f"{i}.png", channels=1)
    draw(tmp_path / test / "dogs" / "0.png")  # in colour, and no cats
    train, held = folder(tmp_path, split="train"), folder(tmp_path, split="test")
    assert (len(train), train.split, len(held), held.split) == (6, "train", 1, "test")
    assert train.shape == held.shape == (3, 8, 8)
    assert train.classes == held.classes == ("cats", "dogs")
    assert held.labels is not None
    assert held.labels.tolist() == [1]


def test_without_split_folders_some_are_held_out(zoo: Path) -> None:
    whole = folder(zoo, size=16)
    for source, expected in zip((folder(zoo, 16, split=s) for s in ("train", "test")), hold_out(whole), strict=True):
        assert source.fingerprint == expected.fingerprint
        assert source.split == expected.split


def test_a_train_folder_alone_is_divided(tmp_path: Path) -> None:
    for i in range(4):
        draw(tmp_path / "train" / f"{i}.png")
    train, held = folder(tmp_path, split="train"), folder(tmp_path, split="test")
    assert (len(train), len(held), train.classes) == (3, 1, ())


def test_an_empty_test_folder(tmp_path: Path) -> None:
    draw(tmp_path / "train" / "0.png")
    (tmp_path / "test").mkdir()
    with pytest.raises(UsageError, match="test holds no images"):
        folder(tmp_path, split="test")


def test_a_broken_link_is_a_broken_image_and_a_pipe_is_nothing(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "gone.png")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
    source = folder(tmp_path, unreadable="skip")
    assert (len(source), source.skipped) == (1, (tmp_path / "b.png",))
