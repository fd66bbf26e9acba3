"""Features that need no download: those of a small classifier trained on the data set itself.

It is trained in float64 with smooth activations and fixed seeds. Training amplifies rounding errors, but those of
float64 stay far below the precision of any score, so the features are the same on every machine.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import parent_process
from pathlib import Path
from typing import final

import safetensors.torch
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor, nn

from inkwash.atomic import replacing
from inkwash.data import Source, cache_folder, indices, to_float
from inkwash.data.sealed import seal
from inkwash.errors import InkwashError, UsageError
from inkwash.foreign import say
from inkwash.lock import waiting

WIDTH = 64  # features
SIDE = 32  # px; blocks of pixels of larger images become channels, so that no pixel is lost
STEPS, BATCH, RATE = 1500, 128, 2e-3
RECIPE = f"inkwash classifier 2: {WIDTH=} {SIDE=} {STEPS=} {BATCH=} {RATE=}"


class Reader(nn.Module):
    """uint8 [N,C,H,W] -> features [N,64]; `head` maps these to logits [N,K]. All in float64.

    `scale` normalises the features to mean square 1 on the training set, so that distances on different data sets
    have similar magnitudes.
    """

    scale: Tensor

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        channels, height, width = shape
        self.block = -(-max(height, width) // SIDE)
        halved = [(-(-side // self.block) + 1) // 2 for side in (height, width)]
        area = ((halved[0] + 1) // 2) * ((halved[1] + 1) // 2)
        self.first = nn.Conv2d(channels * self.block**2, 16, 5, stride=2, padding=2)
        self.second = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.mixed = nn.Linear(32 * area, WIDTH)
        self.head = nn.Linear(WIDTH, classes)
        self.register_buffer("scale", torch.ones(()))
        self.double()

    def forward(self, pixels: Tensor) -> Tensor:
        return self.features(to_float(pixels))

    def features(self, images: Tensor) -> Tensor:
        """[N,C,H,W] in [−1, 1] -> features [N,64], differentiable."""
        x = images.double()
        if self.block > 1:
            right, below = (-side % self.block for side in (x.shape[3], x.shape[2]))
            x = F.pixel_unshuffle(F.pad(x, (0, right, 0, below), mode="replicate"), self.block)
        x = F.silu(self.second(F.silu(self.first(x))))
        features: Tensor = F.silu(self.mixed(x.flatten(1)))
        return features * self.scale


@final
@dataclass(frozen=True)
class Classifier:
    """The features and the classifier on top of them. `accuracy` is that on held-out images, in [0, 1]."""

    reader: Reader
    classes: tuple[str, ...]
    accuracy: float
    digest: str
    name: str = "classifier"

    def __call__(self, pixels: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.cat([self.reader(part) for part in torch.split(pixels, 256)])

    def read(self, features: Tensor) -> Tensor:
        """The most likely class of each image, int64 [N], from features [N,64]."""
        with torch.no_grad():
            read: Tensor = self.reader.head(features).argmax(1)
        return read

    def log_p(self, images: Tensor, labels: Tensor) -> Tensor:
        """log p(label | image), [N], of images [N,C,H,W] in [−1, 1]; differentiable."""
        logits = self.reader.head(self.reader.features(images.cpu()))
        return -F.cross_entropy(logits, labels.cpu(), reduction="none")


def key(train: Source) -> str:
    """sha256 hex of all that determines the classifier of a training set: the set and the recipe above."""
    recipe = RECIPE if max(train.shape[1:]) <= SIDE else f"{RECIPE}, blocks as channels"
    return hashlib.sha256(f"{recipe} {train.fingerprint}".encode()).hexdigest()


def classifier(train: Source, test: Source, tick: Callable[[int, int], None] = lambda step, steps: None) -> Classifier:
    """The classifier of a labelled training set, loaded from the cache folder or trained, in about a minute.

    `tick(step, steps)` is called during training. Raises UsageError for images without labels, or of one class.
    """
    if not has_classes(train):
        raise UsageError(
            f"{train.name} has {'no labels' if train.labels is None else 'one class only'}, so no classifier can be "
            "trained on it; take `features='pixels'`, without `class_scores`."
        )
    path = cache_folder() / "features" / f"classifier-{key(train)[:24]}.safetensors"
    with torch.random.fork_rng(devices=[]):  # leaves the caller's random state unchanged
        reader = Reader(train.shape, len(train.classes))
    accuracy = _restored(reader, path)
    if accuracy is None:
        with waiting(path.with_suffix(".lock"), "the training of a classifier", say):  # another may train the same
            accuracy = _restored(reader, path)
            if accuracy is None:
                accuracy = _made(reader, train, test, tick, path)
    return Classifier(reader.requires_grad_(False).eval(), train.classes, accuracy, key(train))


def _made(reader: Reader, train: Source, test: Source, tick: Callable[[int, int], None], path: Path) -> float:
    """Trains the reader and writes it to the cache. Returns its accuracy."""
    _train(reader, train, tick)
    accuracy = _accuracy(reader, test)
    about = {"recipe": RECIPE, "accuracy": accuracy, "classes": train.classes}
    sealed = {"sha256": _seal(reader, path, accuracy), "inkwash": json.dumps(about)}
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(safetensors.torch.save(reader.state_dict(), sealed))
    except InkwashError as error:  # only the next process is slower without it
        if parent_process() is None:  # a study's workers would all say the same
            say(f"the classifier is not kept, and is trained anew by the next command: {error}")
    return accuracy


def _seal(reader: Reader, path: Path, accuracy: float) -> str:
    """What the cached weights are recognised by, besides the name of their file."""
    tensors = [(name, tensor.numpy()) for name, tensor in sorted(reader.state_dict().items())]
    return seal(path.name, accuracy, *(part for pair in tensors for part in pair))


def has_classes(source: Source) -> bool:
    """Whether the images have labels of at least two classes."""
    return source.labels is not None and len(source.classes) > 1


def _train(reader: Reader, train: Source, tick: Callable[[int, int], None]) -> None:
    assert train.labels is not None
    generator = torch.Generator().manual_seed(0)
    for layer in (reader.first, reader.second, reader.mixed, reader.head):
        bound = layer.weight[0].numel() ** -0.5
        nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # they all have one
    nn.init.ones_(reader.scale)  # a damaged file may have changed it
    optimizer = torch.optim.Adam(reader.parameters(), RATE)
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1 - step / STEPS)
        chosen = indices(0, step, BATCH, len(train))
        loss = F.cross_entropy(reader.head(reader(train.take(chosen))), train.labels[chosen])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        tick(step + 1, STEPS)
    with torch.no_grad():  # rescales the head, so that the logits do not change
        root = reader(train.take(indices(0, 0, min(len(train), 1024), len(train)))).square().mean().sqrt()
        reader.scale /= root
        reader.head.weight *= root


def _accuracy(reader: Reader, test: Source) -> float:
    assert test.labels is not None
    right = 0
    with torch.no_grad():
        for part in torch.split(torch.arange(len(test)), 256):
            right += int((reader.head(reader(test.take(part))).argmax(1) == test.labels[part]).sum())
    return right / len(test)


def _restored(reader: Reader, path: Path) -> float | None:
    """Loads the cached weights and returns their accuracy, or None if there are no usable ones."""
    try:
        content = path.read_bytes()
        metadata = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
        accuracy = float(json.loads(metadata["inkwash"])["accuracy"])
        reader.load_state_dict(safetensors.torch.load(content))
        return accuracy if metadata["sha256"] == _seal(reader, path, accuracy) else None
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError):
        return None
