from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inkwash.data import Images, Streamed, folder, hold_out
from inkwash.errors import UsageError


def draw(file: Path, value: int = 0) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(file)


def write(file: Path, *rows: object) -> None:
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def boats(tmp_path: Path) -> Path:
    for i in range(4):
        draw(tmp_path / "boats" / f"{i}.png", i)
    return tmp_path / "boats"


def row(i: int, text: object) -> dict[str, object]:
    return {"file_name": f"{i}.png", "text": text}


EXPECTED = (("a red boat", "红船"), ('a "big" boat, far away',), ("two\nlines",), ("x",))


def as_jsonl(where: Path) -> None:
    rows = [row(3, "x"), row(0, "a red boat"), row(1, [EXPECTED[1][0]]), row(2, EXPECTED[2][0]), row(0, " 红船 ")]
    write(where / "captions.jsonl", *rows, row(0, "红船"))


def as_other_keys_with_a_mark_and_crlf(where: Path) -> None:
    rows = [
        {"file": "0.png", "captions": list(EXPECTED[0])},
        {"image": "./1.png", "caption": EXPECTED[1][0], "mood": 3},
        {"file": "2.png", "caption": EXPECTED[2][0], "text": None},
        {"file": "3.png", "text": "x"},
    ]
    lines = "\r\n\r\n".join(json.dumps(row) for row in rows)
    (where / "metadata.jsonl").write_bytes(b"\xef\xbb\xbf" + lines.encode())


def as_csv(where: Path) -> None:
    lines = 'file_name,text,n\r\n0.png,a red boat,1\r\n0.png,红船,2\r\n1.png,"a ""big"" boat, far away",3\r\n'
    (where / "metadata.csv").write_bytes(("\ufeff" + lines + '2.png,"two\nlines",4\r\n3.png,x,5\r\n').encode())


@pytest.mark.parametrize("written", [as_jsonl, as_other_keys_with_a_mark_and_crlf, as_csv])
@pytest.mark.parametrize("in_memory_bytes", [0, 1 << 30])
def test_captions_go_with_their_images(boats: Path, written: Callable[[Path], None], in_memory_bytes: int) -> None:
    bare = folder(boats, in_memory_bytes=in_memory_bytes)
    assert bare.captions == ()
    written(boats)
    source = folder(boats, in_memory_bytes=in_memory_bytes)
    assert isinstance(source, Images if in_memory_bytes else Streamed)
    assert source.captions == EXPECTED
    assert torch.equal(source.take(torch.arange(4)), bare.take(torch.arange(4)))
    assert source.fingerprint != bare.fingerprint
    assert source.part(torch.tensor([2, 0])).captions == (EXPECTED[2], EXPECTED[0])
    train, test = hold_out(source, 0.5)
    for part in (train, test):
        values = part.take(torch.arange(2))[:, 0, 0, 0].tolist()
        assert part.captions == tuple(EXPECTED[i] for i in values)


@pytest.mark.parametrize("where", ["root", "each"])
def test_captions_of_split_folders(tmp_path: Path, where: str) -> None:
    for i in range(3):
        draw(tmp_path / "train" / f"{i}.png")
    draw(tmp_path / "test" / "0.png")
    if where == "root":
        names = ["train/0.png", "train/1.png", "train/2.png", "test/0.png"]
        write(tmp_path / "metadata.jsonl", *({"file_name": name, "text": name} for name in names))
    else:
        write(tmp_path / "train" / "captions.jsonl", *(row(i, f"train/{i}.png") for i in range(3)))
        (tmp_path / "test" / "metadata.csv").write_text("file_name,text\n0.png,test/0.png\n")
    assert folder(tmp_path, split="train").captions == (("train/0.png",), ("train/1.png",), ("train/2.png",))
    assert folder(tmp_path, split="test").captions == (("test/0.png",),)
    assert len(folder(tmp_path).captions) == 4


def test_with_captions_loose_images_need_no_class(tmp_path: Path) -> None:
    draw(tmp_path / "cats" / "0.png")
    draw(tmp_path / "dogs" / "0.png")
    write(tmp_path / "captions.jsonl", *({"file_name": f"{c}/0.png", "text": c} for c in ("cats", "dogs")))
    assert folder(tmp_path).classes == ("cats", "dogs")
    draw(tmp_path / "loose.png")
    with (tmp_path / "captions.jsonl").open("a") as file:
        file.write('{"file_name": "cats/../loose.png", "text": "alone"}')
    source = folder(tmp_path)
    assert (source.classes, source.labels) == ((), None)
    assert source.captions == (("cats",), ("dogs",), ("alone",))


