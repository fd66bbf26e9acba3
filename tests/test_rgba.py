"""Images with transparency: four channels from the files to the sheet, on a checkerboard."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cli_runner import TINY, did, refused
from inkwash.data import folder, load
from inkwash.view import grid

SMALL = (*TINY, "--mults", 1, "--attention", "--heads", 1, "--patch", 1)


def draw(root: Path, n: int = 8, side: int = 8) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(0, 256, (n, side, side, 4), dtype=np.uint8)
    pixels[..., 3] = np.maximum(pixels[..., 3], 1)
    pixels[:, :2, :, 3] = 0
    root.mkdir()
    for i, image in enumerate(pixels):
        Image.fromarray(image).save(root / f"{i}.png")
    return pixels


def mode(file: Path) -> str:
    with Image.open(file) as image:
        return image.mode


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 2 steps on images with transparency, to be read only."""
    root = tmp_path_factory.mktemp("rgba")
    draw(root / "art")
    did("train", root / "art", "--image-channels", 4, *SMALL, "--steps", 2, "--out", root / "run")
    return root / "run"


@pytest.mark.parametrize("background", ["white", "#102030"])
def test_transparency_is_kept_and_what_is_hidden_is_the_background(tmp_path: Path, background: str) -> None:
    pixels = draw(tmp_path / "art")
    source = folder(tmp_path / "art", channels=4, background=background)
    found = source.pixels.permute(0, 2, 3, 1).numpy()
    pixels[:, :2, :, :3] = (255,) * 3 if background == "white" else (0x10, 0x20, 0x30)
    assert np.array_equal(found, pixels)
    assert source.notes == ("8 file(s) have an alpha channel or a transparent colour, which is kept.",)
    assert folder(tmp_path / "art").shape == (3, 8, 8)


def test_files_without_transparency_are_opaque(tmp_path: Path) -> None:
    (tmp_path / "art").mkdir()
    Image.new("L", (4, 4), 7).save(tmp_path / "art" / "a.png")
    Image.new("RGB", (4, 2), "#ff0000").save(tmp_path / "art" / "b.png")
    found = folder(tmp_path / "art", channels=4, size=4, fit="pad").pixels
    assert found[0].flatten(1).unique(dim=1)[:, 0].tolist() == [7, 7, 7, 255]
    assert found[1, 3].tolist() == [[0] * 4, [255] * 4, [255] * 4, [0] * 4]


def test_what_is_sampled_is_read_again(run: Path, tmp_path: Path) -> None:
    did("sample", run, "--steps", 1, "-n", 4, "--out", tmp_path / "a.npz", "--out", f"{tmp_path / 'pngs'}/")
    drawn = np.load(tmp_path / "a.npz")["images"]
    assert drawn.shape == (4, 8, 8, 4)
    assert mode(tmp_path / "pngs" / "00000.png") == "RGBA"
    again = load(tmp_path / "a.npz", "train", held_out="none").pixels
    assert torch.equal(again, torch.from_numpy(drawn).permute(0, 3, 1, 2))


def test_a_sheet_has_a_checkerboard(run: Path, tmp_path: Path) -> None:
    did("sample", run, "--steps", 1, "-n", 4, "--out", tmp_path / "a.png", "--out", tmp_path / "a.gif")
    assert mode(tmp_path / "a.png") == "RGB"
    clear = np.zeros((1, 8, 8, 4), np.uint8)
    assert sorted(np.unique(grid(clear, scale=1))) == [160, 200]
    opaque = clear.copy()
    opaque[..., :] = (10, 20, 30, 255)
    assert (grid(opaque, scale=1) == (10, 20, 30)).all()
    half = clear.copy()
    half[..., :] = (0, 0, 0, 51)  # a fifth
    assert sorted(np.unique(grid(half, scale=1))) == [128, 160]


@pytest.mark.slow
def test_figures_and_pictures(run: Path, tmp_path: Path) -> None:
    did("forward", run, "--out", tmp_path / "forward.png")
    did("data", run, "--sheet", tmp_path / "sheet.png")
    draw(tmp_path / "art", 1)
    asked = ("--operator", "mask:half", "--steps", 1, "-n", 1)
    did("restore", run, tmp_path / "art" / "0.png", *asked, "--out", tmp_path / "a.npz")
    Image.new("RGB", (8, 8)).save(tmp_path / "rgb.png")
    said = refused("restore", run, tmp_path / "rgb.png", *asked, "--out", tmp_path / "b.npz")
    assert "in colour with transparency is needed" in said
