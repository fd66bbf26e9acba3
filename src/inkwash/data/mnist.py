"""MNIST and Fashion-MNIST: 60,000 training and 10,000 test images each, grey, 28×28."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from inkwash.data.fetch import find_or_fetch
from inkwash.data.idx import AGAIN, SPARE, parse_idx, unpack
from inkwash.data.source import Images, check_split
from inkwash.errors import InkwashError

_FILES = {  # of the images, of the labels
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
_SIZES = {  # bytes of the unpacked contents
    "train-images-idx3-ubyte.gz": 16 + 60_000 * 28 * 28,
    "train-labels-idx1-ubyte.gz": 8 + 60_000,
    "t10k-images-idx3-ubyte.gz": 16 + 10_000 * 28 * 28,
    "t10k-labels-idx1-ubyte.gz": 8 + 10_000,
}


@dataclass(frozen=True)
class _Set:
    name: str  # also of its folder
    torchvision: str  # its folder there
    mirrors: tuple[str, ...]
    classes: tuple[str, ...]
    sha256: dict[str, str]  # of the unpacked contents, by file


_MNIST = _Set(
    name="mnist",
    torchvision="MNIST/raw",
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    classes=tuple("0123456789"),
    sha256={
        "train-images-idx3-ubyte.gz": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte.gz": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte.gz": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte.gz": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
)
_FASHION = _Set(
    name="fashion-mnist",
    torchvision="FashionMNIST/raw",
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    classes=(
        "t-shirt/top",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ),
    sha256={
        "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
)


def mnist(split: str, data_dir: str | Path | None = None) -> Images:
    """Handwritten digits: uint8 [60000,1,28,28] for "train" and [10000,1,28,28] for "test", labels 0..9.

    The files are found, also where torchvision puts them, or downloaded by `find_or_fetch`. Raises UsageError for
    another split or a `data_dir` that is not a folder; InkwashError if a file cannot be obtained, is damaged, or is
    not the original.
    """
    return _load(_MNIST, split, data_dir)


def fashion_mnist(split: str, data_dir: str | Path | None = None) -> Images:
    """Fashion-MNIST, Zalando's articles of clothing: the format of `mnist`, with ten named classes."""
    return _load(_FASHION, split, data_dir)


def _load(which: _Set, split: str, data_dir: str | Path | None) -> Images:
    check_split(split)
    images_file, labels_file = _FILES[split]
    pixels = _array(which, images_file, 3, data_dir)  # [N,28,28]
    labels = _array(which, labels_file, 1, data_dir)  # [N]
    return Images(
        which.name,
        split,
        torch.from_numpy(pixels)[:, None],
        torch.from_numpy(labels.astype(np.int64)),
        which.classes,
    )


def _array(which: _Set, file_name: str, dimensions: int, data_dir: str | Path | None) -> NDArray[np.uint8]:
    expected = which.sha256[file_name]
    at_most = _SIZES[file_name] + SPARE
    path = find_or_fetch(
        file_name, which.name, expected, which.mirrors, data_dir, at_most=at_most, also=(which.torchvision,)
    )
    contents = unpack(path, at_most)
    array = parse_idx(contents, path, dimensions)  # before the hash: its errors for damaged files are more precise
    found = hashlib.sha256(contents).hexdigest()
    if found != expected:
        raise InkwashError(
            f"{path} is not the original file of {which.name}: the sha256 of its unpacked contents "
            f"is {found}, expected {expected}. {AGAIN}"
        )
    return array
