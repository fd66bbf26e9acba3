"""UCI's handwritten digits: 1,797 real images of 8×8 pixels that come with the package and need no download.

They are the test part of "Optical Recognition of Handwritten Digits" (E. Alpaydin and C. Kaynak, 1998, UCI Machine
Learning Repository, https://doi.org/10.24432/C50P49), which UCI publishes under CC BY 4.0; digits.txt, next to the
file, says more. digits.npz was made from the copy in scikit-learn:

    bunch = sklearn.datasets.load_digits()
    np.savez_compressed("digits.npz", images=bunch.images.astype(np.uint8), labels=bunch.target.astype(np.uint8))
"""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import torch

from inkwash.data.shuffle import permutation
from inkwash.data.source import Images, check_split

_SEED = 0  # determines the split: never change it
_TEST = 297


def digits(split: str) -> Images:
    """Handwritten digits: uint8 [1500,1,8,8] for "train" and [297,1,8,8] for "test", labels 0..9.

    The original values 0..16 are scaled to 0..255. The original images are ordered by writer, so they are shuffled
    before they are split.
    Raises UsageError for another split.
    """
    check_split(split)
    with files("inkwash.data").joinpath("digits.npz").open("rb") as file, np.load(file) as stored:
        images, labels = stored["images"], torch.from_numpy(stored["labels"].astype(np.int64))
    pixels = torch.from_numpy(np.rint(images * np.float64(255 / 16)).astype(np.uint8))[:, None]  # [1797,1,8,8]
    order = permutation(_SEED, 0, len(pixels))
    chosen = order[-_TEST:] if split == "test" else order[:-_TEST]
    return Images("digits", split, pixels[chosen], labels[chosen], tuple("0123456789"))
