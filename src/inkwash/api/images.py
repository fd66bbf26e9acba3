"""Images drawn from a run: an array with its provenance and a notebook display."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inkwash.api.picture import Picture
from inkwash.data import to_float
from inkwash.errors import UsageError
from inkwash.progress import images_bar
from inkwash.runs.artifacts import FRAMES, SHOWN, write_drawn
from inkwash.runs.draw import Drawing, channels_first, draw, smooth
from inkwash.runs.model import TrainedModel
from inkwash.runs.provenance import provenance
from inkwash.runs.sheets import laid_out
from inkwash.settings import Sampling
from inkwash.view import check_out, grid, needs_frames
from inkwash.view.pixels import Pixels

MOST = 100  # images that a notebook shows


@dataclass(frozen=True, eq=False, repr=False)
class Images:
    """n images, uint8 [n,H,W,C] with C = 1 or 3.

    `images[3]` is an array [H,W,C]; a slice, a list of indices or a mask returns Images. numpy functions accept Images.
    """

    pixels: Pixels
    model: TrainedModel
    sampling: Sampling
    batch_size: int
    chosen: tuple[int, ...] | None = None  # which images of `sampling` these are; None: the first sampling.n
    guide: str | None = None  # digest of the checkpoint of a weaker run that guided

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, H, W, C)."""
        return self.pixels.shape

    def numpy(self) -> Pixels:
        """A copy as an array, uint8 [n,H,W,C]."""
        return self.pixels.copy()

    def tensor(self) -> Tensor:
        """The images as network input: float32 [n,C,H,W] in [−1, 1]."""
        return to_float(channels_first(self.pixels))

    def grid(self, columns: int | None = None) -> Picture:
        """All images in one grid, nearly square by default; with `label="all"`, one row for each class."""
        images, across, labels = self.pixels, columns, None
        if self.chosen is None:
            images, across, labels = laid_out(images, self.model, self.sampling, columns)
        sheet = grid(images, across, labels=labels, smooth=smooth(self.model.shape))
        return Picture(sheet, provenance(self.model, self.sampling, self.batch_size, columns, self.chosen, self.guide))

    def save(self, path: str | os.PathLike[str], columns: int | None = None, progress: bool = True) -> Path:
        """Writes the images and their provenance in the format of the suffix of `path`, as `inkwash sample --out` does.

        .png is a grid with `columns` columns; .gif, .webp and .mp4 animate the sampling of the first 36 images, which
        are drawn again from the same seed; .npz contains the array "images"; a name without a suffix, or with a
        trailing slash, is a folder of PNGs. Raises UsageError for any other suffix, and for an animation of images
        that are not the first of their seed.
        """
        check_out(path)
        frames: list[Any] = []
        if needs_frames(path):
            if self.chosen is not None:
                raise UsageError(
                    "an animation shows the first images of a seed; save `images[:8]`, not a selection that leaves "
                    "some out, or draw with another `seed`."
                )
            few = replace(self.sampling, n=min(len(self), SHOWN))
            with images_bar(few, progress) as on_images:
                drawn = draw(self.model, few, self.batch_size, frames=FRAMES, shown=SHOWN, tick=on_images)
            frames = drawn.frames
        drawing = Drawing(self.pixels, frames, 0, self.guide)
        write_drawn(path, drawing, self.model, self.sampling, self.batch_size, columns, self.chosen)
        return Path(path)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self.pixels, dtype=dtype, copy=copy)

    def __len__(self) -> int:
        return len(self.pixels)

    def __iter__(self) -> Iterator[Pixels]:
        return iter(self.pixels)

    def __getitem__(self, index: int | slice | Sequence[int] | Any) -> Any:
        if isinstance(index, int | np.integer):
            return self.pixels[index]
        if isinstance(index, tuple):
            return self.pixels[index]  # numpy indexing of several axes returns an array
        at = np.arange(len(self))[index if isinstance(index, slice) else np.asarray(index)]
        if at.ndim != 1 or not len(at):
            raise UsageError(f"`images[{index}]` selects no images; there are {len(self)}.")
        mine = at.tolist() if self.chosen is None else [self.chosen[i] for i in at]
        if mine == list(range(len(mine))):
            return replace(self, pixels=self.pixels[at], sampling=replace(self.sampling, n=len(mine)), chosen=None)
        sampling = replace(self.sampling, n=max(mine) + 1)
        return replace(self, pixels=self.pixels[at], sampling=sampling, chosen=tuple(mine))

    def __repr__(self) -> str:
        n, height, width, channels = self.shape
        of = self.model.folder.name
        return f"Images({n} of {height}×{width}×{channels}, uint8, from {of}, seed {self.sampling.seed})"

    def _repr_png_(self) -> bytes:
        shown: Images = self[:MOST]
        return shown.grid()._repr_png_()


def as_tensor(images: Any, shape: tuple[int, int, int]) -> Tensor:
    """Converts images, uint8 [n,H,W,C] or float [n,C,H,W], to float32 [n,C,H,W] in [−1, 1]."""
    import numpy as np

    from inkwash.data import to_float
    from inkwash.runs.draw import channels_first

    x = images if isinstance(images, Tensor) else torch.from_numpy(np.array(images))
    if x.dtype == torch.uint8 and x.ndim == 4 and tuple(x.shape[1:]) == (*shape[1:], shape[0]):
        return to_float(channels_first(x.numpy()))
    if x.is_floating_point() and x.ndim == 4 and tuple(x.shape[1:]) == shape:
        return x.float()
    channels, height, width = shape
    raise UsageError(
        f"`images` is uint8 [n,{height},{width},{channels}], or float [n,{channels},{height},{width}] in [−1, 1]; "
        f"got {str(x.dtype).removeprefix('torch.')} {list(x.shape)}."
    )