@pytest.mark.parametrize("in_memory_bytes", [0, 1 << 30])
def test_images_without_a_caption_are_refused_or_skipped(boats: Path, in_memory_bytes: int) -> None:
    write(boats / "captions.jsonl", row(0, "a"), row(3, "b"))
    with pytest.raises(UsageError) as caught:
        folder(boats, in_memory_bytes=in_memory_bytes)
    assert "2 of the 4 files beside have no caption there: 1.png, 2.png." in str(caught.value)
    assert "`unreadable='skip'`" in str(caught.value)
    (boats / "3.png").write_text("damaged")
    source = folder(boats, unreadable="skip", in_memory_bytes=in_memory_bytes)
    assert source.captions == (("a",),)
    assert source.skipped == (boats / "1.png", boats / "2.png", boats / "3.png")
    (boats / "0.png").unlink()
    (boats / "3.png").unlink()
    with pytest.raises(UsageError, match=r"2 of the 2 images named there do not exist in the folder: 0\.png, 3\.png"):
        folder(boats, unreadable="skip")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "captions.jsonl",
            '{"file_name": "0.png", "text": "a"}\n\n{"file_name"\n',
            "captions.jsonl, line 3 is no JSON (",
        ),
        ("captions.jsonl", '["0.png", "a"]', "line 1 is no JSON object"),
        ("metadata.jsonl", '{"text": "a", "id": 1}', "line 1 lacks 'file_name' or 'file' or 'image'; it has text, id"),
        ("captions.jsonl", '{"file_name": "0.png"}', "line 1 lacks 'text' or 'caption' or 'captions'"),
        ("metadata.csv", 'file_name,text\n0.png,"a\n', "is no CSV (unexpected end of data)"),
        ("captions.jsonl", '{"file_name": "0.png", "text": " "}', "line 1: the caption of 0.png is empty"),
        ("captions.jsonl", '{"file_name": "0.png", "text": []}', "line 1: the caption of 0.png is empty"),
        ("metadata.csv", "file_name,text\n0.png,\n", "line 2: the caption of 0.png is empty"),
        ("captions.jsonl", '{"file_name": "0.png", "text": 7}', "a text or a list of texts; got 7"),
        ("captions.jsonl", '{"file_name": 0, "text": "a"}', "the name of an image file was expected; got 0"),
        ("captions.jsonl", '{"file_name": "9.png", "text": "a"}', "named there do not exist in the folder: 9.png"),
        ("captions.jsonl", '{"file_name": "/etc/passwd", "text": "a"}', "named there do not exist in the folder: "),
        ("captions.jsonl", "[" * 100_000, "line 1 is no JSON ("),
        ("captions.jsonl", "\n", "holds no captions"),
        ("captions.jsonl", b"\xff\xfe\x00", "is not UTF-8"),
    ],
)
def test_captions_that_cannot_be_used(boats: Path, name: str, content: str | bytes, said: str) -> None:
    (boats / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError) as caught:
        folder(boats)
    assert said in str(caught.value)
    assert name in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("name", "content"), [("metadata.csv", "file_name,label\n0.png,3\n"), ("metadata.jsonl", '{"file_name": "0.png"}')]
)
def test_metadata_without_a_text_is_no_caption_file(boats: Path, name: str, content: str) -> None:
    """The Hugging Face convention has classes there, too."""
    before = folder(boats)
    (boats / name).write_text(content)
    assert folder(boats).captions == ()
    assert folder(boats).fingerprint == before.fingerprint


@pytest.mark.parametrize("second", ["metadata.csv", "train/captions.jsonl"])
def test_two_caption_files(boats: Path, second: str) -> None:
    (boats / "train").mkdir()
    for name in ("captions.jsonl", second):
        (boats / name).write_text("file_name,text\n")
    with pytest.raises(UsageError, match=f"has 2 caption files where one was expected.*captions.jsonl, {second}"):
        folder(boats)


def test_captions_must_fit_the_images() -> None:
    pixels = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    with pytest.raises(UsageError, match="2 images need as many captions, or none; got 1"):
        Images("some", "train", pixels, captions=(("a",),))
    for bad in ((), ("a", " ")):
        with pytest.raises(UsageError, match="none of them empty; image 1 has"):
            Images("some", "train", pixels, captions=(("a",), bad))


def test_fingerprints_from_before_there_were_captions() -> None:
    pixels = torch.arange(32, dtype=torch.uint8).view(2, 1, 4, 4)
    images = Images("some", "train", pixels, torch.tensor([0, 1]), ("a", "b"))
    assert images.fingerprint == "5558d31b2ac077ebc4bd2ec480a515aaa92f96d9186fa64ffa80b3b7f306a93b"  # as it was then
    told = Images("some", "train", pixels, torch.tensor([0, 1]), ("a", "b"), captions=(("a",), ("b",)))
    other = Images("some", "train", pixels, torch.tensor([0, 1]), ("a", "b"), captions=(("a",), ("b", "c")))
    assert len({images.fingerprint, told.fingerprint, other.fingerprint}) == 3
    assert told.pad(8).to("cpu").captions == told.captions
