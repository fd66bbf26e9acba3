from __future__ import annotations

import hashlib
import io
import os
import shutil
import socket
import struct
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from inkwash.data import Batches, Images, Streamed, folder, hold_out, is_same
from inkwash.data.digests import digests
from inkwash.data.tiff import tiff_pages
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


def test_the_fingerprint_of_a_streamed_folder(zoo: Path, tmp_path: Path) -> None:
    """It is of what the files hold, whatever their dates and names and wherever they lie."""

    def streamed(root: Path = zoo, size: int = 16, **more: Any) -> Streamed:
        found = folder(root, size=size, in_memory_bytes=0, **more)
        assert isinstance(found, Streamed)
        return found

    first = streamed().fingerprint
    assert streamed().fingerprint == first != streamed(size=8).fingerprint
    assert streamed(channels=1).fingerprint != first != streamed(background="black").fingerprint
    copy = tmp_path / "other" / "copy"
    shutil.copytree(zoo, copy, copy_function=shutil.copy)  # with dates of now
    os.utime(copy / "dogs" / "0.png", ns=(0, 0))
    (copy / "dogs" / "1.png").rename(copy / "dogs" / "0z.png")
    assert streamed(copy).fingerprint == first
    (copy / "dogs" / "0.png").rename(copy / "dogs" / "z.png")
    other_order = streamed(copy).fingerprint
    draw(copy / "dogs" / "z.png", 20, 30)
    changed = streamed(copy).fingerprint
    assert len({first, other_order, changed}) == 3


def test_a_change_within_the_same_second_is_seen(tmp_path: Path) -> None:
    """Also where the file keeps its size and its date."""
    file = tmp_path / "zoo" / "0.bmp"
    for value in range(4):
        file.parent.mkdir(exist_ok=True)
        Image.new("L", (8, 8), value).save(file)
        os.utime(file, ns=(10**18, 10**18))
        source = folder(tmp_path / "zoo", in_memory_bytes=0)
        assert hashlib.sha256(file.read_bytes()).digest() == digests([file], tmp_path, 1)[0]
        assert source.fingerprint == folder(tmp_path / "zoo", in_memory_bytes=0).fingerprint


def test_fingerprints_of_streamed_folders_as_they_were(zoo: Path) -> None:
    """Runs of before remember names, sizes and dates."""
    source = folder(zoo, size=16, in_memory_bytes=0)
    hashed = hashlib.sha256(repr(((3, 16, 16), 16, ("cats", "dogs"))).encode())
    for file, label in zip(source.files, source.labels.tolist(), strict=True):
        stat = file.stat()
        hashed.update(repr((file.relative_to(zoo).as_posix(), stat.st_size, stat.st_mtime_ns, label)).encode())
    assert is_same(source, hashed.hexdigest())
    assert is_same(source, source.fingerprint)
    assert not is_same(source, folder(zoo, size=16).fingerprint)
    os.utime(zoo / "dogs" / "0.png", ns=(0, 0))
    assert not is_same(folder(zoo, size=16, in_memory_bytes=0), hashed.hexdigest())


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
        ({"channels": 2}, "got 2"),
        ({"unreadable": "ignore"}, "'ignore'"),
        ({"split": "val"}, "'val'"),
        ({"background": "blue"}, "white, black or a colour such as #80ff00; got 'blue'"),
        ({"split": "train", "held_out": "0"}, "such as 100, a share of them such as 0.1, or none; got '0'"),
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
    with pytest.raises(UsageError, match="holds no images of the split test"):
        folder(tmp_path, split="test")


def test_a_broken_link_is_a_broken_image_and_a_pipe_is_nothing(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "gone.png")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
    source = folder(tmp_path, unreadable="skip")
    assert (len(source), source.skipped) == (1, (tmp_path / "b.png",))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
