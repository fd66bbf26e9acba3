from __future__ import annotations

import hashlib
from importlib.resources import files

import pytest
import torch

from inkwash.data import digits
from inkwash.errors import UsageError

PIXELS = {
    "train": "d15cab99caf3d188e86aa8fee618978ad3e83f7ed7b3b3ea6377c4523b38d667",
    "test": "11d0d9f8b88958417d925afff11ff172ae17b7153b3c678606434c9a1401b60b",
}
LABELS = {
    "train": "a5c65ad67e8ba22100b8e7958d7100b0e51a4f3ff9f830e6a1f9211f7629de43",
    "test": "1eb3f08cc404fe78476e51a55380291260abe506ab30596098648f5f656276a5",
}


@pytest.mark.parametrize(("split", "n"), [("train", 1500), ("test", 297)])
def test_the_split_never_changes(split: str, n: int) -> None:
    """To the last bit: runs and the scores of studies remember the fingerprint of their images."""
    images = digits(split)
    assert (images.pixels.shape, images.pixels.dtype) == ((n, 1, 8, 8), torch.uint8)
    assert images.classes == tuple("0123456789")
    assert images.labels is not None
    assert images.labels.bincount().min() > 15  # shuffled: every class in both
    assert hashlib.sha256(images.pixels.numpy().tobytes()).hexdigest() == PIXELS[split]
    assert hashlib.sha256(images.labels.numpy().tobytes()).hexdigest() == LABELS[split]


def test_every_digit_is_in_one_split_as_scikit_learn_has_it() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    parts = [digits("train"), digits("test")]
    bunch = datasets.load_digits()

    def rows(pixels: torch.Tensor, labels: torch.Tensor) -> list[list[int]]:
        return sorted(torch.cat([pixels.flatten(1), labels[:, None]], 1).tolist())

    ours = sorted(row for part in parts for row in rows(part.pixels.long(), part.labels))  # type: ignore[arg-type]
    theirs = rows((torch.from_numpy(bunch.images) * 255 / 16).round().long()[:, None], torch.from_numpy(bunch.target))
    assert ours == theirs


def test_source_and_licence_lie_beside_the_images() -> None:
    told = files("inkwash.data").joinpath("digits.txt").read_text(encoding="utf-8")
    assert "E. Alpaydin and C. Kaynak" in told
    assert "CC BY 4.0" in told
    assert "10.24432/C50P49" in told


def test_only_two_splits() -> None:
    with pytest.raises(UsageError, match="'val'"):
        digits("val")
