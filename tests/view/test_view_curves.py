import math

import numpy as np
import pytest

from inkwash.errors import UsageError
from inkwash.view import forward_figure, loss_figure, read_provenance, write
from inkwash.view.curves import _running_mean
from inkwash.view.grid import enlarge

T = [0.0, 0.25, 0.5, 0.75, 1.0]
CURVES = {
    "alpha": (T, [1.0, 0.9, 0.7, 0.4, 0.0]),
    "sigma": (T, [0.0, 0.4, 0.7, 0.9, 1.0]),
    "log-SNR": (T, [math.inf, 1.6, 0.0, -1.6, -math.inf]),
}


def levels(n_levels: int, n: int, size: int, channels: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return list(rng.integers(0, 256, (n_levels, n, size, size, channels), dtype=np.uint8))


def holds(figure: np.ndarray, picture: np.ndarray) -> bool:
    """Whether the picture is in the figure, pixel for pixel."""
    height, width = picture.shape[:2]
    rows = [row.tobytes() for row in np.broadcast_to(picture, (height, width, 3))]
    for top in range(len(figure) - height + 1):
        at = figure[top].tobytes().find(rows[0])
        if at >= 0 and all(figure[top + i].tobytes()[at:].startswith(row) for i, row in enumerate(rows)):
            return True
    return False


def edges_are_white(figure: np.ndarray) -> bool:
    """Whether nothing reaches the edge, as text that is cut off would."""
    return all((edge == 255).all() for edge in (figure[:6], figure[-6:], figure[:, :6], figure[:, -6:]))


@pytest.mark.parametrize(("size", "channels", "scale"), [(8, 1, 29), (28, 1, 8), (64, 3, 3), (300, 3, 1)])
def test_forward_figure_shows_every_picture_pixel_for_pixel(size, channels, scale):
    images = levels(5, 2, size, channels)
    figure = forward_figure(images, ["0 %", "25 %", "50 %", "75 %", "100 %"], CURVES, "A schedule")
    assert figure.dtype == np.uint8
    assert figure.shape[2] == 3
    assert edges_are_white(figure)
    for level in (0, 2, 4):
        assert holds(figure, enlarge(images[level], scale)[1])


@pytest.mark.parametrize("n_levels", [1, 2, 11])
def test_forward_figure_takes_any_number_of_levels_and_long_texts(n_levels):
    captions = [f"step {i} of one thousand\nor so" for i in range(n_levels)]
    figure = forward_figure(levels(n_levels, 1, 28, 1), captions, {"a": (T, T)}, "A long $title, " * 12)
    assert edges_are_white(figure)


def test_forward_figure_draws_every_curve():
    images, captions = levels(1, 1, 8, 1), ["0 %"]
    many = {f"curve {i}": (T, [i * t for t in T]) for i in range(7)}
    one_less = dict(list(many.items())[:6])
    more, fewer = (forward_figure(images, captions, curves, "") for curves in (many, one_less))
    assert (more != fewer).any()


@pytest.mark.parametrize(
    ("images", "captions", "curves"),
    [
        ([], [], CURVES),
        (levels(2, 1, 8, 1), ["one"], CURVES),
        (levels(1, 1, 8, 1), ["one"], {}),
        (levels(1, 1, 8, 1), ["one"], {"a": ([0.0, 1.0], [0.0])}),
        ([*levels(1, 1, 8, 1), *levels(1, 2, 8, 1)], ["one", "two"], CURVES),
        ([np.zeros((1, 8, 8, 1))], ["one"], CURVES),
    ],
)
def test_forward_figure_refuses_what_does_not_match(images, captions, curves):
    with pytest.raises(UsageError):
        forward_figure(images, captions, curves, "")


@pytest.mark.parametrize(
    ("seen", "loss", "held_out"),
    [
        ([100], [0.5], None),
        (range(0, 100_000, 100), np.geomspace(2, 1e-4, 1000), ([0, 50_000], [2.0, 0.1])),
        ([1, 2, 3], [-1.0, 0.0, 100.0], ([], [])),
        ([1, 2, 3], [math.nan, math.inf, 0.5], ([1], [math.nan])),
        ([1, 2], [math.nan, math.nan], None),
        ([1, 2], [0.0, 0.0], None),
    ],
)
def test_loss_figure_takes_any_course(seen, loss, held_out):
    figure = loss_figure(list(seen), list(loss), held_out)
    assert edges_are_white(figure)
    assert (figure != 255).any()


def test_loss_figure_shows_the_held_out_loss():
    assert (loss_figure([1, 2], [1, 0.5]) != loss_figure([1, 2], [1, 0.5], ([1, 2], [1, 0.6]))).any()


@pytest.mark.parametrize("arguments", [([], []), ([1], [1, 2]), ([1], [1], ([1], []))])
def test_loss_figure_refuses_what_does_not_match(arguments):
    with pytest.raises(UsageError):
        loss_figure(*arguments)


def test_the_running_mean_keeps_a_line_and_both_ends():
    line = np.arange(50.0)
    assert _running_mean(line, 4)[:46] == pytest.approx(line[:46])
    assert _running_mean(line, 4)[-1] == pytest.approx(line[-5:].mean())
    assert _running_mean(line, 0) == pytest.approx(line)
    assert len(_running_mean(line[:0], 4)) == 0


def test_a_figure_is_written_as_it_is(tmp_path):
    from PIL import Image

    figure = loss_figure([1, 2, 3], [3, 2, 1])
    write(tmp_path / "loss.png", figure[None], {"run": 1})
    with Image.open(tmp_path / "loss.png") as image:
        assert (np.asarray(image) == figure).all()
    assert read_provenance(tmp_path / "loss.png") == {"run": 1}
