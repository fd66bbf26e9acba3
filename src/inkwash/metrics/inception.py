"""The features of the Fréchet Inception distance (Heusel et al. 2017): Inception-v3, the weights of 2015-12-05.

The network of Szegedy et al. 2015 ("Rethinking the Inception Architecture"), as published by TensorFlow with 1008
outputs. Parameters have the names of its PyTorch port (github.com/mseitzer/pytorch-fid).
"""

import hashlib
import pickle
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inkwash.data import find_or_fetch, to_float
from inkwash.errors import InkwashError, UsageError
from inkwash.hub import unpickled

URL = "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
FILE = "pt_inception-2015-12-05-6726825d.pth"
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
SIDE = 299  # px
BATCH = 32  # images at a time
_DAMAGED = (  # what torch.load raises
    *(pickle.UnpicklingError, struct.error, EOFError, LookupError, ValueError, zipfile.BadZipFile),
    *(TypeError, AttributeError, AssertionError, RuntimeError),
)
_PUT = f"Put {URL}{FILE} in its place."

Step = tuple[int, *tuple[str, ...]]  # outputs of each kernel, and the kernels, "heightxwidth", side by side

_halved = partial(F.max_pool2d, kernel_size=3, stride=2)
_largest = partial(F.max_pool2d, kernel_size=3, stride=1, padding=1)
_average = partial(F.avg_pool2d, kernel_size=3, stride=1, padding=1, count_include_pad=False)  # as in TensorFlow


