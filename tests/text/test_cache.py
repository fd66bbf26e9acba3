from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from inkwash.errors import UsageError
from inkwash.nets.condition import Vector
from inkwash.text import Joint, check_texts, encode_cached


class Lengths:
    """Rows of a text's length and first letter; keeps what it was asked."""

    name = "lengths"

    def __init__(self, digest: str = "0" * 64) -> None:
        self.digest = digest
        self.asked: list[str] = []

    def __call__(self, texts: Sequence[str]) -> Tensor:
        self.asked += check_texts(texts)
        return torch.tensor([[len(text), ord(text[0])] for text in texts], dtype=torch.float32)

    def embedder(self) -> nn.Module:
        return Vector(2)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "inkwash" / "text"


TEXTS = ["red", "a 心", "red", "green book"]


def test_rows_are_the_encoders_and_each_text_is_computed_once() -> None:
    encoder = Lengths()
    assert torch.equal(encode_cached(encoder, TEXTS), Lengths()(TEXTS))
    assert sorted(encoder.asked) == ["a 心", "green book", "red"]
    again = Lengths()
    assert torch.equal(encode_cached(again, [*TEXTS, "new"]), Lengths()([*TEXTS, "new"]))
    assert again.asked == ["new"]
    assert torch.equal(encode_cached(again, ["new", "red"]), Lengths()(["new", "red"]))
    assert again.asked == ["new"]


def test_other_encoders_have_other_files(cache: Path) -> None:
    encode_cached(Lengths(), TEXTS)
    other = Lengths("1" * 64)
    encode_cached(other, TEXTS)
    assert len(other.asked) == 3
    assert sorted(file.name for file in cache.iterdir()) == ["0" * 64 + ".npz", "1" * 64 + ".npz"]


@pytest.mark.parametrize("harm", ["empty", "cut", "changed", "edited", "other"])
def test_a_damaged_file_is_computed_again(cache: Path, harm: str) -> None:
    encode_cached(Lengths(), TEXTS)
    file = cache / f"{'0' * 64}.npz"
    whole = file.read_bytes()
    at = whole.index(b"green book")
    if harm == "edited":
        with np.load(file) as held:
            np.savez(file, **{**held, "rows": held["rows"] + 1})
    damaged = {
        "edited": file.read_bytes(),
        "empty": b"",
        "cut": whole[:-40],
        "changed": whole[:at] + b"x" + whole[at + 1 :],
        "other": b"[1, 2]",
    }[harm]
    file.write_bytes(damaged)
    encoder = Lengths()
    assert torch.equal(encode_cached(encoder, TEXTS), Lengths()(TEXTS))
    assert len(encoder.asked) == 3
    again = Lengths()
    encode_cached(again, TEXTS)
    assert again.asked == []


def test_a_folder_that_cannot_be_written_is_done_without(cache: Path) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_text("a file where the folder should be")
    assert torch.equal(encode_cached(Lengths(), TEXTS), Lengths()(TEXTS))


def test_many_texts() -> None:
    texts = [f"{i:04} text" + "!" * (i % 7) for i in range(700)]
    assert torch.equal(encode_cached(Lengths(), texts), Lengths()(texts))


def test_joint_is_not_kept(cache: Path) -> None:
    assert torch.equal(encode_cached(Joint(), TEXTS), Joint()(TEXTS))
    assert not cache.exists()


def test_blank_texts_are_refused_before_anything_is_computed() -> None:
    encoder = Lengths()
    with pytest.raises(UsageError, match="blank"):
        encode_cached(encoder, ["red", ""])
    assert encoder.asked == []
    assert encode_cached(encoder, []).shape[0] == 0
