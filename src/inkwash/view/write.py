"""Writes a result in the format given by the suffix of its name."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inkwash.atomic import replacing
from inkwash.errors import UsageError
from inkwash.view import provenance as prov
from inkwash.view.animation import write_animation
from inkwash.view.grid import grid
from inkwash.view.out import ANIMATIONS, FOLDER, PathLike, array_name, check_out, form
from inkwash.view.pixels import Pixels, check_images


def write(
    path: PathLike,
    images: Pixels,
    provenance: prov.Provenance,
    frames: Sequence[Pixels] | None = None,
    *,
    columns: int | None = None,
    labels: Sequence[str] | None = None,
    smooth: bool = False,
    fps: float = 20.0,
    arrays: Mapping[str, Any] | None = None,
    scale: int | None = None,
) -> None:
    """Write `images`, or for an animation `frames`, to `path`, with the provenance inside.

    The same arguments give the same bytes. The file, or the folder, appears whole or not at all.

    Args:
        path: its ending chooses the form, and folders above it are made as needed.
            .png: one grid of the images.
            .gif, .webp: the frames, looping; the last stays 1.5 s. Pixels are exact, but a GIF in colour
            has 256 colours. Frames that look alike are stored as one that stays longer.
            .mp4: the same for once through, compressed with loss and padded to even sizes.
            .npz: the array "images"; .adm.npz: the array "arr_0".
            none, or a slash: a folder of 00000.png, 00001.png, ... and provenance.json.
        images: uint8 [N,H,W,C], C 1, 3 or 4. A single large one, such as a figure, is a grid of itself. A grid has a
            checkerboard behind images with transparency (4); other forms keep it.
        provenance: JSON-serialisable. Each PNG of a folder adds to it its own "index".
        frames: for an animation, whole sheets as `grid` makes them: uint8 [H',W',C], all of one size.
        columns: of the grid in a .png, as `grid` takes it.
        labels: one per row of the grid in a .png, as `grid` takes them.
        smooth: how the grid in a .png is enlarged, as `grid` takes it.
        fps: frames per second of an animation, 1 to 50.
        arrays: further arrays of an .npz, by name.
        scale: of the grid in a .png, as `grid` takes it.

    Raises:
        UsageError: for a path that `check_out` refuses, or images or frames of another kind.
        InkwashError: when the system refuses, as when the disk is full; nothing was changed then.
        TypeError: for a provenance that JSON cannot hold.
    """
    check_out(path)
    check_images(images)
    ending, target, text = form(path), Path(path), prov.encode(provenance)
    if ending in ANIMATIONS and frames is None:
        raise UsageError(f"{path} is an animation and needs frames; none were given. Write a .png or .npz instead.")
    sheet = grid(images, columns, scale=scale, labels=labels, smooth=smooth) if ending == ".png" else None
    with replacing(target, folder=ending == FOLDER) as temporary:
        if sheet is not None:
            _write_png(temporary, sheet, text)
        elif ending == ".npz":
            _write_npz(temporary, {array_name(target): images, **(arrays or {})}, text)
        elif ending == FOLDER:
            _write_folder(temporary, images, provenance)
        else:
            write_animation(temporary, list(frames or []), fps, text)


def to_png(picture: Pixels, provenance: prov.Provenance) -> bytes:
    """One picture, uint8 [H,W,C], as the PNG that `write` would write."""
    file = io.BytesIO()
    _write_png(file, picture, prov.encode(provenance))
    return file.getvalue()


def _write_png(path: Path | io.BytesIO, picture: Pixels, text: str) -> None:
    from PIL import Image, PngImagePlugin

    info = PngImagePlugin.PngInfo()
    info.add_itxt(prov.PNG_KEY, text)
    squeezed = picture[:, :, 0] if picture.shape[2] == 1 else picture
    Image.fromarray(squeezed).save(path, format="PNG", pnginfo=info)


def _write_npz(path: Path, arrays: Mapping[str, Any], text: str) -> None:
    """As np.savez does, with the times of the entries pinned."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in (*arrays.items(), (prov.NPZ_KEY, np.array(text))):
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)


def _write_folder(folder: Path, images: Pixels, provenance: prov.Provenance) -> None:
    digits = max(5, len(str(len(images) - 1)))  # so that names in order are images in order
    for i, image in enumerate(images):
        _write_png(folder / f"{i:0{digits}}.png", image, prov.encode({**provenance, "index": i}))
    (folder / prov.FOLDER_FILE).write_text(prov.encode(provenance) + "\n", encoding="ascii")