class Convolution(nn.Module):
    """Convolution, batch norm and ReLU: [N,inputs,H,W] -> [N,outputs,H,W], smaller without padding."""

    def __init__(self, inputs: int, outputs: int, kernel: str, stride: int = 1, padded: bool = True) -> None:
        super().__init__()
        height, width = map(int, kernel.split("x"))
        padding = (height // 2, width // 2) if padded else (0, 0)
        self.conv = nn.Conv2d(inputs, outputs, (height, width), stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)  # TensorFlow's; PyTorch's own is 1e-5

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class Mixed(nn.Module):
    """Parallel branches of convolutions, concatenated: [N,inputs,H,W] -> [N,sum of their outputs,H,W].

    `branch_pool` begins with the pooling. If the pooling halves the image, so does the last step of every other
    branch. Names are those of the weights: the branch's own for a branch of one step, else with "_1", "_2a" etc.
    appended.
    """

    def __init__(self, inputs: int, pool: Callable[[Tensor], Tensor], **branches: list[Step]) -> None:
        super().__init__()
        self.pool = pool
        self.branches: dict[str, list[list[str]]] = {}
        for branch, steps in branches.items():
            width, self.branches[branch] = inputs, []
            for place, (outputs, *kernels) in enumerate(steps, 1):
                numbered = f"{branch}_{place}" if len(steps) > 1 else branch
                names = [numbered + letter for letter in "ab"] if len(kernels) > 1 else [numbered]
                halves = pool is _halved and place == len(steps)
                for name, kernel in zip(names, kernels, strict=True):
                    self.add_module(name, Convolution(width, outputs, kernel, 1 + halves, padded=not halves))
                self.branches[branch].append(names)
                width = outputs * len(kernels)

    def forward(self, x: Tensor) -> Tensor:
        results = []
        for branch, steps in self.branches.items():
            y = self.pool(x) if branch == "branch_pool" else x
            for names in steps:
                y = torch.cat([self.get_submodule(name)(y) for name in names], dim=1)
            results.append(y)
        return torch.cat(results, dim=1)


def mixed_5(inputs: int, pooled: int) -> Mixed:
    return Mixed(
        inputs,
        _average,
        branch1x1=[(64, "1x1")],
        branch5x5=[(48, "1x1"), (64, "5x5")],
        branch3x3dbl=[(64, "1x1"), (96, "3x3"), (96, "3x3")],
        branch_pool=[(pooled, "1x1")],
    )


def mixed_6(inputs: int, width: int) -> Mixed:
    return Mixed(
        inputs,
        _average,
        branch1x1=[(192, "1x1")],
        branch7x7=[(width, "1x1"), (width, "1x7"), (192, "7x1")],
        branch7x7dbl=[(width, "1x1"), (width, "7x1"), (width, "1x7"), (width, "7x1"), (192, "1x7")],
        branch_pool=[(192, "1x1")],
    )


def mixed_7(inputs: int, pool: Callable[[Tensor], Tensor]) -> Mixed:
    return Mixed(
        inputs,
        pool,
        branch1x1=[(320, "1x1")],
        branch3x3=[(384, "1x1"), (384, "1x3", "3x1")],
        branch3x3dbl=[(448, "1x1"), (384, "3x3"), (384, "1x3", "3x1")],
        branch_pool=[(192, "1x1")],
    )


class Network(nn.Module):
    """float [N,3,299,299] in [−1, 1] -> features [N,2048]; `fc` maps these to TensorFlow's 1008 logits."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Convolution(3, 32, "3x3", stride=2, padded=False)
        self.Conv2d_2a_3x3 = Convolution(32, 32, "3x3", padded=False)
        self.Conv2d_2b_3x3 = Convolution(32, 64, "3x3")
        self.Conv2d_3b_1x1 = Convolution(64, 80, "1x1")
        self.Conv2d_4a_3x3 = Convolution(80, 192, "3x3", padded=False)
        self.Mixed_5b = mixed_5(192, pooled=32)
        self.Mixed_5c = mixed_5(256, pooled=64)
        self.Mixed_5d = mixed_5(288, pooled=64)
        self.Mixed_6a = Mixed(
            288,
            _halved,
            branch3x3=[(384, "3x3")],
            branch3x3dbl=[(64, "1x1"), (96, "3x3"), (96, "3x3")],
            branch_pool=[],
        )
        self.Mixed_6b = mixed_6(768, width=128)
        self.Mixed_6c = mixed_6(768, width=160)
        self.Mixed_6d = mixed_6(768, width=160)
        self.Mixed_6e = mixed_6(768, width=192)
        self.Mixed_7a = Mixed(
            768,
            _halved,
            branch3x3=[(192, "1x1"), (320, "3x3")],
            branch7x7x3=[(192, "1x1"), (192, "1x7"), (192, "7x1"), (192, "3x3")],
            branch_pool=[],
        )
        self.Mixed_7b = mixed_7(1280, _average)
        self.Mixed_7c = mixed_7(2048, _largest)  # max pooling, not average pooling, as in the graph of 2015
        self.fc = nn.Linear(2048, 1008)

    def forward(self, x: Tensor) -> Tensor:
        x = _halved(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))))  # [N,64,73,73]
        x = _halved(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)))  # [N,192,35,35]
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))  # [N,288,35,35]
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))  # [N,768,17,17]
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))  # [N,2048,8,8]
        return x.mean((2, 3))


@final
@dataclass(frozen=True, eq=False)
class Inception:
    """2048 features per image, as pytorch-fid computes them: uint8 [N,C,H,W] -> float64 [N,2048], C 1 or 3.

    Grey images are converted to RGB. Images are resized to 299×299 bilinearly with align_corners=False, without
    antialiasing, and scaled to [−1, 1]. The graph of 2015 aligns the centre of the upper left pixel and scales to
    (x − 128)/128, so its scores differ slightly: compare only scores of one extractor.
    """

    network: Network
    digest: str  # sha256 hex of the weights file
    name: str = "inception"

    @classmethod
    def of(cls, path: str | Path, device: str | torch.device = "cpu", sha256: str | None = None) -> Self:
        """Loads the weights from a file in which torch.save wrote a state dict of `Network`; runs in float32.

        Raises InkwashError if the file cannot be read, holds something else, or does not have the given `sha256`.
        """
        path = Path(path)
        try:
            contents = path.read_bytes()
        except OSError as error:
            raise InkwashError(f"{path} cannot be read ({error.strerror}). {_PUT}") from error
        digest = hashlib.sha256(contents).hexdigest()
        if digest != (sha256 or digest):
            raise InkwashError(f"{path} is not the published file: its sha256 is {digest}, expected {sha256}. {_PUT}")
        return cls(_network(contents, path).to(device), digest)

    def __call__(self, pixels: Tensor) -> Tensor:
        """Raises UsageError unless `pixels` is uint8 [N,C,H,W] with C 1 or 3, and not empty."""
        device = self.network.fc.weight.device
        with torch.no_grad():
            parts = [self.network(prepared(part.to(device))) for part in torch.split(rgb(pixels), BATCH)]
        return torch.cat(parts).to(pixels.device, torch.float64)


def inception(
    data_dir: str | Path | None = None, device: str | torch.device = "cpu", weights: str | Path | None = None
) -> Inception:
    """Loads the file `weights`; None loads the published ones, 96 MB.

    They are found or downloaded by `find_or_fetch` in the folder "inception". Raises UsageError if `data_dir` is not a
    folder; InkwashError if the file cannot be obtained or is another one.
    """
    if weights is not None:
        return Inception.of(weights, device)
    try:
        return Inception.of(find_or_fetch(FILE, "inception", SHA256, [URL], data_dir, at_most=2**27), device, SHA256)
    except UsageError:
        raise
    except InkwashError as error:
        raise InkwashError(
            f"{error} Or take `features='classifier'` or `features='pixels'`, which need no download."
        ) from error


def rgb(pixels: Tensor) -> Tensor:
    """uint8 [N,C,H,W] -> uint8 [N,3,H,W]. Raises UsageError unless C is 1 or 3 and nothing is empty."""
    if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[1] not in (1, 3) or 0 in pixels.shape:
        raise UsageError(
            "Features are of images uint8 [N,C,H,W] with C 1 (grey) or 3 (RGB) and at least one pixel; "
            f"given was {pixels.dtype} {list(pixels.shape)}."
        )
    return pixels.expand(-1, 3, -1, -1)


def prepared(pixels: Tensor) -> Tensor:
    """uint8 [N,3,H,W] -> inputs of the network, float32 [N,3,299,299] in [−1, 1]."""
    return F.interpolate(to_float(pixels), (SIDE, SIDE), mode="bilinear", align_corners=False)


def _network(contents: bytes, path: Path) -> Network:
    try:
        state = unpickled(contents)
    except _DAMAGED as error:
        raise InkwashError(f"{path} is no file of PyTorch weights. {_PUT}") from error
    with torch.device("meta"):  # avoids drawing 24 million random numbers
        network = Network()
    weights: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        held = state.get(name) if isinstance(state, dict) else None
        if isinstance(held, Tensor) and held.shape == tensor.shape:
            weights[name] = held.to(tensor.dtype)
        elif not name.endswith("num_batches_tracked"):  # a counter of training steps, absent in some files
            has = f"a tensor {list(held.shape)}" if isinstance(held, Tensor) else "nothing"
            raise InkwashError(
                f"{path} holds other weights than those of the FID network: as {name} it has {has}, "
                f"expected a tensor {list(tensor.shape)}. {_PUT}"
            )
    network.load_state_dict(weights, assign=True)
    return network.requires_grad_(False).eval()
