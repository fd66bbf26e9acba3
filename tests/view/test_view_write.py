"""What is written is what is read: pixels, provenance, frames and how long they stay."""

import subprocess
import sys

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image, ImageSequence

from inkwash.errors import UsageError
from inkwash.view import grid, read_provenance, write
from inkwash.view.ffmpeg import ffmpeg

ENDINGS = [".png", ".gif", ".webp", ".mp4", ".npz", "/"]


def animation(path) -> tuple[np.ndarray, list[int]]:
    """Frames as RGB uint8 [N,H,W,3], and their durations in ms."""
    with Image.open(path) as image:
        assert image.info["loop"] == 0, "it does not loop for ever"
        frames, durations = [], []
        for frame in ImageSequence.Iterator(image):
            frames.append(np.asarray(frame.convert("RGB")))
            durations.append(frame.info["duration"])
    return np.stack(frames), durations


def video(path, height: int, width: int) -> np.ndarray:
    """Frames as RGB uint8 [N,H,W,3]."""
    raw = ffmpeg(["-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


@pytest.mark.parametrize("ending", [*ENDINGS, ".PNG", ".Gif", ".MP4", ".NPZ", ".WebP"])
def test_provenance_comes_back(tmp_path, ending, images, grey_frames, provenance):
    path = f"{tmp_path}/new/folders/result{ending}"
    write(path, images, provenance, grey_frames)
    assert read_provenance(path) == provenance


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_empty_provenance_is_one_too(tmp_path, ending, images, grey_frames):
    write(f"{tmp_path}/result{ending}", images, {}, grey_frames)
    assert read_provenance(f"{tmp_path}/result{ending}") == {}


@pytest.mark.parametrize("channels", [1, 3])
def test_png_is_the_grid(tmp_path, images, channels):
    write(tmp_path / "grid.png", images[..., :channels], {}, columns=5, labels=["all"])
    sheet = grid(images[..., :channels], columns=5, labels=["all"])
    with Image.open(tmp_path / "grid.png") as image:
        assert (np.asarray(image).reshape(sheet.shape) == sheet).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_npz_is_the_images(tmp_path, images, channels, provenance):
    write(tmp_path / "all.npz", images[..., :channels], provenance)
    with np.load(tmp_path / "all.npz", allow_pickle=False) as archive:
        assert sorted(archive) == ["images", "provenance"]
        assert archive["images"].dtype == np.uint8
        assert (archive["images"] == images[..., :channels]).all()
        assert archive["provenance"].shape == ()
        assert archive["provenance"].dtype.kind == "U"


@pytest.mark.parametrize("name", ["folder", "folder/", "v1.2/"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_folder_holds_each_image_with_its_own_provenance(tmp_path, images, channels, name, provenance):
    write(f"{tmp_path}/{name}", images[..., :channels], provenance)
    folder = tmp_path / name
    files = sorted(file.name for file in folder.iterdir())
    assert files == ["00000.png", "00001.png", "00002.png", "00003.png", "00004.png", "provenance.json"]
    for i, expected in enumerate(images[..., :channels]):
        with Image.open(folder / files[i]) as image:
            assert (np.asarray(image).reshape(expected.shape) == expected).all()
        assert read_provenance(folder / files[i]) == {**provenance, "index": i}


def test_an_empty_folder_is_filled(tmp_path, images):
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty", images, {"a": 1})
    assert read_provenance(tmp_path / "empty") == {"a": 1}


@pytest.mark.parametrize("ending", [".gif", ".webp"])
def test_grey_frames_are_exact(tmp_path, images, ending, grey_frames):
    write(tmp_path / f"moving{ending}", images, {}, grey_frames)
    frames, durations = animation(tmp_path / f"moving{ending}")
    assert (frames == np.stack(grey_frames)).all()
    assert durations == [50] * 6 + [1500]


def test_frames_that_differ_little_are_exact_too(tmp_path, images):
    """Pillow stores only what has changed."""
    frames = [np.full((40, 40, 1), 90, dtype=np.uint8) for _ in range(256)]
    for i, frame in enumerate(frames):
        frame[i // 40, i % 40] = i
    write(tmp_path / "little.gif", images, {}, frames)
    assert (animation(tmp_path / "little.gif")[0] == np.stack(frames)).all()


def test_colour_webp_is_exact(tmp_path, images, colour_frames):
    write(tmp_path / "moving.webp", images, {}, colour_frames)
    frames, durations = animation(tmp_path / "moving.webp")
    assert (frames == np.stack(colour_frames)).all()
    assert durations == [50] * 6 + [1500]


def test_colour_gif_is_close_and_closest_at_the_end(tmp_path, images):
    y, x = np.mgrid[0:64, 0:64]
    result = np.stack([4 * x, 4 * y, 255 - 2 * (x + y)], axis=-1)
    noise = np.random.default_rng(0).integers(0, 256, result.shape)
    shown = [((1 - k) * noise + k * result).astype(np.uint8) for k in np.linspace(0, 1, 11)]
    write(tmp_path / "moving.gif", images, {}, shown)
    frames, durations = animation(tmp_path / "moving.gif")
    assert durations == [50] * 10 + [1500]
    errors = np.sqrt(((frames - np.stack(shown).astype(float)) ** 2).mean(axis=(1, 2, 3)))
    assert errors.max() < 30
    assert errors[-1] < 8


def test_a_gif_of_few_colours_is_exact(tmp_path, images):
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 130, 7], [3, 2, 255], [255, 255, 255]], dtype=np.uint8)
    shown = list(colours[np.random.default_rng(0).integers(0, 5, (4, 20, 30))])
    write(tmp_path / "few.gif", images, {}, shown)
    assert (animation(tmp_path / "few.gif")[0] == np.stack(shown)).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_mp4_is_close_padded_to_even_sizes_and_rests_at_the_end(tmp_path, images, channels):
    y, x = np.mgrid[0:33, 0:47]
    shown = [np.repeat((3 * x + 2 * y + 8 * k)[..., None], channels, axis=2).astype(np.uint8) for k in range(5)]
    write(tmp_path / "moving.mp4", images, {}, shown)
    frames = video(tmp_path / "moving.mp4", 34, 48)
    assert len(frames) == 4 + 30
    assert imageio_ffmpeg.count_frames_and_secs(str(tmp_path / "moving.mp4"))[1] == pytest.approx(
        4 / 20 + 1.5, abs=0.01
    )
    assert np.abs(frames[:5, :33, :47] - np.stack(shown).astype(int)).mean() < 3
    assert np.abs(frames[-1, :33, :47] - shown[-1].astype(int)).mean() < 3
    assert np.abs(frames[0, 33, :47].astype(int) - frames[0, 32, :47]).mean() < 6, "padding is no copy of the edge"


@pytest.mark.parametrize("ending", [".gif", ".webp"])
def test_alike_frames_are_merged_and_stay_as_long(tmp_path, images, ending, grey_frames):
    a, b, c, *_ = grey_frames
    write(tmp_path / f"alike{ending}", images, {}, [a, a, b, b, b, c, c])
    frames, durations = animation(tmp_path / f"alike{ending}")
    assert sum(durations) == 6 * 50 + 1500
    assert durations == [100, 150, 1550]
    assert (frames == np.stack([a, b, c])).all()


@pytest.mark.parametrize(("ending", "tick"), [(".gif", 10), (".webp", 1)])
@pytest.mark.parametrize("fps", [1, 7, 24, 30, 29.97, 50])
def test_rounded_durations_do_not_drift(tmp_path, images, ending, tick, fps, grey_frames):
    shown = grey_frames * 5
    write(tmp_path / f"moving{ending}", images, {}, shown, fps=fps)
    _, durations = animation(tmp_path / f"moving{ending}")
    assert np.cumsum(durations)[:-1] == pytest.approx(1000 / fps * np.arange(1, len(shown)), abs=tick / 2 + 1e-9)
    assert durations[-1] == 1500


@pytest.mark.parametrize("ending", [".gif", ".webp", ".mp4"])
def test_one_frame_is_an_animation_too(tmp_path, images, ending, colour_frames, provenance):
    write(tmp_path / f"one{ending}", images, provenance, colour_frames[:1])
    assert read_provenance(tmp_path / f"one{ending}") == provenance
    if ending == ".webp":
        with Image.open(tmp_path / "one.webp") as image:
            assert (np.asarray(image) == colour_frames[0]).all()


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_same_call_gives_the_same_bytes(tmp_path, ending, images, colour_frames, provenance):
    content = []
    for name in ("one", "two"):
        write(f"{tmp_path}/{name}{ending}", images, provenance, colour_frames)
        path = tmp_path / f"{name}{ending}"
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        content.append([file.read_bytes() for file in files])
    assert content[0] == content[1]


def test_the_time_of_day_is_in_no_npz(tmp_path, images):
    write(tmp_path / "a.npz", images, {})
    import zipfile

    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize("frames", [None, []])
def test_an_animation_needs_frames(tmp_path, images, frames):
    with pytest.raises(UsageError, match="frame"):
        write(tmp_path / "a.gif", images, {}, frames)
    assert list(tmp_path.iterdir()) == []


def test_frames_have_one_size(tmp_path, images, grey_frames):
    with pytest.raises(UsageError, match="one size"):
        write(tmp_path / "a.webp", images, {}, [grey_frames[0], grey_frames[1][1:]])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fps", [0, -1, 51, float("nan")])
def test_fps_has_a_range(tmp_path, images, grey_frames, fps):
    with pytest.raises(UsageError, match="frames per second"):
        write(tmp_path / "a.gif", images, {}, grey_frames, fps=fps)


def test_no_form_of_animation_holds_a_giant(tmp_path, images):
    with pytest.raises(UsageError, match="16383"):
        write(tmp_path / "a.webp", images, {}, [np.zeros((1, 20000, 1), dtype=np.uint8)])


def test_floats_are_refused(tmp_path, images):
    with pytest.raises(UsageError, match="uint8"):
        write(tmp_path / "a.npz", images / 255, {})


def test_importing_view_loads_nothing_heavy():
    heavy = "{'PIL', 'matplotlib', 'imageio', 'imageio_ffmpeg', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", f"import sys, inkwash.view; assert not {heavy}, {heavy}"], check=True)
