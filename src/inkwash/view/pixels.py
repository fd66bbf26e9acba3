"""What every function here takes: pictures as uint8 arrays, channels last."""

import numpy as np
import numpy.typing as npt

from inkwash.errors import UsageError

Pixels = npt.NDArray[np.uint8]


def check_images(images: Pixels) -> None:
    """Raise UsageError unless `images` is uint8 [N,H,W,C] with C 1, 3 or 4 (RGBA) and nothing empty."""
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3, 4) or 0 in images.shape:
        raise UsageError(
            f"Images to be shown are uint8 [N,H,W,C] with C 1, 3 or 4 and at least one pixel; "
            f"given was {images.dtype} {list(images.shape)}."
        )


def check_frames(frames: list[Pixels]) -> None:
    """Raise UsageError unless `frames` holds at least one picture, uint8 [H,W,C], all of one size."""
    if not frames:
        raise UsageError("An animation needs at least one frame; none was given.")
    for frame in frames:
        check_images(frame[None])
    shapes = {frame.shape for frame in frames}
    if len(shapes) > 1:
        raise UsageError(f"The frames of an animation have one size; given were {sorted(shapes)}.")
