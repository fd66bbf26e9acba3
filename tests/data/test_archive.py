"""Images in one .npz file."""

from pathlib import Path

import numpy as np
import pytest
import torch

from inkwash.data import Images, archive, digits, hold_out, load, write_archive
from inkwash.errors import UsageError


def image_set(n: int = 40, **more: object) -> Images:
    pixels = torch.randint(0, 256, (n, 3, 4, 5), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return Images("mine", "train", pixels, **more)  # type: ignore[arg-type]


SETS = {
    "bare": image_set(),
    "labels": image_set(labels=torch.arange(40) % 3, classes=("cat", "dög", "空")),
    "captions": image_set(captions=tuple((f"a {i}", "x") for i in range(40))),
    "kinds": image_set(kinds=torch.arange(40) // 2),
    "digits": digits("train"),
}


@pytest.mark.parametrize("images", SETS.values(), ids=SETS)
def test_what_is_written_is_read(images: Images, tmp_path: Path) -> None:
    write_archive(tmp_path / "a.npz", images)
    back = archive(tmp_path / "a.npz")
    assert back.fingerprint == images.fingerprint
    assert back.name == "a"
    for split, part in zip(("train", "test"), hold_out(images), strict=True):
        read = load(tmp_path / "a.npz", split)
        assert read.split == split
        assert read.fingerprint == part.fingerprint


def test_labels_without_names_are_their_own(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros((3, 2, 2, 1), np.uint8), labels=np.array([0, 2, 1]))
    assert archive(tmp_path / "a.npz").classes == ("0", "1", "2")


def test_it_is_padded_to_a_size(tmp_path: Path) -> None:
    write_archive(tmp_path / "a.npz", image_set())
    assert load(tmp_path / "a.npz", "train", size=8).shape == (3, 8, 8)
    with pytest.raises(UsageError, match="cannot be padded to 2×2"):
        load(tmp_path / "a.npz", "train", size=2)
    with pytest.raises(UsageError, match="a has 3 channels; got channels=1"):
        load(tmp_path / "a.npz", "train", channels=1)


WRONG = {
    "another name": ({"pixels": np.zeros((2, 4, 4, 1), np.uint8)}, "it has pixels"),
    "floats": ({"images": np.full((2, 4, 4, 1), 3.5)}, "values from 3.5 to 3.5; bytes 0 to 255"),
    "channels in the middle": ({"images": np.zeros((2, 5, 3, 6), np.uint8)}, r"uint8 \[2, 5, 3, 6\]"),
    "objects": ({"images": np.array([{}])}, "cannot be read as an .npz file of images"),
}


@pytest.mark.parametrize(("arrays", "words"), WRONG.values(), ids=WRONG)
def test_another_file_is_refused(arrays: dict[str, np.ndarray], words: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **arrays, allow_pickle=True)
    with pytest.raises(UsageError, match=words):
        archive(tmp_path / "a.npz")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 broken"])
def test_a_damaged_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(UsageError, match=r"a\.npz cannot be read as an \.npz file of images"):
        load(tmp_path / "a.npz", "train")
