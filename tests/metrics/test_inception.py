from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inkwash.errors import InkwashError, UsageError
from inkwash.metrics import inception as module
from inkwash.metrics.features import Features
from inkwash.metrics.inception import Convolution, Inception, Mixed, Network, inception, mixed_5, mixed_6, prepared

NOBODY = "http://127.0.0.1:1/"  # nobody listens there


def noise(count: int, key: int) -> Tensor:
    """Numbers in [−1, 1) that are the same everywhere: float32 [count]."""
    x = (np.arange(count, dtype=np.uint32) + np.uint32(key * 2654435769 % 2**32)) * np.uint32(2654435761)
    x = (x ^ (x >> 15)) * np.uint32(2246822519)
    return torch.from_numpy(((x ^ (x >> 13)) / 2.0**31 - 1).astype(np.float32))


def fill(net: nn.Module) -> None:
    """Weights that keep the size of activations, and variances so small that the 0.001 beside them counts."""
    for key, (name, tensor) in enumerate(sorted(net.state_dict().items())):
        u = noise(tensor.numel(), key).view(tensor.shape)
        if tensor.ndim > 1:
            tensor.copy_(u * (0.06 / tensor[0].numel()) ** 0.5)
        elif name.endswith("running_var"):
            tensor.copy_(0.008 + 0.004 * u)
        elif tensor.ndim:
            tensor.copy_(0.1 * u + name.endswith("bn.weight"))


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    with torch.device("meta"):
        net = Network()
    net.to_empty(device="cpu")
    fill(net)
    return net.state_dict()