@pytest.mark.parametrize("size", [None, 8])
def test_what_could_block_is_never_opened(tmp_path: Path, size: int | None) -> None:
    root = tmp_path / "some"
    draw(root / "a.png")
    os.mkfifo(root / "pipe.png")
    (root / "captions.jsonl").symlink_to(root / "pipe.png")
    (root / "zero.png").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(root / "socket.png"))
        found: list[Images | Streamed] = []
        thread = threading.Thread(target=lambda: found.append(folder(root, size)), daemon=True)
        thread.start()
        thread.join(20)
    assert found
    assert len(found[0]) == 1
    odd = "captions.jsonl, pipe.png, socket.png and 1 more"
    assert found[0].notes == (f"Left out: 4 file(s) ({odd}), no regular files (pipes, sockets or devices).",)


def test_links_are_followed_and_end(tmp_path: Path) -> None:
    """A class that is a link, links to files, and links back, out and round about."""
    root, elsewhere = tmp_path / "pets", tmp_path / "elsewhere"
    for i in range(3):
        draw(root / "cats" / f"{i}.png")
        draw(elsewhere / "dogs" / "deep" / f"{i}.png")
        draw(elsewhere / "birds" / f"{i}.png")
        (root / "birds").mkdir(exist_ok=True)
        (root / "birds" / f"{i}.png").symlink_to(elsewhere / "birds" / f"{i}.png")
    (root / "dogs").symlink_to(elsewhere / "dogs", target_is_directory=True)
    (root / "cats" / "loop").symlink_to("..")
    (root / "cats" / "out").symlink_to("../..")
    (root / "up").symlink_to(".")
    (root / "round").symlink_to("round")
    (elsewhere / "dogs" / "deep" / "again").symlink_to(elsewhere / "dogs")
    source = folder(root, unreadable="skip", split="train")
    assert source.classes == ("birds", "cats", "dogs")
    assert len(source) == 8
    assert source.skipped == (root / "round",)


def test_links_among_many_folders_end_soon(tmp_path: Path) -> None:
    """Twelve folders that each link to all others have 12! paths."""
    for i in range(12):
        draw(tmp_path / "one" / f"{i}" / f"{i}.png")
    for i in range(12):
        for k in range(12):
            (tmp_path / "one" / f"{i}" / f"to {k}").symlink_to(tmp_path / "one" / f"{k}")
    started = time.perf_counter()
    assert len(folder(tmp_path)) == 12
    assert time.perf_counter() - started < 20


# ---- integers of more than 8 bits


def integers(root: Path, largest: int, ending: str, kind: type) -> np.ndarray:
    """Six images of 0..largest, and how bright each pixel is as a share of white."""
    values = RNG.integers(0, largest + 1, (6, 8, 8))
    values[0, 0, 0] = largest
    root.mkdir()
    for i in range(6):
        Image.fromarray(values[i].astype(kind)).save(root / f"{i}.{ending}")
    return values


@pytest.mark.parametrize(("ending", "kind"), [("png", np.uint16), ("tiff", np.uint16), ("tiff", np.int32)])
@pytest.mark.parametrize(("largest", "white"), [(200, 255), (1000, 1023), (4080, 4095), (20_000, 65535)])
@pytest.mark.parametrize("in_memory_bytes", [0, 1 << 30])
def test_white_is_what_the_whole_folder_says(
    tmp_path: Path, ending: str, kind: type, largest: int, white: int, in_memory_bytes: int
) -> None:
    values = integers(tmp_path / "deep", largest, ending, kind)
    expected = np.rint(values * 255 / white)[:, None]
    whole = folder(tmp_path / "deep", in_memory_bytes=in_memory_bytes)
    assert np.abs(whole.take(torch.arange(6)).numpy() - expected).max() <= (0 if white in (255, 65535) else 1)
    parts = [folder(tmp_path / "deep", split=each, in_memory_bytes=in_memory_bytes) for each in ("train", "test")]
    both = torch.cat([part.take(torch.arange(len(part))) for part in parts])
    assert sorted(both.flatten().tolist()) == sorted(whole.take(torch.arange(6)).flatten().tolist())
    said = f"6 file(s) have 16 or 32 bits and no value above {white}, which is taken for white."
    assert whole.notes == ((said,) if white < 65535 else ())


