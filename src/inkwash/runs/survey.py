"""What `inkwash data` tells of images before they are trained on, and a sheet of them."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inkwash import __version__, settings
from inkwash.data import Images, Source, class_counts, class_table, describe
from inkwash.foreign import harmless
from inkwash.runs import build
from inkwash.runs.provenance import place
from inkwash.view import write
from inkwash.view.grid import BACKGROUND

_ROWS, _COLUMNS, _LONGEST = 40, 10, 70  # classes of a sheet, images in a row, characters of a caption


@dataclass(frozen=True)
class Survey:
    """The images that a training would use, and sentences about them."""

    data: settings.Data
    train: Source
    test: Source
    lines: tuple[str, ...]


def survey(data: settings.Data, data_dir: Path | None = None) -> Survey:
    """Loads the images that a training with these settings would use. Raises what `inkwash train` raises for them."""
    train, test = (build.images(data, split, data_dir) for split in ("train", "test"))
    channels, height, width = train.shape
    values = math.prod(train.shape) * (len(train) + (len(test) if data.held_out != "none" else 0))
    megabytes = f"{values / 1e6:,.{1 if values >= 1e5 else 4}f}"
    where = "in memory" if isinstance(train, Images) else "decoded as they are needed"
    lines = [
        f"{harmless(train.name)}: images of {height}×{width}×{channels}, {megabytes} MB of pixels, {where}.",
        *describe(train, test, data.held_out),
        *_captions(train),
        *class_table(train, test, data.held_out),
    ]
    return Survey(data, train, test, tuple(lines))


def _captions(train: Source) -> list[str]:
    if not train.captions:
        return []
    several = sum(len(each) > 1 for each in train.captions)
    more = f", {several:,} of them with several" if several else ""
    first = train.captions[0][0]
    shown = first if len(first) <= _LONGEST else first[: _LONGEST - 1] + "…"
    return [f"{len(train.captions):,} images have captions{more}. The first is: {harmless(shown)}"]


def write_sheet(found: Survey, out: Path) -> None:
    """Draws some of the training images to a PNG file: a row for each class, or one sheet without classes.

    At most 40 classes are drawn, with 10 images each, equally spaced in the order of the set.
    """
    from inkwash.view.label import unshown

    source, labels = found.train, found.train.labels
    shape = (source.shape[1], source.shape[2], source.shape[0])
    if labels is None or len(source.classes) < 2:
        images, columns, names = _taken(source, _spaced(torch.arange(len(source)), _COLUMNS**2)), None, None
    else:
        rows, names = [], []
        for number in [i for i, count in enumerate(class_counts(source)) if count][:_ROWS]:
            row = np.full((_COLUMNS, *shape), BACKGROUND, np.uint8)
            chosen = _taken(source, _spaced((labels.cpu() == number).nonzero()[:, 0], _COLUMNS))
            row[..., 3:] = 255  # opaque, if they have transparency
            row[: len(chosen)] = chosen
            rows.append(row)
            names.append(f"{number}: {source.classes[number]}")
        images, columns = np.concatenate(rows), _COLUMNS
        for i in unshown(names):
            names[i] = f"number:{names[i].partition(':')[0]}"
    data = asdict(found.data) | {"source": place(Path(found.data.source))}
    about = {"inkwash": __version__, "command": "data", "data": data, "fingerprint": source.fingerprint}
    write(out, images, about, columns=columns, labels=names)


def _spaced(indices: torch.Tensor, most: int) -> torch.Tensor:
    """At most `most` of the indices, equally spaced."""
    count = min(most, len(indices))
    return indices[torch.linspace(0, len(indices) - 1, count, dtype=torch.float64).long()]


def _taken(source: Source, indices: torch.Tensor) -> Any:
    return source.take(indices).cpu().permute(0, 2, 3, 1).numpy()