@pytest.fixture(scope="module")
def file(state: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("weights") / module.FILE
    torch.save(state, path)
    yield path
    path.unlink()  # 96 MB


@pytest.fixture(scope="module")
def extractor(file: Path) -> Inception:
    return Inception.of(file)


def images(n: int, channels: int = 3, side: int = 40) -> Tensor:
    return ((noise(n * channels * side * side, 7) + 1) * 128).to(torch.uint8).view(n, channels, side, side)


def test_as_many_parameters_as_published(state: dict[str, Tensor]) -> None:
    with torch.device("meta"):
        parameters = sum(tensor.numel() for tensor in Network().parameters())
    # torchvision's documentation has 27,161,264 with 1000 classes and an auxiliary head, which is a convolution to
    # 128 channels, one of 5×5 to 768, each normalised, and a linear layer
    head = (768 * 128 + 2 * 128) + (128 * 768 * 25 + 2 * 768) + 769 * 1000
    assert parameters == 27_161_264 - head + 8 * 2049 == 23_850_960
    # Keras' documentation has 23,851,784 with 1000 classes, two buffers for each channel, and no scales
    channels = sum(len(tensor) for name, tensor in state.items() if name.endswith("running_mean"))
    assert parameters - 8 * 2049 - channels + 2 * channels == 23_851_784
    assert len(state) == 94 * 6 + 2  # a convolution and five of its normalisation, and the classes


SHAPES = {
    "Conv2d_1a_3x3.conv.weight": (32, 3, 3, 3),
    "Conv2d_1a_3x3.bn.running_var": (32,),
    "Conv2d_1a_3x3.bn.num_batches_tracked": (),
    "Conv2d_4a_3x3.conv.weight": (192, 80, 3, 3),
    "Mixed_5b.branch1x1.conv.weight": (64, 192, 1, 1),
    "Mixed_5b.branch5x5_2.conv.weight": (64, 48, 5, 5),
    "Mixed_5b.branch_pool.conv.weight": (32, 192, 1, 1),
    "Mixed_5d.branch3x3dbl_3.conv.weight": (96, 96, 3, 3),
    "Mixed_6a.branch3x3.conv.weight": (384, 288, 3, 3),
    "Mixed_6a.branch3x3dbl_3.bn.bias": (96,),
    "Mixed_6b.branch7x7_2.conv.weight": (128, 128, 1, 7),
    "Mixed_6c.branch7x7_3.conv.weight": (192, 160, 7, 1),
    "Mixed_6e.branch7x7dbl_2.conv.weight": (192, 192, 7, 1),
    "Mixed_6e.branch7x7dbl_5.conv.weight": (192, 192, 1, 7),
    "Mixed_7a.branch3x3_2.conv.weight": (320, 192, 3, 3),
    "Mixed_7a.branch7x7x3_4.conv.weight": (192, 192, 3, 3),
    "Mixed_7b.branch1x1.conv.weight": (320, 1280, 1, 1),
    "Mixed_7b.branch3x3_2a.conv.weight": (384, 384, 1, 3),
    "Mixed_7b.branch3x3_2b.conv.weight": (384, 384, 3, 1),
    "Mixed_7c.branch3x3dbl_1.conv.weight": (448, 2048, 1, 1),
    "Mixed_7c.branch3x3dbl_3b.conv.weight": (384, 384, 3, 1),
    "Mixed_7c.branch_pool.conv.weight": (192, 2048, 1, 1),
    "fc.weight": (1008, 2048),
    "fc.bias": (1008,),
}


def test_names_and_shapes_of_the_file(state: dict[str, Tensor]) -> None:
    assert {name: tuple(state[name].shape) for name in SHAPES} == SHAPES
    parts = {name.split(".")[0] for name in state} - {"fc"}
    assert sorted(parts) == [
        *(f"Conv2d_{part}" for part in ("1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3")),
        *(f"Mixed_{part}" for part in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c")),
    ]


EXPECTED = [4.543745, 0.557585, 6.176843, 0.614178, 10.945239, 4.449081, 0.591775, 6.231946, 0.534325, 11.467347]
MEAN = 7.269123


def test_the_features_of_torch_fidelity(extractor: Inception) -> None:
    # what the network of torch-fidelity 0.4.0 makes of these weights and images
    with torch.no_grad():
        found = extractor.network((images(2, side=299).float() - 128) / 128)
    assert found[:, [0, 700, 1000, 1400, 2047]].flatten().tolist() == pytest.approx(EXPECTED, rel=1e-3)
    assert found.mean().item() == pytest.approx(MEAN, rel=1e-4)


def normalised(x: Tensor, block: Convolution) -> Tensor:
    """What follows a convolution of one pixel, [N,outputs,H,W], spelled out."""
    x = torch.einsum("nihw,oi->nohw", x, block.conv.weight[:, :, 0, 0])
    bn = block.bn
    rows = (x.movedim(1, -1) - bn.running_mean) / (bn.running_var + 0.001).sqrt() * bn.weight + bn.bias
    return rows.movedim(-1, 1).clamp(min=0)


def around(x: Tensor, row: int, column: int) -> Tensor:
    """The up to nine pixels that are there: [N,C,9 or fewer]."""
    return x[:, :, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2].flatten(2)


@pytest.mark.parametrize(
    ("block", "largest"),
    [
        (partial(mixed_5, 3, 2), False),
        (partial(mixed_6, 3, 2), False),
        (partial(module.mixed_7, 3, module._average), False),
        (partial(module.mixed_7, 3, module._largest), True),
    ],
)
def test_pools_see_no_padding_and_the_last_is_a_maximum(block: partial[Mixed], largest: bool) -> None:
    made = block().eval()
    with torch.no_grad():
        fill(made)
        x = noise(2 * 3 * 4 * 5, 3).view(2, 3, 4, 5) - 1  # negative, so that zeros of a padding would be largest
        pooled = torch.zeros_like(x)
        for row in range(4):
            for column in range(5):
                near = around(x, row, column)
                pooled[:, :, row, column] = near.amax(2) if largest else near.mean(2)
        branch = made.get_submodule("branch_pool")
        assert isinstance(branch, Convolution)
        expected = normalised(pooled, branch)
        torch.testing.assert_close(made(x)[:, -expected.shape[1] :], expected)
        first = made.get_submodule("branch1x1")
        assert isinstance(first, Convolution)
        expected = normalised(x, first)
        torch.testing.assert_close(made(x)[:, : expected.shape[1]], expected)


def test_which_block_has_which_pool() -> None:
    with torch.device("meta"):
        pools = {name: part.pool for name, part in Network().named_children() if isinstance(part, Mixed)}
    averages = {name for name, pool in pools.items() if pool is module._average}
    assert averages == {f"Mixed_{part}" for part in ("5b", "5c", "5d", "6b", "6c", "6d", "6e", "7b")}
    assert {name for name, pool in pools.items() if pool is module._largest} == {"Mixed_7c"}


def test_forks_lie_side_by_side() -> None:
    made = module.mixed_7(3, module._average).eval()
    with torch.no_grad():
        fill(made)
        x = noise(3 * 5 * 6, 5).view(1, 3, 5, 6)

        def step(x: Tensor, name: str, padding: tuple[int, int]) -> Tensor:
            part = made.get_submodule(name)
            assert isinstance(part, Convolution)
            identity = Convolution(part.conv.out_channels, part.conv.out_channels, "1x1")
            identity.conv.weight.copy_(torch.eye(part.conv.out_channels)[:, :, None, None])
            identity.bn = part.bn
            return normalised(F.conv2d(x, part.conv.weight, padding=padding), identity)

        y = step(step(x, "branch3x3dbl_1", (0, 0)), "branch3x3dbl_2", (1, 1))
        z = step(x, "branch3x3_1", (0, 0))
        expected = [
            step(x, "branch1x1", (0, 0)),
            step(z, "branch3x3_2a", (0, 1)),
            step(z, "branch3x3_2b", (1, 0)),
            step(y, "branch3x3dbl_3a", (0, 1)),
            step(y, "branch3x3dbl_3b", (1, 0)),
        ]
        torch.testing.assert_close(made(x)[:, :-192], torch.cat(expected, 1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("width", [3, 1000])
def test_resized_by_hand(width: int) -> None:
    row = images(1, channels=1, side=width)[0, 0, 0]
    places = (np.arange(299) + 0.5) * width / 299 - 0.5  # centres of the new pixels, in old ones
    expected = np.interp(places, np.arange(width), row.numpy() / 127.5 - 1)
    found = prepared(row.expand(1, 3, 2, width))
    assert found.shape == (1, 3, 299, 299)
    np.testing.assert_allclose(found[0, 1, 100], expected, atol=2e-4)


def test_it_is_what_features_are(extractor: Inception) -> None:
    features: Features = extractor
    found = features(images(2))
    assert features.name == "inception"
    assert found.shape == (2, 2048)
    assert found.dtype == torch.float64
    assert found.isfinite().all()
    assert (found >= 0).all()
    assert (found[0] - found[1]).abs().max() > 1e-3  # not the same for all


def test_independent_of_the_batch(extractor: Inception, monkeypatch: pytest.MonkeyPatch) -> None:
    together = extractor(images(3))
    monkeypatch.setattr(module, "BATCH", 2)  # so two and one
    torch.testing.assert_close(extractor(images(3)), together, rtol=1e-4, atol=1e-4)


def test_grey_is_rgb_of_three_equal_channels(extractor: Inception) -> None:
    grey = images(1, channels=1)
    assert torch.equal(extractor(grey), extractor(grey.repeat(1, 3, 1, 1)))


@pytest.mark.parametrize(
    "pixels",
    [
        torch.zeros(2, 3, 8, 8),
        torch.zeros(3, 8, 8, dtype=torch.uint8),
        torch.zeros(2, 4, 8, 8, dtype=torch.uint8),
        torch.zeros(0, 3, 8, 8, dtype=torch.uint8),
    ],
    ids=["floats", "one", "four channels", "none"],
)
def test_what_is_no_image(extractor: Inception, pixels: Tensor) -> None:
    with pytest.raises(UsageError, match=r"uint8 \[N,C,H,W\] with C 1 .grey. or 3") as caught:
        extractor(pixels)
    assert str(list(pixels.shape)) in str(caught.value)


def test_a_file_of_old_and_without_counters(state: dict[str, Tensor], extractor: Inception, tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    lean = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    torch.save(lean, path, _use_new_zipfile_serialization=False)
    old = Inception.of(path)
    path.unlink()
    assert old.digest != extractor.digest  # another file
    assert list(old.network.state_dict()) == list(state)
    assert not any(tensor.is_meta for tensor in old.network.state_dict().values())
    assert torch.equal(old(images(1)), extractor(images(1)))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "data" / "inception").mkdir(parents=True)
    return tmp_path / "data"


def test_downloaded_once_and_named_by_its_checksum(file: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    monkeypatch.setattr(module, "SHA256", sha256)

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=file.parent)) as server:
        monkeypatch.setattr(module, "URL", f"http://127.0.0.1:{server.server_port}/")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        inception(home)
        server.shutdown()
        thread.join()
    monkeypatch.setattr(module, "URL", NOBODY)
    assert inception(home).digest == sha256
    (home / "inception" / module.FILE).unlink()


def test_without_network_one_sentence_says_what_to_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "URL", NOBODY)
    with pytest.raises(InkwashError) as caught:
        inception(home)
    said = str(caught.value)
    assert f"{NOBODY}{module.FILE} (no connection)" in said
    assert str(home / "inception" / module.FILE) in said
    assert "`features='classifier'` or `features='pixels'`" in said
    with pytest.raises(UsageError, match="not a folder"):
        inception(home / "nowhere")


def test_another_file_in_its_place(home: Path) -> None:
    path = home / "inception" / module.FILE
    path.write_bytes(b"<html>Please log in</html>")
    with pytest.raises(
        InkwashError, match=r"not the published file.*`features=.classifier.` or `features=.pixels.`"
    ) as caught:
        inception(home)
    assert str(path) in str(caught.value)
    assert module.URL + module.FILE in str(caught.value)


def test_files_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    with pytest.raises(InkwashError, match="cannot be read"):
        Inception.of(path)
    for contents in (b"", b"<html>", bytes(100), b"PK\x03\x04" + bytes(50)):
        path.write_bytes(contents)
        with pytest.raises(InkwashError, match="no file of PyTorch weights"):
            Inception.of(path)
    wrong: list[tuple[object, str]] = [
        (nn.Linear(2, 2).state_dict(), "as Conv2d_1a_3x3.conv.weight it has nothing"),
        ({"Conv2d_1a_3x3.conv.weight": torch.zeros(32, 3, 5, 5)}, r"it has a tensor \[32, 3, 5, 5\], expected"),
        ([1, 2], "other weights"),
    ]
    for thing, said in wrong:
        torch.save(thing, path)
        with pytest.raises(InkwashError, match=said):
            Inception.of(path)


def test_the_name_of_the_published_file_holds_the_beginning_of_its_checksum() -> None:
    assert module.FILE.endswith(f"-{module.SHA256[:8]}.pth")
    assert len(bytes.fromhex(module.SHA256)) == 32
