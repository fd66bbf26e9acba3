import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inkwash.errors import UsageError
from inkwash.nets.text import BUCKETS, IDS, WORDS, TextEmbedder
from inkwash.text import TextEncoder, find
from inkwash.text.joint import Joint, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A red heart", ["a", "red", "heart"]),
        ("blue-green, round (2 of 3)!", ["blue", "green", "round", "2", "of", "3"]),
        ("Don't / don’t", ["dont", "dont"]),
        ("红色的心 and 猫", ["红", "色", "的", "心", "and", "猫"]),
        ("ねこ ネコ", ["ね", "こ", "ネ", "コ"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("Ｆｕｌｌ ﬁre", ["full", "fire"]),
        ("cafe\u0301 CAFÉ", ["café", "café"]),
        ("two🐱cats ❤️", ["two", "🐱", "cats", "❤"]),
        ("¡¿ … —", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(st.text(max_size=40))
def test_words_of_words_are_the_same(text: str) -> None:
    found = words(text)
    assert words(" ".join(found)) == found


def test_rows_are_as_stated() -> None:
    encoder: TextEncoder = Joint()
    rows = encoder(["a red heart", " ".join(["long"] * 40), "incomprehensibilities"])
    assert rows.shape == (3, WORDS, IDS)
    assert rows.dtype == torch.int64
    assert rows.min() == 0
    assert rows.max() < BUCKETS
    assert (rows > 0).any(dim=2).sum(dim=1).tolist() == [3, WORDS, 1]
    assert (rows[0] > 0).sum(dim=1).tolist()[:4] == [1, 4, 6, 0]  # <a>; the word and 3 of <red>; and 5 of <heart>
    assert (rows[2, 0] > 0).all()
    assert encoder([]).shape == (0, WORDS, IDS)


def test_related_words_share_ids_and_a_word_is_not_a_part_of_another() -> None:
    heart, hearts, her, other = (row[0].tolist() for row in Joint()(["heart", "hearts", "her", "other"]))
    assert len({*heart} & {*hearts} - {0}) == 4  # <he hea ear art
    assert len({*her} & {*other} - {0}) == 2  # her er>
    assert her[0] not in other


def test_ids_are_the_same_in_every_version() -> None:
    """Checkpoints depend on these."""
    assert Joint()(["red"])[0, 0, :5].tolist() == [6613, 653, 4825, 4441, 0]  # 1 + crc32 % 8191 of <red> <re red ed>


def test_blank_texts_are_refused() -> None:
    for text in ("", " \n\t"):
        with pytest.raises(UsageError, match=r"Text 2 of 2 is blank .* Say in words"):
            Joint()(["red", text])
    with pytest.raises(UsageError, match="no word in '!!!'"):
        Joint()(["!!!"])
    with pytest.raises(UsageError, match="Put it in a list"):
        Joint()("red heart")


def test_it_is_found_and_its_embedder_takes_its_rows() -> None:
    encoder = find("joint")
    assert encoder == Joint()
    assert len(encoder.digest) == 64
    embedder = encoder.embedder()
    assert isinstance(embedder, TextEmbedder)
    assert embedder(encoder(["red heart", "book"]), torch.ones(2, dtype=torch.bool)).vector.shape == (2, 128)
    assert embedder.null(torch.zeros(2, 1, 8, 8)).shape == encoder(["red heart", "book"]).shape


def test_in_another_process_the_rows_are_the_same_and_transformers_is_not_imported() -> None:
    code = "import sys, inkwash.text as t; print(t.find('joint')(['red 心']).tolist(), 'transformers' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.strip() == f"{Joint()(['red 心']).tolist()} False"
