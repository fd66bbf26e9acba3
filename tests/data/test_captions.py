from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inkwash.data import Images, Streamed, folder, hold_out, is_same
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
        ("captions.jsonl", b"\xff\xfe\x00", "line 1 is not UTF-16"),
        ("captions.jsonl", b'{"file_name": "0.png",\n"text": "\x93"}', "line 2 is not UTF-8 (invalid start byte: 93)"),
        ("metadata.csv", "file_name,text\n0.png,a boat, a red one\n", "line 2 has 3 fields, and the first line 2"),
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


TABLE = (("0.png", "a boat; a red one"), ("1.png", "two, three"), ("2.png", "“nice”"), ("3.png", "x"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("written", [",", ";", "\t", "|", "jsonl"])
def test_tables_as_programs_write_them(boats: Path, encoding: str, written: str) -> None:
    if written == "jsonl":
        lines = [json.dumps({"File_Name": name, "Text": text}, ensure_ascii=False) for name, text in TABLE]
    else:
        lines = [written.join(f'"{field}"' for field in row) for row in (("file_name", "Caption "), *TABLE)]
        if written == ",":
            lines[1] = '0.png, "a boat; a red one"'
    name = "metadata.jsonl" if written == "jsonl" else "captions.tsv" if written == "\t" else "metadata.csv"
    (boats / name).write_bytes("\r\n".join(lines).encode(encoding))
    assert folder(boats).captions == tuple((text,) for _, text in TABLE)


def test_a_line_separator_within_a_caption_ends_no_line(boats: Path) -> None:
    write(boats / "captions.jsonl", *(row(i, f"a\u2028b\x0b{i}") for i in range(4)))
    assert folder(boats).captions[3] == ("a\u2028b\x0b3",)


@pytest.mark.parametrize(("there", "named"), [("NFD", "NFC"), ("NFC", "NFD")])
@pytest.mark.parametrize("name", ["café {}.png", "Ångström/가 {}.png"])
def test_names_in_another_unicode_form(tmp_path: Path, there: str, named: str, name: str) -> None:
    rows = []
    for i in range(3):
        draw(tmp_path / unicodedata.normalize(there, name.format(i)), i)
        rows.append({"file_name": unicodedata.normalize(named, name.format(i)), "text": f"it is {i}"})
    write(tmp_path / "captions.jsonl", *rows)
    assert folder(tmp_path).captions == (("it is 0",), ("it is 1",), ("it is 2",))


def test_names_in_both_unicode_forms_are_two_files(tmp_path: Path) -> None:
    names = [unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD")]
    for value, name in enumerate(names):
        draw(tmp_path / name, value)
    write(tmp_path / "captions.jsonl", *({"file_name": name, "text": repr(name)} for name in names))
    source = folder(tmp_path)
    for caption, image in zip(source.captions, source.take(torch.arange(2)), strict=True):
        assert caption == (repr(names[int(image[0, 0, 0])]),)


def test_names_with_backslashes_and_in_other_capitals(tmp_path: Path) -> None:
    for i, name in enumerate(("a/One.PNG", "a/two.png", "b/x.png", "b/X.png")):
        draw(tmp_path / name, i)
    names = ("a\\One.PNG", "A/TWO.png", "b\\x.png", "b\\X.png")
    write(tmp_path / "metadata.jsonl", *({"file_name": name, "text": name} for name in names))
    source = folder(tmp_path)
    order = source.take(torch.arange(4))[:, 0, 0, 0].tolist()
    assert [caption for (caption,) in source.captions] == [names[i] for i in order]
    write(tmp_path / "metadata.jsonl", {"file_name": "b/x.PNG", "text": "either"})
    with pytest.raises(UsageError, match=r"do not exist in the folder: b/x\.PNG"):
        folder(tmp_path, unreadable="skip")


def test_a_txt_file_beside_each_image(boats: Path) -> None:
    bare = folder(boats)
    for i in range(4):
        (boats / f"{i}.txt").write_bytes(
            f"a boat\r\n\r\n number {i} \r\na boat".encode("utf-16" if i == 1 else "utf-8")
        )
    source = folder(boats)
    assert source.captions == tuple(("a boat", f"number {i}") for i in range(4))
    assert is_same(source, bare.fingerprint)  # a run of before, when they were left out
    (boats / "2.txt").unlink()
    with pytest.raises(UsageError, match=r"1 of the 4 files beside have no caption of that kind: 2\.png"):
        folder(boats)
    skipping = folder(boats, unreadable="skip")
    assert (len(skipping), skipping.skipped) == (3, (boats / "2.png",))
    assert skipping.notes == ("Left out: 1 file(s) (2.png) without a caption.",)
    (boats / "2.txt").write_text(" \n")
    with pytest.raises(UsageError, match=r"2\.txt is empty; a caption of the image beside it was expected"):
        folder(boats)


def test_boxes_of_a_detector_are_no_captions(boats: Path) -> None:
    for i in range(4):
        (boats / f"{i}.txt").write_text(f"{i} 0.5 0.5 0.25 1e-1\n".replace("e", ""))
    source = folder(boats)
    assert source.captions == ()
    assert source.notes[0].startswith("4 .txt files beside images hold numbers alone: no captions")


def test_a_table_in_a_folder_below(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for i in range(2):
            draw(tmp_path / name / f"{i}.png")
        write(tmp_path / name / "metadata.jsonl", *(row(i, f"{name}{i}") for i in range(2)))
    assert folder(tmp_path).captions == (("a0",), ("a1",), ("b0",), ("b1",))


def test_a_table_may_name_images_of_a_split_that_is_not_used(tmp_path: Path) -> None:
    names = ["train/0.png", "train/1.png", "test/0.png", "val/0.png"]
    for name in names:
        draw(tmp_path / name)
    write(tmp_path / "metadata.jsonl", *({"file_name": name, "text": name} for name in names))
    assert folder(tmp_path, split="test").captions == (("test/0.png",),)


def test_what_a_table_without_captions_has_is_said(boats: Path) -> None:
    (boats / "metadata.csv").write_text("file_name,prompt\n0.png,a boat\n")
    (note,) = folder(boats).notes
    assert note == "There are no captions: metadata.csv has file_name, prompt, and none of text, caption, captions."


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
