"""A disk cache for the outputs of pretrained text encoders."""

import contextlib
import json
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from inkwash.atomic import replacing
from inkwash.data.fetch import cache_folder
from inkwash.data.sealed import seal
from inkwash.errors import InkwashError
from inkwash.foreign import harmless
from inkwash.text.encoder import TextEncoder, check_texts
from inkwash.text.joint import Joint

_AT_ONCE = 256  # texts between two updates of the progress bar


def encode_cached(encoder: TextEncoder, texts: Sequence[str]) -> Tensor:
    """encoder(texts), one row per text; only texts that are not in the cache are computed.

    The cache is text/DIGEST.npz in the cache folder, one file per encoder: 1.5 KB for a text of 384 numbers. A damaged
    file is computed again, and a failure to write it is ignored. `Joint` is not cached, since it is fast. Raises what
    the encoder raises.
    """
    texts = check_texts(texts)
    if isinstance(encoder, Joint) or not texts:
        return encoder(texts)
    file = cache_folder() / "text" / f"{encoder.digest}.npz"
    known = _read(file)
    new = sorted({*texts} - known.keys(), key=lambda text: (len(text), text))  # by length, to minimise padding
    if new:
        with tqdm(total=len(new), desc=harmless(f"texts through {encoder.name}"), unit="text", delay=2) as bar:
            for i in range(0, len(new), _AT_ONCE):
                part = new[i : i + _AT_ONCE]
                known |= dict(zip(part, encoder(part).numpy(), strict=True))
                bar.update(len(part))
        with contextlib.suppress(InkwashError):
            _write(file, known)
    return torch.from_numpy(np.stack([known[text] for text in texts]))


def _read(file: Path) -> dict[str, np.ndarray]:
    """Text -> its row [width]; {} if the file does not exist or is damaged."""
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as held:
            packed, rows, sealed = held["texts"], held["rows"], str(held["sha256"])
        if rows.ndim != 2 or rows.dtype != np.float32 or seal(file.name, packed, rows) != sealed:
            return {}
        texts = json.loads(packed.tobytes())
        return dict(zip(texts, rows, strict=True))
    except (OSError, EOFError, ValueError, TypeError, KeyError, zipfile.BadZipFile, zlib.error):
        return {}


def _write(file: Path, known: dict[str, np.ndarray]) -> None:
    texts = np.frombuffer(json.dumps(list(known)).encode(), dtype=np.uint8)
    rows = np.stack(list(known.values()))
    with replacing(file) as temporary:
        np.savez(temporary, texts=texts, rows=rows, sha256=seal(file.name, texts, rows))
