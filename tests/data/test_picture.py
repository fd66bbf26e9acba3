from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inkwash.data.picture import Header, UnreadableError, decode, quiet_pillow, read_header, white_of

COLOUR = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)  # 6 high, 9 wide
GREY = COLOUR[..., 0]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quiet_pillow():
        yield


@pytest.mark.parametrize("ending", ["png", "bmp", "ppm", "tiff", "tga", "webp"])
def test_every_format_gives_its_pixels_back(tmp_path: Path, ending: str) -> None:
    lossless = {"lossless": True} if ending == "webp" else {}
    Image.fromarray(COLOUR).save(tmp_path / f"colour.{ending}", **lossless)
    assert read_header(tmp_path / f"colour.{ending}") == Header(False, 6, 9)
    assert np.array_equal(decode(tmp_path / f"colour.{ending}", None, 3), COLOUR.transpose(2, 0, 1))
    Image.fromarray(GREY).save(tmp_path / f"grey.{ending}", **lossless)
    assert read_header(tmp_path / f"grey.{ending}") == Header(ending != "webp", 6, 9)  # webp knows no grey
    assert np.array_equal(decode(tmp_path / f"grey.{ending}", None, 1)[0], GREY)


def test_palettes_give_their_colours(tmp_path: Path) -> None:
    palette = Image.fromarray(COLOUR).quantize(7)
    expected = np.array(palette.convert("RGB")).transpose(2, 0, 1)
    for ending in ("png", "gif", "bmp"):
        palette.save(tmp_path / f"it.{ending}")
        assert not read_header(tmp_path / f"it.{ending}").grey
        assert np.array_equal(decode(tmp_path / f"it.{ending}", None, 3), expected)


def test_of_an_animation_the_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("L", (4, 4), grey) for grey in (40, 200)]
    for ending in ("gif", "png", "tiff"):
        frames[0].save(tmp_path / f"it.{ending}", save_all=True, append_images=frames[1:])
        assert (decode(tmp_path / f"it.{ending}", None, 1) == 40).all()


def test_jpeg_comes_close(tmp_path: Path) -> None:
    smooth = np.linspace(0, 255, 64).astype(np.uint8)[:, None].repeat(64, 1)
    file = tmp_path / "it.jpg"
    Image.fromarray(smooth).save(file, quality=95)
    assert read_header(file).grey
    assert np.abs(decode(file, None, 1)[0].astype(int) - smooth).max() <= 4


def test_grey_and_colour_convert_as_asked(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "grey.png")
    Image.fromarray(COLOUR).save(tmp_path / "colour.png")
    assert np.array_equal(decode(tmp_path / "grey.png", None, 3), np.stack([GREY] * 3))
    assert np.abs(decode(tmp_path / "colour.png", None, 1)[0] - COLOUR @ [0.299, 0.587, 0.114]).max() < 1


@pytest.mark.parametrize("ending", ["png", "tiff", "pgm"])
def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path, ending: str) -> None:
    values = np.array([[0, 128, 129, 257], [4000, 32768, 65534, 65535]], dtype=np.uint16)
    file = tmp_path / f"it.{ending}"
    Image.fromarray(values).save(file)
    assert read_header(file).grey
    assert decode(file, None, 1)[0].tolist() == [[0, 0, 1, 1], [16, 128, 255, 255]]


def test_transparency_lies_on_white(tmp_path: Path) -> None:
    alpha = np.array([[0, 255, 51]], dtype=np.uint8)
    expected = [[255, 100, 224]]  # 255 - (255 - 100)·alpha
    grey = np.full_like(alpha, 100)
    Image.fromarray(np.stack([grey, alpha], -1), "LA").save(tmp_path / "la.png")
    assert read_header(tmp_path / "la.png").grey
    Image.fromarray(np.stack([grey, grey, grey, alpha], -1), "RGBA").save(tmp_path / "rgba.png")
    palette = Image.fromarray(np.array([[0, 1, 2]], dtype=np.uint8), "P")
    palette.putpalette([100] * 9)
    palette.save(tmp_path / "palette.png", transparency=bytes(alpha[0]))
    for name in ("la", "rgba", "palette"):
        assert decode(tmp_path / f"{name}.png", None, 1)[0].tolist() == expected, name
        assert decode(tmp_path / f"{name}.png", None, 3).tolist() == [expected] * 3, name


def test_a_key_colour_is_transparent_too(tmp_path: Path) -> None:
    Image.fromarray(np.array([[10, 20]], dtype=np.uint8)).save(tmp_path / "key.png", transparency=10)
    assert decode(tmp_path / "key.png", None, 1)[0].tolist() == [[255, 20]]


