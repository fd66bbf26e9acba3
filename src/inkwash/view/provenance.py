"""The provenance of an artifact: a JSON-serialisable dict stored in the metadata of its file."""

import json
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from inkwash.errors import UsageError
from inkwash.view.ffmpeg import ffmpeg
from inkwash.view.out import PathLike

Provenance = dict[str, Any]

PNG_KEY = "inkwash"  # of an iTXt chunk
NPZ_KEY = "provenance"  # of a 0-d array of text
FOLDER_FILE = "provenance.json"
EXIF_TAG = 0x010E  # ImageDescription
_LONGEST = 2**26  # bytes of a provenance
_PIXELS = 2**31  # of all frames of an animation
# else ffmpeg takes a file called .mp4 for what its content says, and a playlist has it open other files and addresses
ONLY_MP4 = ("-protocol_whitelist", "file", "-f", "mov")


def encode(provenance: Provenance) -> str:
    """Encode the dict as one line of ASCII JSON, which every format can store.

    Raises:
        TypeError: for what JSON cannot hold.
    """
    return json.dumps(provenance)


def to_exif(text: str) -> bytes:
    """Put an encoded provenance into an EXIF block, for WebP, which has no comments."""
    from PIL import Image

    exif = Image.Exif()
    exif[EXIF_TAG] = text
    return exif.tobytes().removeprefix(b"Exif\0\0")


def read(path: PathLike) -> Provenance:
    """Find the provenance of a file, or of a folder of PNGs, that inkwash has written.

    Raises:
        UsageError: when `path` is missing, damaged or of another kind, or carries no provenance.
    """
    file = Path(path)
    if not file.exists():
        raise UsageError(f"There is no {path}.")
    if not (file.is_dir() or file.is_file()):  # reading a pipe may never end
        raise UsageError(f"{path} is neither a file nor a folder; give one that inkwash has written.")
    reader = _read_folder if file.is_dir() else READERS.get(file.suffix.lower())
    if reader is None:
        raise UsageError(f"{path} is of no kind that carries provenance. Those are {', '.join(READERS)} and folders.")
    try:
        with warnings.catch_warnings(action="ignore"):  # Pillow's, about damage
            text = reader(file)
    except Exception as error:  # what decoders raise at damaged bytes has no end: SyntaxError, struct.error, ...
        raise UsageError(f"{path} is damaged, or not what its ending says: {error}.") from error
    try:
        found = json.loads(text or "null")
    except (ValueError, RecursionError):  # another program's comment
        found = None
    if not isinstance(found, dict):
        raise UsageError(
            f"{path} carries no provenance: inkwash did not write it, another program has saved it since, "
            f"or its end is missing."
        )
    return found


def _read_folder(folder: Path) -> str | None:
    file = folder / FOLDER_FILE
    if not file.is_file():
        return None
    with file.open("rb") as opened:
        return opened.read(_LONGEST).decode("ascii")


def _read_image(file: Path) -> str | None:
    from PIL import Image, ImageSequence

    kind = file.suffix.lower()
    with Image.open(file, formats=[kind[1:]]) as image:
        text: str | None
        if kind == ".png":
            text = image.info.get(PNG_KEY)
        elif kind == ".gif":
            text = image.info.get("comment", b"").decode("latin-1")
        else:
            text = image.getexif().get(EXIF_TAG)
        left = _PIXELS
        for frame in ImageSequence.Iterator(image):
            left -= frame.width * frame.height
            if left < 0:
                raise ValueError("more frames than inkwash writes")
            frame.load()  # notices a file that breaks off
    return text


def _read_mp4(file: Path) -> str | None:
    tags = ffmpeg([*ONLY_MP4, "-i", str(file.absolute()), "-f", "ffmetadata", "-"]).decode("utf-8")
    found = re.search("^comment=(.*)$", tags, flags=re.MULTILINE)
    return re.sub(r"\\(.)", r"\1", found[1]) if found else None


def _read_npz(file: Path) -> str | None:
    with file.open("rb") as opened, np.load(opened, allow_pickle=False) as archive:
        if NPZ_KEY not in archive or archive.zip is None:
            return None
        if archive.zip.getinfo(f"{NPZ_KEY}.npy").file_size > _LONGEST:
            raise ValueError("its provenance is too long")
        return str(archive[NPZ_KEY])


READERS = {".png": _read_image, ".gif": _read_image, ".webp": _read_image, ".mp4": _read_mp4, ".npz": _read_npz}
