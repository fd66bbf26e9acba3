import itertools

import numpy as np
import pytest

from inkwash.errors import UsageError
from inkwash.view import grid, pick
from inkwash.view.grid import BACKGROUND


def numbered(n: int, height: int = 4, width: int = 4, channels: int = 1) -> np.ndarray:
    """Pictures of one value each: picture i is all i."""
    return np.broadcast_to(np.arange(n, dtype=np.uint8)[:, None, None, None], (n, height, width, channels)).copy()


def test_every_picture_lands_in_its_place_row_by_row():
    sheet = grid(numbered(6), columns=3, gap=1, scale=2)
    assert sheet.shape == (2 * 8 + 1, 3 * 8 + 2, 1)
    for i in range(6):
        top, left = i // 3 * 9, i % 3 * 9
        assert (sheet[top : top + 8, left : left + 8] == i).all()
    assert (sheet[8] == BACKGROUND).all()
    assert (sheet[:, 8] == BACKGROUND).all()


def test_what_an_incomplete_row_leaves_is_background():
    sheet = grid(numbered(3, channels=3), columns=2, gap=0, scale=1)
    assert sheet.shape == (8, 8, 3)
    assert (sheet[4:, 4:] == BACKGROUND).all()


def test_pixels_are_enlarged_to_squares():
    image = np.random.default_rng(0).integers(0, 256, (1, 3, 5, 3), dtype=np.uint8)
    assert (grid(image, scale=4)[::4, ::4] == image[0]).all()
    assert (grid(image, scale=4)[3::4, 3::4] == image[0]).all()


@pytest.mark.parametrize(("n", "rows", "columns"), [(1, 1, 1), (2, 1, 2), (4, 2, 2), (10, 3, 4), (64, 8, 8)])
def test_by_default_a_sheet_is_nearly_square(n, rows, columns):
    assert grid(numbered(n), gap=0, scale=1).shape == (rows * 4, columns * 4, 1)


def test_wide_pictures_make_a_nearly_square_sheet_too():
    assert grid(numbered(16, height=4, width=16), gap=0, scale=1).shape == (32, 32, 1)


@pytest.mark.parametrize("size", [1, 8, 28, 32, 64, 100, 511, 512, 600])
@pytest.mark.parametrize("n", [1, 5, 16, 64])
def test_the_default_scale_is_the_smallest_that_can_be_seen(n, size):
    images = numbered(n, size, size)
    smallest = next(scale for scale in itertools.count(1) if max(grid(images, scale=scale).shape) >= 512)
    sheet = grid(images)
    assert sheet.shape == grid(images, scale=smallest).shape
    assert smallest == 1 or max(sheet.shape) < 1024


def test_the_grid_of_one_large_picture_is_that_picture():
    image = np.random.default_rng(0).integers(0, 256, (1, 300, 600, 3), dtype=np.uint8)
    assert (grid(image) == image[0]).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_labels_stand_left_of_the_rows_they_name(channels):
    images = np.zeros((4, 28, 28, channels), dtype=np.uint8)
    plain = grid(images, columns=2, scale=4)
    sheet = grid(images, columns=2, scale=4, labels=["η = 0", ""])
    margin = sheet[:, : sheet.shape[1] - plain.shape[1]]
    assert (sheet[:, margin.shape[1] :] == plain).all()
    assert margin[:112].min() < 100, "nothing was written beside the first row"
    assert (margin[112:] == BACKGROUND).all(), "something was written beside the second"
    assert (margin[:, :4] == BACKGROUND).all(), "the text is cut"


def test_labels_know_greek():
    one, other = (grid(np.zeros((1, 28, 28, 1), np.uint8), labels=[letter]) for letter in "ησ")
    assert one.shape != other.shape or (one != other).any()


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 4, 4, 1), dtype=np.float32),
        np.zeros((2, 4, 4), dtype=np.uint8),
        np.zeros((2, 1, 4, 5), dtype=np.uint8),
        np.zeros((0, 4, 4, 1), dtype=np.uint8),
        np.zeros((2, 0, 4, 1), dtype=np.uint8),
    ],
)
def test_other_arrays_are_refused(images):
    with pytest.raises(UsageError, match="uint8"):
        grid(images)


@pytest.mark.parametrize("options", [{"columns": 0}, {"gap": -1}, {"scale": 0}, {"columns": 2, "labels": ["one"]}])
def test_impossible_layouts_are_refused(options):
    with pytest.raises(UsageError):
        grid(numbered(4), **options)


@pytest.mark.parametrize("n_moments", [1, 2, 3, 50, 99, 100, 101, 150, 199, 200, 1000, 1001])
@pytest.mark.parametrize("n_frames", [2, 3, 100])
def test_picked_moments_are_evenly_spread_from_first_to_last(n_moments, n_frames):
    chosen = pick(n_moments, n_frames)
    assert len(chosen) == min(n_moments, n_frames)
    assert chosen[0] == 0
    assert chosen[-1] == n_moments - 1
    steps = np.diff(chosen)
    assert len(steps) == 0 or (steps.min() >= 1 and steps.max() - steps.min() <= 1)


@pytest.mark.parametrize(("n_moments", "n_frames"), [(0, 10), (10, 1), (-1, 5)])
def test_nothing_can_be_picked_from_nothing(n_moments, n_frames):
    with pytest.raises(UsageError):
        pick(n_moments, n_frames)
