"""Images and folders that nobody means well with, made from a seed."""

import io
import os
import random
import socket
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "TGA", "ICO", "PCX", "SGI", "DDS", "MPO", "JPEG2000")
NAMES = (
    "a\x1b]0;owned\x07b", "\u202egpj.exe", "=1+1", "-rf", "@x", "a\nb", "a\rb", "\u2028", "'; rm", "$HOME", "a$b$",
    "\udcff\udcfe", "{x}", "%s%n", "é", "e\u0301", "👨\u200d👩", "\u05d0\u0627", "\ufeff", "CON", "a" * 200, "`x`", "|",
    "<script>", " ", "..a", "~", "\x01", "\x7f",
)  # fmt: skip


def image(rng: random.Random, kind: str) -> bytes:
    """A small image in a format of Pillow."""
    pixels = np.random.default_rng(rng.randrange(2**32)).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, format=kind)
    return held.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, depth: int = 8, colour: int = 0, *more: bytes, data: bytes = b"") -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def zeros(size: int) -> bytes:
    """So many zeros, as zlib packs them, without packing each of them here."""
    packer = zlib.compressobj(9)
    parts = [packer.compress(bytes(2**20)) for _ in range(size >> 20)]
    return b"".join([*parts, packer.compress(bytes(size & (2**20 - 1))), packer.flush()])


CRAFTED: tuple[Callable[[], bytes], ...] = (
    lambda: png(2**31 - 1, 2**31 - 1),
    lambda: png(0, 0),
    lambda: png(9000, 9000, 16, 0, data=zeros(9000 * 18001)),  # 81 million pixels, just below Pillow's limit
    lambda: png(9000, 9000, 8, 6, data=zeros(9000 * 36001)),
    lambda: png(4, 4, 8, 0, chunk(b"zTXt", b"a\0\0" + zeros(2**27)), data=zlib.compress(bytes(20))),
    lambda: png(4, 4, 8, 0, chunk(b"iCCP", b"a\0\0" + zeros(2**27)), data=zlib.compress(bytes(20))),
    lambda: png(4, 4, 8, 0, *[chunk(b"tEXt", b"k\0v")] * 20_000, data=zlib.compress(bytes(20))),
    lambda: png(4, 4, 8, 3, data=zlib.compress(bytes(20))),  # a palette that is not there
    lambda: png(4, 4, data=zlib.compress(bytes(2**20))),
    lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run showpage\n",
    lambda: b"\xd7\xcd\xc6\x9a" + bytes(100),  # WMF
    lambda: b"GIF89a" + struct.pack("<HH", 65535, 65535) + bytes(3) + b",\0\0\0\0\xff\xff\xff\xff\0\x08\x01\0\0;",
    lambda: b"P6\n" + b"9" * 5000 + b" 1\n255\n",
    lambda: b"P5\n99999999 99999999\n255\n",
    lambda: b"P1\n" + b"#" * 100_000,
    lambda: b"BM" + bytes(8) + struct.pack("<IIiiHHI", 54, 40, 2**31 - 1, -(2**31), 1, 24, 0) + bytes(24),
    lambda: b"II*\0\x08\0\0\0" + struct.pack("<H", 65535) + b"\xff" * 600,
    lambda: b"II*\0\x08\0\0\0\0\0\x08\0\0\0",  # a directory that follows itself
    lambda: b"\xff\xd8\xff\xe1\xff\xffExif\0\0II*\0\x08\0\0\0\xff\xff" + b"\xff" * 500,
    lambda: b"RIFF\xff\xff\xff\xffWEBPVP8X\x0a\0\0\0\x12\0\0\0\xff\x3f\0\xff\x3f\0",
    lambda: b"8BPS\0\x01" + bytes(6) + struct.pack(">HIIHH", 56, 30_000, 30_000, 8, 3),
    lambda: b"\0\0\1\0\xff\xff" + b"\0" * 400,
    lambda: b"",
    lambda: b"\x89PNG",
    lambda: b"/* XPM */\nstatic char *x[] = {\n\"99999 99999 99999 99\",\n",
    lambda: b"#define x_width 99999999\n#define x_height 99999999\nstatic char x_bits[] = {",
)  # fmt: skip


