"""Which folders are splits, and what is refused because it could be read in two ways."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inkwash.data import folder
from inkwash.data.splits import role_of
from inkwash.errors import UsageError


def images(root: Path, *folders: str, n: int = 3) -> Path:
    """n images in each folder, of a grey that is the place of the folder."""
    for place, name in enumerate(folders):
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            Image.fromarray(np.full((4, 4), place, np.uint8)).save(root / name / f"{i}.png")
    return root


def greys(root: Path, split: str, **more: str) -> set[int]:
    return set(folder(root, split=split, **more).take(torch.arange(3)).flatten().tolist())


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("train", "train"), ("Train", "train"), ("TRAINING", "train"), ("training_set", "train"),
        ("train-images", "train"),
        ("trainset", "train"), ("train2017", "train"), ("test", "test"), ("Testing", "test"), ("test_data", "test"),
        ("val", "validation"), ("valid", "validation"), ("Validation", "validation"), ("val2017", "validation"),
        ("dev", "validation"), ("eval", "validation"), ("held-out", "held out"), ("trains", None), ("cat", None),
        ("contest", None), ("data", None), ("set", None), ("2017", None), ("images", None), ("trainer", None),
        ("bullet train", None), ("", None),
    ],
)  # fmt: skip
def test_what_a_name_says(name: str, role: str | None) -> None:
    assert role_of(name) == role


@pytest.mark.parametrize(
    ("train", "test"),
    [("training", "testing"), ("Train", "Test"), ("train", "valid"), ("TRAIN", "validation"), ("train", "dev"),
     ("training_set", "test_set"), ("train", "eval"), ("train2017", "val2017")],
)  # fmt: skip
def test_splits_by_any_name(tmp_path: Path, train: str, test: str) -> None:
    images(tmp_path, f"{train}/a", f"{train}/b", f"{test}/b")
    first, second = (folder(tmp_path, split=split) for split in ("train", "test"))
    assert first.classes == second.classes == ("a", "b")
    assert (len(first), len(second)) == (6, 3)
    assert second.take(torch.arange(3)).unique().tolist() == [2]
    assert first.notes == (
        f"{train}/ is trained on, {test}/ is held out; `splits='none'` would take folders as classes.",
    )


def test_a_test_split_comes_before_a_validation_split(tmp_path: Path) -> None:
    images(tmp_path, "train", "valid", "test")
    assert greys(tmp_path, "train") == {0}
    assert greys(tmp_path, "test") == {2}
    assert "Left out: the images in valid/." in folder(tmp_path, split="train").notes


def test_an_empty_test_split_gives_way(tmp_path: Path) -> None:
    images(tmp_path, "train", "val")
    (tmp_path / "test").mkdir()
    assert greys(tmp_path, "test") == {1}


def test_a_class_called_train(tmp_path: Path) -> None:
    """Nothing vanishes: both readings are named, and a flag decides."""
    images(tmp_path, "car", "plane", "train")
    with pytest.raises(UsageError) as caught:
        folder(tmp_path, split="train")
    for words in (
        "train/ as split,",
        "car/, plane/ would be left out",
        "3 folders as a class",
        "`splits='none'` for cl",
    ):
        assert words in str(caught.value)
    both = [folder(tmp_path, split=split, splits="none") for split in ("train", "test")]
    assert both[0].classes == ("car", "plane", "train")
    assert sum(map(len, both)) == 9
    assert greys(tmp_path, "train", splits="folders", held_out="none") == {2}
    assert "Left out: the images in car/, plane/." in folder(tmp_path, split="train", splits="folders").notes


def test_classes_called_train_inside_of_splits(tmp_path: Path) -> None:
    images(tmp_path, "train/train", "train/car", "test/train", "test/car")
    assert folder(tmp_path, split="train").classes == ("car", "train")


@pytest.mark.parametrize("beside", ["labels/0.txt", "annotations/all.json", "notes.md"])
def test_what_is_no_image_beside_splits_makes_no_class(tmp_path: Path, beside: str) -> None:
    images(tmp_path, "train", "test")
    (tmp_path / beside).parent.mkdir(exist_ok=True)
    (tmp_path / beside).write_text("words")
    assert greys(tmp_path, "test") == {1}


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        (("train", "training"), "has train/, training/, which could be the same split or classes"),
        (("train", "val", "valid"), "has val/, valid/, which could be"),
        (("test", "val"), "has test/, val/ and no train/: as splits there is nothing to train on"),
        (("data/train", "data/test"), r"holds data/test/, data/train/: as splits, give the folder .*data; or"),
        (("a/train", "a/test", "b/train", "b/test"), "put the splits outside, as in train/CLASS/ and test/CLASS/"),
    ],
)
def test_what_is_refused(tmp_path: Path, folders: tuple[str, ...], said: str) -> None:
    images(tmp_path, *folders)
    with pytest.raises(UsageError, match=said) as caught:
        folder(tmp_path, split="train")
    assert "`splits='none'`" in str(caught.value)
    both = [folder(tmp_path, split=split, splits="none") for split in ("train", "test")]
    assert sum(map(len, both)) == 3 * len(folders)
    assert both[0].classes == tuple(sorted({name.split("/")[0] for name in folders}))


def test_folders_without_a_split_to_take(tmp_path: Path) -> None:
    images(tmp_path, "cats", "test")
    assert folder(tmp_path, split="train").classes == ("cats", "test")
    with pytest.raises(UsageError, match=r"has no folder train/ .* leave out `splits`"):
        folder(tmp_path, split="train", splits="folders")
