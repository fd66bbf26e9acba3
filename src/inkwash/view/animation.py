"""Writes frames as GIF, WebP or MP4. GIF and WebP loop; all hold their last frame."""

import io
from itertools import chain, pairwise, repeat
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from inkwash.errors import UsageError
from inkwash.view import provenance
from inkwash.view.ffmpeg import ffmpeg
from inkwash.view.frames import pick
from inkwash.view.pixels import Pixels, check_frames

if TYPE_CHECKING:
    from PIL import Image

HOLD = 1.5  # seconds on the last frame, which is the result
LARGEST = 16383  # px; what WebP can hold, and H.264 players about as much


def write_animation(path: Path, frames: list[Pixels], fps: float, text: str) -> None:
    """Write `frames` in the format given by the suffix of `path`.

    Args:
        path: ends in .gif, .webp or .mp4.
        frames: at least one, uint8 [H,W,C], all of one size.
        fps: frames per second, 1 to 50: browsers slow down a GIF that is faster.
        text: the provenance, encoded.

    Raises:
        UsageError: for no frames, frames of unlike size or more than 16383 px a side, or fps out of range.
        OSError: when it cannot be written.
    """
    check_frames(frames)
    if max(frames[0].shape) > LARGEST:
        raise UsageError(
            f"An animation is at most {LARGEST} px wide and high; given were frames of {frames[0].shape[1]} "
            f"by {frames[0].shape[0]} px. Show fewer images, or write a .png."
        )
    if not 1 <= fps <= 50:
        raise UsageError(f"An animation runs at 1 to 50 frames per second; given were {fps}.")
    WRITERS[path.suffix.lower()](path, frames, fps, text)


def durations(n_frames: int, fps: float, ticks: int) -> list[int]:
    """The duration of each frame in units of 1/ticks s. Rounding errors do not add up; the last frame lasts HOLD."""
    starts = [round(i * ticks / fps) for i in range(n_frames)]
    return [b - a for a, b in pairwise(starts)] + [round(HOLD * ticks)]


def _write_gif(path: Path, frames: list[Pixels], fps: float, text: str) -> None:
    from PIL import Image

    if frames[0].shape[2] == 1:
        palette = bytes(np.arange(256, dtype=np.uint8).repeat(3))  # every grey is itself: pixels are exact
        pictures = [Image.fromarray(frame[:, :, 0]) for frame in frames]
    else:
        shared = _shared_palette(frames)
        palette = bytes(shared.getpalette() or [])
        # Not dithered: that would sprinkle dots over pixels that were enlarged to be seen as they are.
        pictures = [Image.fromarray(frame).quantize(palette=shared, dither=Image.Dither.NONE) for frame in frames]
    pictures[0].save(
        path,
        format="GIF",
        save_all=True,
        append_images=pictures[1:],
        palette=palette,
        duration=[10 * hundredths for hundredths in durations(len(frames), fps, 100)],  # ms, as Pillow counts
        loop=0,
        interlace=0,
        comment=text.encode("ascii"),
    )


def _shared_palette(frames: list[Pixels]) -> "Image.Image":
    """Choose 256 colours for all frames; the last frame has half of the weight, since it is shown longest."""
    from PIL import Image

    some = [frames[i] for i in pick(len(frames), 8)]
    thin = max(1, max(frames[0].shape) // 256)
    pixels = np.concatenate([frame[::thin, ::thin] for frame in some + [frames[-1]] * len(some)])
    return Image.fromarray(pixels).quantize(256, method=Image.Quantize.MEDIANCUT)


def _write_webp(path: Path, frames: list[Pixels], fps: float, text: str) -> None:
    from PIL import Image

    pictures = [Image.fromarray(frame.repeat(3, axis=2) if frame.shape[2] == 1 else frame) for frame in frames]
    pictures[0].save(
        path,
        format="WEBP",
        save_all=True,
        append_images=pictures[1:],
        lossless=True,
        quality=20,  # of the search for a smaller file: a quarter of the default's time for 1 % more bytes
        duration=durations(len(frames), fps, 1000),  # ms
        loop=0,
        exif=provenance.to_exif(text),
    )


def _write_mp4(path: Path, frames: list[Pixels], fps: float, text: str) -> None:
    height, width, channels = frames[0].shape
    even = ((0, height % 2), (0, width % 2), (0, 0))  # H.264 as all can play it has even sizes
    video = io.BytesIO()
    for frame in chain(frames, repeat(frames[-1], round(HOLD * fps) - 1)):
        video.write(np.pad(frame, even, mode="edge").tobytes())
    size = f"{width + width % 2}x{height + height % 2}"
    given = ["-f", "rawvideo", "-pix_fmt", "gray" if channels == 1 else "rgb24", "-s", size, "-r", str(fps)]
    wanted = ["-c:v", "libx264", "-crf", "18", "-pix_fmt", "yuv420p", "-f", "mp4"]
    tag = ["-metadata", f"comment={text}"]
    ffmpeg(["-y", *given, "-i", "-", *wanted, *tag, str(path.absolute())], video.getvalue())


WRITERS = {".gif": _write_gif, ".webp": _write_webp, ".mp4": _write_mp4}
