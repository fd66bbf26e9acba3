"""Many small pictures on one sheet."""

import math
from collections.abc import Sequence

import numpy as np

from inkwash.errors import UsageError
from inkwash.view.pixels import Pixels, check_images

BACKGROUND = 230  # a light neutral grey: black, white and coloured pictures all stand out from it
_SQUARES = (160, 200)  # greys of the checkerboard behind transparent images
LONGER_SIDE = 512  # px; below this a sheet of small pictures is hard to see on a screen of today


def grid(
    images: Pixels,
    columns: int | None = None,
    gap: int = 2,
    scale: int | None = None,
    labels: Sequence[str] | None = None,
    smooth: bool = False,
) -> Pixels:
    """Lay pictures out row by row on one sheet.

    Args:
        images: uint8 [N,H,W,C], C 1, 3 or 4; images with transparency (4) are laid on a checkerboard.
        columns: pictures per row, at most N of them; by default as many as make the sheet nearly square.
        gap: px between two pictures. There is none round the sheet: the grid of one picture is that picture.
        scale: how many px a pixel becomes, each way; by default the smallest whole number that makes the
            longer side at least 512 px, so that a sheet that had to be enlarged stays below 1024 px.
        labels: one text per row, written to its left.
        smooth: enlarge by bicubic interpolation, for pictures of so few pixels that squares hide what they show.

    Returns:
        The sheet, uint8 [H',W',C], C 1 or 3.

    Raises:
        UsageError: for images of another kind, a number out of range, or labels that are not one per row.
    """
    check_images(images)
    if images.shape[3] == 4:
        images = on_checkerboard(images)
    n, height, width, channels = images.shape
    if columns is None:
        columns = math.ceil(math.sqrt(n * height / width))
    if columns < 1 or gap < 0 or (scale is not None and scale < 1):
        raise UsageError(
            f"A grid has at least 1 column, a gap of at least 0 and a scale of at least 1; "
            f"given were columns={columns}, gap={gap}, scale={scale}."
        )
    columns = min(columns, n)
    rows = math.ceil(n / columns)
    if scale is None:
        across = math.ceil((LONGER_SIDE - gap * (columns - 1)) / (columns * width))
        down = math.ceil((LONGER_SIDE - gap * (rows - 1)) / (rows * height))
        scale = max(1, min(across, down))  # the first of the two sides to be long enough decides

    images = _smoothly(images, scale) if smooth else enlarge(images, scale)
    height, width = height * scale, width * scale
    size = (rows * (height + gap) - gap, columns * (width + gap) - gap, channels)
    sheet = np.full(size, BACKGROUND, dtype=np.uint8)  # [H',W',C]
    for i, image in enumerate(images):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        sheet[top : top + height, left : left + width] = image
    if labels is None:
        return sheet

    if len(labels) != rows:
        raise UsageError(f"A grid takes one label per row; it has {rows} rows and {len(labels)} labels.")
    from inkwash.view.label import margin  # here, as it imports Pillow

    texts = margin(labels, height, gap, BACKGROUND)  # [H',Wl]
    return np.concatenate([np.repeat(texts[:, :, None], channels, axis=2), sheet], axis=1)


def on_checkerboard(images: Pixels) -> Pixels:
    """Images with transparency on squares of two greys: uint8 [N,H,W,4] -> uint8 [N,H,W,3]."""
    _, height, width, _ = images.shape
    side = max(1, min(height, width) // 8)
    rows, columns = np.ogrid[:height, :width]
    squares = np.where((rows // side + columns // side) % 2, *_SQUARES)[..., None]  # [H,W,1]
    alpha = images[..., 3:].astype(np.float32) / 255
    laid: Pixels = np.rint(images[..., :3] * alpha + squares * (1 - alpha)).astype(np.uint8)
    return laid


def enlarge(images: Pixels, scale: int) -> Pixels:
    """Make each pixel a square of scale x scale px. uint8 [N,H,W,C] -> uint8 [N,H*scale,W*scale,C]."""
    return images.repeat(scale, axis=1).repeat(scale, axis=2)


def _smoothly(images: Pixels, scale: int) -> Pixels:
    """As `enlarge`, by bicubic interpolation."""
    from PIL import Image

    size = (images.shape[2] * scale, images.shape[1] * scale)
    planes = np.moveaxis(images, 3, 1)  # [N,C,H,W]
    large = [[Image.fromarray(plane).resize(size, Image.Resampling.BICUBIC) for plane in image] for image in planes]
    return np.moveaxis(np.array([[np.asarray(plane) for plane in image] for image in large]), 1, 3)