def test_other_modes(tmp_path: Path) -> None:
    black_or_white = GREY > 127
    Image.fromarray(black_or_white).save(tmp_path / "bits.png")
    assert read_header(tmp_path / "bits.png").grey
    assert np.array_equal(decode(tmp_path / "bits.png", None, 1)[0], black_or_white * 255)
    Image.new("CMYK", (2, 2), (0, 255, 255, 0)).save(tmp_path / "ink.tiff")
    assert decode(tmp_path / "ink.tiff", None, 3)[:, 0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("ending", ["jpg", "png", "tiff", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_set_upright(tmp_path: Path, ending: str, orientation: int) -> None:
    from PIL import ImageOps

    # four areas, so that no two orientations look alike and no compression hides it
    marks = np.kron(np.array([[0, 80], [160, 240]], dtype=np.uint8), np.ones((16, 24), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = tmp_path / f"it.{ending}"
    Image.fromarray(marks).save(file, exif=exif)
    with file.open("rb") as opened, Image.open(opened) as image:
        expected = np.array(ImageOps.exif_transpose(image).convert("L")).astype(int)
    header, got = read_header(file), decode(file, None, 1)[0]
    assert (header.height, header.width) == got.shape == expected.shape
    assert np.abs(got - expected).max() <= 12


def test_bad_metadata_does_not_spoil_a_good_image(tmp_path: Path) -> None:
    file = tmp_path / "it.jpg"
    for exif in (b"Exif\0\0nonsense", b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\xff\xff" * 9):
        Image.fromarray(COLOUR).save(file, exif=exif)
        with warnings.catch_warnings(record=True) as caught:
            read_header(file)
            assert decode(file, None, 3).shape == (3, 6, 9)
        assert not caught


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_that_says(orientation: int, where: str, file: Path) -> None:
    """A PNG that says how it lies: before or after its pixels, as EXIF, as a raw profile (ImageMagick 6), or as XMP."""
    marks = np.kron(np.array([[0, 80], [160, 240]], dtype=np.uint8), np.ones((4, 6), dtype=np.uint8))
    Image.fromarray(marks).save(file)
    exif = Image.Exif()
    exif[0x0112] = orientation
    raw = exif.tobytes().removeprefix(b"Exif\0\0")
    kind, _, place = where.partition(" ")
    profile = b"\nexif\n%8d\n" % (len(raw) + 6) + (b"Exif\0\0" + raw).hex().encode() + b"\n"
    xmp = b'<x tiff:Orientation="%d"/>' % orientation
    said = {
        "exif": chunk(b"eXIf", raw),
        "text": chunk(b"tEXt", b"Raw profile type exif\0" + profile),
        "zip": chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(profile)),
        "xmp": chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp),
    }[kind]
    whole = file.read_bytes()
    at = whole.index(b"IEND" if place == "late" else b"IDAT") - 4
    file.write_bytes(whole[:at] + said + whole[at:])


@pytest.mark.parametrize(
    "where", [f"{kind}{late}" for kind in ("exif", "text", "zip", "xmp") for late in ("", " late")]
)
@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_wherever_a_png_says_how_it_lies(tmp_path: Path, where: str, orientation: int) -> None:
    from PIL import ImageOps

    file = tmp_path / "it.png"
    png_that_says(orientation, where, file)
    with Image.open(file) as image:
        expected = np.array(ImageOps.exif_transpose(image))
    assert expected.shape == ((12, 8) if orientation >= 5 else (8, 12))
    header = read_header(file)
    assert (header.height, header.width) == expected.shape
    assert np.array_equal(decode(file, None, 1)[0], expected)


def test_a_damaged_profile_turns_nothing(tmp_path: Path) -> None:
    file = tmp_path / "it.png"
    Image.fromarray(GREY).save(file)
    whole = file.read_bytes()
    at = whole.index(b"IDAT") - 4
    file.write_bytes(whole[:at] + chunk(b"tEXt", b"Raw profile type exif\0\nexif\n 12\nno hex\n") + whole[at:])
    assert np.array_equal(decode(file, None, 1)[0], GREY)


@pytest.mark.parametrize(
    ("largest", "white"),
    [(0, 255), (255, 255), (256, 1023), (1023, 1023), (1024, 4095), (4095, 4095), (4096, 65535), (65535, 65535)],
)
def test_which_white_a_largest_value_means(largest: int, white: int) -> None:
    assert white_of(largest) == white


def test_scaling_keeps_the_middle(tmp_path: Path) -> None:
    wide = np.zeros((10, 30, 3), dtype=np.uint8)
    wide[:, 10:20] = (200, 100, 50)
    for name, array in (("wide", wide), ("high", wide.transpose(1, 0, 2))):
        Image.fromarray(np.ascontiguousarray(array)).save(tmp_path / f"{name}.png")
        same = decode(tmp_path / f"{name}.png", 10, 3)
        assert np.array_equal(same, np.array([200, 100, 50])[:, None, None] + np.zeros((3, 10, 10)))
        for size in (4, 25):
            assert decode(tmp_path / f"{name}.png", size, 3).shape == (3, size, size)


def test_shrinking_averages_instead_of_picking(tmp_path: Path) -> None:
    checks = np.indices((256, 256)).sum(0) % 2 * 255
    Image.fromarray(checks.astype(np.uint8)).save(tmp_path / "checks.png")
    small = decode(tmp_path / "checks.png", 16, 1).astype(int)
    assert np.abs(small - 127.5).max() < 3


def test_a_large_jpeg_decoded_smaller_looks_the_same(tmp_path: Path) -> None:
    y, x = np.mgrid[0:800, 0:1000] / 100
    photo = (127 + 60 * np.sin(x) + 60 * np.cos(2 * y)).astype(np.uint8)
    Image.fromarray(photo).save(tmp_path / "it.jpg", quality=95)
    Image.fromarray(photo).save(tmp_path / "it.png")
    difference = decode(tmp_path / "it.jpg", 32, 1).astype(int) - decode(tmp_path / "it.png", 32, 1)
    assert np.abs(difference).max() <= 5


@pytest.mark.parametrize("ending", ["png", "jpg", "tiff", "webp", "bmp", "gif"])
def test_what_is_cut_off_is_unreadable(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"it.{ending}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(file)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(UnreadableError):
        decode(file, None, 3)


def test_reasons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "empty.png").touch()
    for name in ("notes.txt", "empty.png"):
        with pytest.raises(UnreadableError, match="not an image that Pillow reads"):
            read_header(tmp_path / name)
    with pytest.raises(UnreadableError, match="No such file"):
        read_header(tmp_path / "nothing")
    Image.fromarray(GREY.astype(np.float32)).save(tmp_path / "floats.tiff")
    with pytest.raises(UnreadableError, match="floating-point"):
        read_header(tmp_path / "floats.tiff")
    Image.fromarray(GREY.astype(np.int32) * 1000).save(tmp_path / "ints.tiff")
    with pytest.raises(UnreadableError, match=r"pixels from \d+ to \d+, where 0 to 65535"):
        decode(tmp_path / "ints.tiff", None, 1)
    Image.fromarray(GREY).save(tmp_path / "large.png")  # 54 pixels: over one limit and twice the other
    for limit in (53, 26):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(UnreadableError, match=f"larger than Pillow's limit of {limit} pixels"):
            read_header(tmp_path / "large.png")


@pytest.mark.parametrize(("width", "height"), [(8, 4), (4, 8)])
def test_how_images_are_fitted(tmp_path: Path, width: int, height: int) -> None:
    """A red image: its middle, the whole of it between green edges, and the whole of it in another shape."""
    file = tmp_path / "a.png"
    Image.new("RGB", (width, height), "#ff0000").save(file)
    cut, pad, stretch = (decode(file, 4, 3, "#00ff00", fit=fit) for fit in ("cut", "pad", "stretch"))
    red = np.array([255, 0, 0], np.uint8)[:, None, None]
    assert (cut == red).all()
    assert (stretch == red).all()
    inner, edges = ((slice(1, 3), slice(None)), (slice(0, 4, 3), slice(None)))
    if height > width:
        inner, edges = inner[::-1], edges[::-1]
    assert (pad[:, inner[0], inner[1]] == red).all()
    assert (pad[:, edges[0], edges[1]] == np.array([0, 255, 0])[:, None, None]).all()
    assert decode(file, 4, 1, "black", fit="pad").shape == (1, 4, 4)


def test_heic_is_read_where_its_package_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    file, turned = tmp_path / "a.heic", tmp_path / "turned.heic"
    Image.fromarray(pixels).save(file, quality=-1, chroma=444, matrix_coefficients=0)  # lossless
    assert np.array_equal(decode(file, None, 3).transpose(1, 2, 0), pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(turned, quality=-1, chroma=444, matrix_coefficients=0, exif=exif.tobytes())
    assert np.array_equal(decode(turned, None, 3).transpose(1, 2, 0), np.rot90(pixels, -1))
    (tmp_path / "cut.heic").write_bytes(file.read_bytes()[:-2000])
    with pytest.raises(UnreadableError):
        decode(tmp_path / "cut.heic", None, 3)
    monkeypatch.setattr("inkwash.data.picture._heif", lambda: False)
    with pytest.raises(UnreadableError, match=r"without pillow-heif: pip install 'inkwash\[heif\]'"):
        read_header(file)


def test_avif_is_read_by_pillow_itself(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), "#ff0000").save(tmp_path / "a.avif", quality=100)
    assert abs(decode(tmp_path / "a.avif", None, 3).astype(int) - np.array([255, 0, 0])[:, None, None]).max() < 8