def test_negative_and_larger_integers_are_refused(tmp_path: Path) -> None:
    for values in ([[-5, 3]], [[0, 65536]]):
        Image.fromarray(np.array(values, dtype=np.int32)).save(tmp_path / "it.tiff")
        with pytest.raises(UsageError, match=rf"pixels from {values[0][0]} to {values[0][1]}, where 0 to 65535"):
            folder(tmp_path)


# ---- transparency


def icons(root: Path, colour: tuple[int, int, int]) -> None:
    root.mkdir()
    for i in range(6):
        pixels = np.zeros((8, 8, 4), np.uint8)
        pixels[..., :3] = colour
        pixels[: i + 1, :, 3] = 255
        Image.fromarray(pixels).save(root / f"{i}.png")


def test_transparency_lies_on_the_background_asked_for(tmp_path: Path) -> None:
    icons(tmp_path / "white", (255, 255, 255))
    for background, empty in (("white", (255,) * 3), ("black", (0,) * 3), ("#8000ff", (128, 0, 255))):
        for in_memory_bytes in (0, 1 << 30):
            source = folder(tmp_path / "white", background=background, in_memory_bytes=in_memory_bytes)
            first = source.take(torch.arange(1))[0]
            assert first[:, 0, 0].tolist() == [255] * 3
            assert first[:, 7, 0].tolist() == list(empty)
            assert source.notes == (
                f"6 file(s) have an alpha channel or a transparent colour, laid on {background} (`background`).",
            )


def test_grey_on_a_colour_is_colour(tmp_path: Path) -> None:
    Image.fromarray(np.array([[[100, 0], [100, 255]]], dtype=np.uint8), "LA").save(tmp_path / "la.png")
    assert folder(tmp_path).shape == (1, 1, 2)
    assert folder(tmp_path, background="#808080").shape == (1, 1, 2)
    coloured = folder(tmp_path, background="#ff0000")
    assert coloured.take(torch.arange(1))[0].tolist() == [[[255, 100]], [[0, 100]], [[0, 100]]]


# ---- damage and what is held out


