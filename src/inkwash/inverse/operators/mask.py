"""Masks: inpainting and outpainting."""

from pathlib import Path

import torch
from torch import Tensor

from inkwash.data.picture import UnreadableError, decode
from inkwash.errors import UsageError
from inkwash.inverse.basis import Selection
from inkwash.inverse.operator import Shape, number


def _box(shape: Shape, word: str, seed: int) -> Tensor:
    """A hole in the middle, of half the sides or of WORD pixels."""
    _, height, width = shape
    tall, wide = (int(number(word, "the side of a box", 1, 1e5)),) * 2 if word else (height // 2, width // 2)
    hole = torch.zeros(height, width, dtype=torch.bool)
    top, left = (height - tall) // 2, (width - wide) // 2
    hole[max(0, top) : top + tall, max(0, left) : left + wide] = True
    return hole


def _border(shape: Shape, word: str, seed: int) -> Tensor:
    return ~_box(shape, word, seed)


def _half(shape: Shape, word: str, seed: int) -> Tensor:
    hole = torch.zeros(shape[1:], dtype=torch.bool)
    hole[shape[1] // 2 :] = True
    return hole


def _random(shape: Shape, word: str, seed: int) -> Tensor:
    share = number(word or "0.5", "the share of hidden pixels", 0, 1)
    count = shape[1] * shape[2]
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    hole = torch.zeros(count, dtype=torch.bool)
    hole[order[: round(share * count)]] = True
    return hole.view(shape[1:])


HOLES = {"box": _box, "border": _border, "half": _half, "random": _random}


class Mask(Selection):
    """Keeps the pixels outside of a hole: y [B,C,M]. The pseudo-inverse puts 0, mid-grey, into the hole.

    `argument` is box[:SIDE] (a hole in the middle), border[:SIDE] (all but the middle: outpainting), half (the lower
    half), random[:SHARE], or a picture of the images' size in which the holes are painted white or left transparent.
    Raises UsageError for a mask of another size, without holes, or with nothing else.
    """

    def __init__(self, shape: Shape, argument: str = "box", seed: int = 0) -> None:
        kind, _, word = (argument or "box").partition(":")
        hole = HOLES[kind](shape, word, seed) if kind in HOLES else _painted(shape, argument)
        if not hole.any() or hole.all():
            raise UsageError(
                f"the mask {argument} {'hides every pixel' if hole.all() else 'has no hole, so nothing is hidden'}; "
                "in a painted mask, white is what is to be filled in."
            )
        super().__init__(shape, ~hole)
        if kind not in HOLES:
            self.files = (Path(argument),)

    def from_picture(self, picture: Tensor) -> Tensor:
        """The pixels outside of the hole of a picture of the images' size, whatever is in the hole."""
        return picture[..., self.kept] if picture.shape[1:] == self.shape else super().from_picture(picture)


def _painted(shape: Shape, name: str) -> Tensor:
    if not Path(name).is_file():
        raise UsageError(f"there is no mask {name!r}; give the name of a picture, or {', '.join(HOLES)}.")
    try:
        pixels = torch.from_numpy(decode(Path(name), None, 1))[0]
    except UnreadableError as error:
        raise UsageError(f"the mask {name} cannot be read: {error}.") from error
    if pixels.shape != shape[1:]:
        raise UsageError(
            f"the mask {name} has {pixels.shape[0]}×{pixels.shape[1]} pixels (height × width), and the images have "
            f"{shape[1]}×{shape[2]}; paint one of that size."
        )
    return pixels >= 128