def hostile_image(number: int) -> bytes:
    """Image `number`: crafted, or a small image of any format that was changed at random."""
    if number < len(CRAFTED):
        return CRAFTED[number]()
    rng = random.Random(number)
    content = bytearray(image(rng, FORMATS[number % len(FORMATS)]))
    for _ in range(rng.choice((1, 2, 8, 40))):
        place = rng.randrange(len(content))
        content[place] = rng.choice((0, 255, 127, 128, rng.randrange(256)))
    if rng.random() < 0.3:
        del content[rng.randrange(len(content)) :]
    return bytes(content)


def hostile_folder(root: Path, number: int) -> None:
    """Folder `number` below `root`: some good images, odd names, and several kinds of what a folder may hold."""
    rng = random.Random(1000 + number)
    names = rng.sample(NAMES, 3)
    homes = [root / name if rng.random() < 0.7 else root for name in names[:2]]
    for i, home in enumerate(homes * 3):
        home.mkdir(parents=True, exist_ok=True)
        (home / f"{i}{rng.choice(('.png', '.jpg', ''))}").write_bytes(image(rng, rng.choice(FORMATS[:4])))
    for _ in range(rng.randrange(1, 4)):
        rng.choice(ODD)(rng.choice(homes), names[2], rng)


def _sparse(home: Path, name: str, rng: random.Random) -> None:
    ending = rng.choice((".png", ".txt", ".jpg"))
    with (home / f"{name}{ending}").open("wb") as file:
        file.truncate(2**40)


def _socket(home: Path, name: str, rng: random.Random) -> None:
    here = Path.cwd()
    os.chdir(home)  # the path of a socket has 108 bytes at most
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"s{rng.randrange(10**6)}.png")
    finally:
        os.chdir(here)


def _table(home: Path, name: str, rng: random.Random) -> None:
    file = rng.choice(("captions.jsonl", "metadata.csv", "captions.csv"))
    content = rng.choice(TABLES)
    (home / file).write_bytes(content)


TABLES = (
    b"[" * 100_000,
    b'{"file_name": 1' + b"0" * 5000 + b"}",
    b'{"file_name": "\\u0000", "text": "x"}',
    b'{"file_name": "../../../etc/passwd", "text": "x"}',
    b'{"file_name": "0.png", "text": "\\ud800"}',
    b'{"file_name": "0.png", "text": "\\u001b]0;owned\\u0007"}',
    b"\xff\xfe" + b"\0" * 100_000,
    b"\xff\xfe\0",
    b"file_name,text\n" + b'"' * 99_999,
    b"file_name,text\n0.png," + b"x" * 200_000,
    b"file_name,text\n\x1b[2J,=1+1\n",
    b"\0" * 1000,
    b"",
    b"a" * 1_000_000,
)

Odd = Callable[[Path, str, random.Random], object]
ODD: tuple[Odd, ...] = (
    lambda home, name, rng: os.mkfifo(home / f"p{rng.randrange(10**6)}.png"),
    lambda home, name, rng: (home / f"l{rng.randrange(10**6)}.png").symlink_to(rng.choice(("/dev/zero", "/dev/stdin"))),
    lambda home, name, rng: (home / f"l{rng.randrange(10**6)}").symlink_to(rng.choice((".", "..", "/proc/self", "x"))),
    lambda home, name, rng: (home / f"h{rng.randrange(10**6)}.png").write_bytes(hostile_image(rng.randrange(200))),
    lambda home, name, rng: (home / f"{name[:90]}{rng.randrange(10**6)}.jpg").write_bytes(image(rng, "JPEG")),
    lambda home, name, rng: (home / "train").mkdir(exist_ok=True),
    _sparse,
    _socket,
    _table,
    _table,
)
