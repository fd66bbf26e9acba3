from __future__ import annotations

import pytest
import torch

from inkwash.data import digits
from inkwash.errors import UsageError


def test_every_digit_is_in_one_split_as_scikit_learn_has_it() -> None:
    from sklearn.datasets import load_digits

    train, test = digits("train"), digits("test")
    assert (train.pixels.shape, test.pixels.shape) == ((1500, 1, 8, 8), (297, 1, 8, 8))
    assert train.classes == tuple("0123456789")
    assert train.labels is not None
    assert test.labels is not None
    bunch = load_digits()

    def rows(pixels: torch.Tensor, labels: torch.Tensor) -> list[list[int]]:
        return sorted(torch.cat([pixels.flatten(1), labels[:, None]], 1).tolist())

    ours = rows(torch.cat([train.pixels, test.pixels]).long(), torch.cat([train.labels, test.labels]))
    theirs = rows((torch.from_numpy(bunch.images) * 255 / 16).round().long()[:, None], torch.from_numpy(bunch.target))
    assert ours == theirs
    assert test.labels.bincount().min() > 15  # shuffled: every class in both


def test_the_split_never_changes() -> None:
    labels = digits("test").labels
    assert labels is not None
    assert labels[:20].tolist() == [1, 1, 3, 0, 9, 5, 6, 6, 7, 7, 4, 1, 4, 7, 9, 0, 7, 7, 7, 2]
    assert digits("test").fingerprint == digits("test").fingerprint != digits("train").fingerprint


def test_only_two_splits() -> None:
    with pytest.raises(UsageError, match="'val'"):
        digits("val")
