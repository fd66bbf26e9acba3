"""scikit-learn's handwritten digits: 1,797 real images of 8×8 pixels that need no download."""

from __future__ import annotations

import numpy as np
import torch

from inkwash.data.shuffle import permutation
from inkwash.data.source import Images, check_split

_SEED = 0  # part of what the split is: never change it
_TEST = 297


def digits(split: str) -> Images:
    """Handwritten digits: uint8 [1500,1,8,8] for "train" and [297,1,8,8] for "test", labels 0..9.

    The originals hold 0..16 and are scaled to 0..255. They come ordered by writer, hence the shuffled split.
    Raises UsageError for another split.
    """
    check_split(split)
    from sklearn.datasets import load_digits  # slow to import

    bunch = load_digits()
    pixels = torch.from_numpy(np.rint(bunch.images * (255 / 16)).astype(np.uint8))[:, None]  # [1797,1,8,8]
    labels = torch.from_numpy(bunch.target.astype(np.int64))
    order = permutation(_SEED, 0, len(pixels))
    chosen = order[-_TEST:] if split == "test" else order[:-_TEST]
    return Images("digits", split, pixels[chosen], labels[chosen], tuple("0123456789"))