def test_damage_is_found_before_anything_is_held_out(tmp_path: Path) -> None:
    """Whatever is damaged, the good ones are divided as if they were alone."""
    good, mixed = tmp_path / "good" / "same", tmp_path / "mixed" / "same"
    for i in range(20):
        draw(mixed / f"{i:02}.png", 64, 64)
        if i % 2:
            whole = (mixed / f"{i:02}.png").read_bytes()
            (mixed / f"{i:02}.png").write_bytes(whole[: len(whole) // 2])
        else:
            good.mkdir(parents=True, exist_ok=True)
            shutil.copy(mixed / f"{i:02}.png", good)
    for split in ("train", "test"):
        for in_memory_bytes in (0, 1 << 30):
            expected = folder(good, split=split, in_memory_bytes=in_memory_bytes)
            found = folder(mixed, split=split, unreadable="skip", in_memory_bytes=in_memory_bytes)
            assert found.fingerprint == expected.fingerprint
            assert len(found.skipped) == 10
            assert found.notes == (
                "Left out: 10 file(s) (01.png, 03.png, 05.png and 7 more): image file is truncated.",
            )


def test_nothing_held_out(zoo: Path) -> None:
    train, test = (folder(zoo, 16, split=split, held_out="none") for split in ("train", "test"))
    assert (train.split, test.split) == ("train", "test")
    assert train.fingerprint == test.fingerprint == folder(zoo, 16).fingerprint


@pytest.mark.parametrize(("words", "held"), [("auto", 1), ("3", 3), ("0.4", 4), ("40%", 4), ("1", 1), ("0.01", 1)])
def test_how_many_are_held_out_of_a_folder(zoo: Path, words: str, held: int) -> None:
    train, test = (folder(zoo, 16, split=split, held_out=words) for split in ("train", "test"))
    assert (len(train), len(test)) == (11 - held, held)


def test_held_out_of_a_folder_that_has_a_test_split(tmp_path: Path) -> None:
    draw(tmp_path / "train" / "0.png")
    draw(tmp_path / "test" / "0.png")
    with pytest.raises(UsageError, match="has a split test/ to hold out; leave out `held_out`"):
        folder(tmp_path, split="train", held_out="5")


def test_frames_and_pages_are_said(tmp_path: Path) -> None:
    frames = [Image.new("L", (8, 8), grey) for grey in (10, 20, 30)]
    for name in ("it.gif", "it.tiff", "it.png"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    draw(tmp_path / "one.png")
    assert "3 file(s) hold several frames or pages; the first of each is taken (`pages`)." in folder(tmp_path).notes


def test_formats_that_start_other_programs_are_not_read(tmp_path: Path) -> None:
    """Pillow would hand an EPS to Ghostscript, whatever the file is called."""
    Image.new("L", (8, 8), 3).save(tmp_path / "it.eps")
    (tmp_path / "it.eps").rename(tmp_path / "it.jpg")
    with pytest.raises(UsageError, match=r"it\.jpg \(not an image that Pillow reads\)"):
        folder(tmp_path)


@pytest.mark.parametrize("in_memory_bytes", [0, 1 << 20])
def test_each_page_is_an_image(tmp_path: Path, in_memory_bytes: int) -> None:
    slices = [RNG.integers(0, 256, (6, 6), dtype=np.uint8) for _ in range(5)]
    (tmp_path / "a").mkdir()
    first, *others = map(Image.fromarray, slices)
    first.save(tmp_path / "a" / "stack.tif", save_all=True, append_images=others)
    single = draw(tmp_path / "b" / "0.png", 6, 6, channels=1)
    source = folder(tmp_path, pages="all", in_memory_bytes=in_memory_bytes)
    assert np.array_equal(source.take(torch.arange(6))[:, 0], np.stack([*slices, single]))
    assert source.labels is not None
    assert source.labels.tolist() == [0] * 5 + [1]
    assert source.notes == ("1 file(s) hold several frames or pages, and each is an image.",)
    names = source.files if isinstance(source, Images) else [str(f.relative_to(tmp_path)) for f in source.files]
    assert names[3] == "a/stack.tif/#3"
    others.reverse()
    before = source.fingerprint
    first.save(tmp_path / "a" / "stack.tif", save_all=True, append_images=others)
    again = folder(tmp_path, pages="all", in_memory_bytes=in_memory_bytes)
    assert again.fingerprint != before
    assert len(folder(tmp_path)) == 2


def test_a_stack_that_is_cut_short(tmp_path: Path) -> None:
    first, *others = (Image.fromarray(RNG.integers(0, 256, (40, 40), dtype=np.uint8)) for _ in range(5))
    first.save(tmp_path / "stack.tif", save_all=True, append_images=others)
    content = (tmp_path / "stack.tif").read_bytes()
    (tmp_path / "stack.tif").write_bytes(content[: len(content) // 2])
    with pytest.raises(UsageError, match=r"1 file\(s\) there cannot be read: stack\.tif \("):
        folder(tmp_path, pages="all")
    (tmp_path / "stack.tif").write_bytes(content[:-10])
    with pytest.raises(UsageError, match=r"1 of the 5 files .* stack\.tif/#4 \("):
        folder(tmp_path, pages="all")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_a_chain_of_pages_that_has_no_end(order: str, big: bool) -> None:
    mark = b"II" if order == "<" else b"MM"
    head = struct.pack(f"{order}2sHHHQ", mark, 43, 8, 0, 16) if big else struct.pack(f"{order}2sHI", mark, 42, 8)
    count, offset = ("Q", "Q") if big else ("H", "I")
    for following, expected in ((len(head), None), (10**6, None), (0, 1)):
        content = head + struct.pack(f"{order}{count}{offset}", 0, following)
        assert tiff_pages(io.BytesIO(content)) == expected
    assert tiff_pages(io.BytesIO(head[:6])) is None
