"""The features that are trained here: how good, how repeatable, and kept how."""

import errno
import json
import os
import re
from pathlib import Path

import pytest
import safetensors.torch
import torch
from safetensors import safe_open
from torch import Tensor

from inkwash.data import Images, load, to_float
from inkwash.errors import UsageError
from inkwash.metrics import classifier as module
from inkwash.metrics.classifier import WIDTH, Classifier, Reader, classifier, key
from inkwash.metrics.distance import Cloud, frechet

TRAIN, TEST = load("digits", "train"), load("digits", "test")
PIXELS = TEST.take(torch.arange(len(TEST)))


@pytest.fixture(scope="module")
def digits() -> Classifier:
    """The real one, of all steps, from the folder that the tests keep."""
    return classifier(TRAIN, TEST)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for classifiers of 40 steps."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(module, "STEPS", 40)
    return tmp_path / "inkwash" / "features"


def untrainable(*_: object) -> None:
    raise AssertionError("it is trained although it is in the cache")


def weights(made: Classifier) -> dict[str, Tensor]:
    return made.reader.state_dict()


def assert_same(a: Classifier, b: Classifier) -> None:
    """Bit for bit."""
    assert all(torch.equal(tensor, weights(b)[name]) for name, tensor in weights(a).items())
    assert (a.accuracy, a.digest, a.classes) == (b.accuracy, b.digest, b.classes)


# ---- what it is


def test_it_reads_the_digits(digits: Classifier) -> None:
    assert TEST.labels is not None
    right = (digits.read(digits(PIXELS)) == TEST.labels).double().mean().item()
    assert right == digits.accuracy
    assert right > 0.95
    assert digits.classes == tuple("0123456789")


def test_its_log_probabilities(cache: Path) -> None:
    """They are of a distribution over the classes, largest at the class that is read, with a slope for each image."""
    made, images = classifier(TRAIN, TEST), to_float(PIXELS[:20])
    each = torch.stack([made.log_p(images, torch.full((20,), label)) for label in range(10)], dim=1)
    torch.testing.assert_close(each.exp().sum(1), torch.ones(20, dtype=torch.float64), rtol=1e-12, atol=0)
    assert torch.equal(each.argmax(1), made.read(made(PIXELS[:20])))
    wanted = torch.arange(20) % 10
    assert torch.equal(made.log_p(images, wanted), each[torch.arange(20), wanted])
    x = images[:1].double().requires_grad_()
    (slope,) = torch.autograd.grad(made.log_p(x, wanted[:1]).sum(), x)
    for place in range(0, 64, 7):
        step = torch.zeros(64, dtype=torch.float64)
        step[place] = 1e-5
        up, down = (made.log_p(x.detach() + sign * step.view(1, 1, 8, 8), wanted[:1]) for sign in (1, -1))
        assert ((up - down) / 2e-5).item() == pytest.approx(slope.flatten()[place].item(), rel=1e-6, abs=1e-8)


def test_its_features_have_a_mean_square_of_1(digits: Classifier) -> None:
    features = digits(TRAIN.take(torch.arange(len(TRAIN))))
    assert features.shape == (1500, WIDTH)
    assert features.dtype == torch.float64
    assert features.square().mean().item() == pytest.approx(1, rel=0.02)


def test_an_images_features_are_its_own(digits: Classifier) -> None:
    """Whatever the images beside it, to rounding."""
    features = digits(PIXELS)
    assert torch.allclose(digits(PIXELS.flip(0)).flip(0), features, rtol=0, atol=1e-12)
    assert torch.allclose(torch.cat([digits(PIXELS[:7]), digits(PIXELS[7:])]), features, rtol=0, atol=1e-12)
    assert features.requires_grad is False


@pytest.mark.parametrize("shape", [(3, 33, 50), (1, 7, 9), (1, 1, 1), (1, 28, 28)])
def test_images_of_any_shape(shape: tuple[int, int, int]) -> None:
    pixels = torch.randint(0, 256, (3, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert Reader(shape, 2)(pixels).shape == (3, WIDTH)


# ---- how it is made


@pytest.mark.parametrize("side", [33, 48, 64, 65])
def test_every_pixel_of_a_large_image_counts(side: int) -> None:
    torch.manual_seed(0)
    reader = Reader((1, side, side), 2)
    image = torch.zeros(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(reader.features(image).square().sum(), image)
    assert bool((slope != 0).all())


@pytest.mark.usefixtures("cache")
def test_detail_that_averaging_loses_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """64×64 images whose 2×2 squares are replaced by their mean were 1.6e-8 away from the originals."""
    monkeypatch.setattr(module, "STEPS", 5)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (60, 1, 64, 64), generator=generator, dtype=torch.uint8)
    pixels[::2] //= 2  # two classes, of which one is darker
    labels = torch.arange(60) % 2
    seen = classifier(*(Images("noise", split, pixels, labels, ("light", "dark")) for split in ("train", "test")))
    coarse = torch.nn.functional.avg_pool2d(pixels.double(), 2).repeat_interleave(2, 2).repeat_interleave(2, 3)
    apart = frechet(Cloud(seen(coarse.round().to(torch.uint8))), Cloud(seen(pixels)))
    assert apart > 1e-4


def test_it_is_a_function_of_the_data_alone(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bits again, whatever torch's own generator holds, which goes on as it was."""
    torch.manual_seed(1)
    one = classifier(TRAIN, TEST)
    after = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(3), after)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    torch.manual_seed(2)
    assert_same(classifier(TRAIN, TEST), one)


def disturbed(steps: int, by: float, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    """Features after so many steps from weights that were wrong by so much, relatively."""
    whole, generator = torch.nn.init.uniform_, torch.Generator().manual_seed(5)

    def uniform_(weight: Tensor, *args: float, **more: torch.Generator) -> Tensor:
        with torch.no_grad():
            return whole(weight, *args, **more).mul_(
                1 + by * torch.randn(weight.shape, generator=generator, dtype=torch.float64)
            )

    with monkeypatch.context() as inside:
        inside.setattr(module, "STEPS", steps)
        inside.setattr(torch.nn.init, "uniform_", uniform_)
        reader = Reader(TRAIN.shape, 10)
        module._train(reader, TRAIN, lambda step, steps: None)
    with torch.no_grad():
        return reader(PIXELS)


def test_training_does_not_magnify_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    """So every machine arrives at the same features."""
    exact = disturbed(60, 0, monkeypatch)
    for by in (1e-15, 1e-9):
        assert 0 < (disturbed(60, by, monkeypatch) - exact).abs().max() < 1000 * by


@pytest.mark.slow
def test_nor_do_all_its_steps(digits: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    features = digits(PIXELS)
    apart = (disturbed(module.STEPS, 1e-15, monkeypatch) - features).abs().max() / features.abs().max()
    assert 0 < apart < 1e-6


def test_training_is_told_step_by_step(cache: Path) -> None:
    told: list[tuple[int, int]] = []
    classifier(TRAIN, TEST, lambda step, steps: told.append((step, steps)))
    assert told == [(step, 40) for step in range(1, 41)]


# ---- how it is kept


def test_it_is_trained_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = classifier(TRAIN, TEST)
    monkeypatch.setattr(module, "_train", untrainable)
    assert_same(classifier(TRAIN, TEST), one)
    assert [path.name for path in cache.iterdir()] == [f"classifier-{one.digest[:24]}.safetensors"]


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def of_something_else(path: Path) -> None:
    path.write_bytes(b"not weights at all" * 1000)


def rewritten(path: Path, about: str | None, **changed: Tensor) -> None:
    tensors = {**safetensors.torch.load_file(path), **changed}
    path.write_bytes(safetensors.torch.save(tensors, None if about is None else {"inkwash": about}))


def of_another_width(path: Path) -> None:
    """Its other weights fit."""
    rewritten(path, json.dumps({"accuracy": 1.0}), **{"head.weight": torch.zeros(3, 3, dtype=torch.float64)})


def without_words(path: Path) -> None:
    rewritten(path, None)


def with_other_words(path: Path) -> None:
    rewritten(path, "[]")


def without_accuracy(path: Path) -> None:
    rewritten(path, "{}")


def with_a_bit_turned(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)


def with_another_accuracy(path: Path) -> None:
    path.write_bytes(re.sub(rb'(accuracy\\": )\d', rb"\g<1>7", path.read_bytes()))


@pytest.mark.parametrize(
    "damage",
    [
        with_a_bit_turned,
        with_another_accuracy,
        truncated,
        emptied,
        of_something_else,
        of_another_width,
        without_words,
        with_other_words,
        without_accuracy,
        Path.unlink,
    ],
)
def test_a_damaged_file_is_replaced(damage, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = classifier(TRAIN, TEST)
    (path,) = cache.iterdir()
    damage(path)
    assert_same(classifier(TRAIN, TEST), one)
    with safe_open(path, framework="pt") as file:
        assert json.loads(file.metadata()["inkwash"])["accuracy"] == one.accuracy
    monkeypatch.setattr(module, "_train", untrainable)
    assert_same(classifier(TRAIN, TEST), one)


def test_a_cache_that_cannot_be_written_is_no_loss(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = classifier(TRAIN, TEST)
    (path,) = cache.iterdir()
    path.unlink()

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    assert_same(classifier(TRAIN, TEST), one)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "the classifier is not kept" in said[0]
    assert "No space left on device" in said[0]


def test_other_images_or_labels_have_a_classifier_of_their_own() -> None:
    assert TRAIN.labels is not None
    dimmer, relabelled = TRAIN.pixels.clone(), TRAIN.labels.clone()
    dimmer[7, 0, 4, 4] ^= 1
    relabelled[7] = (relabelled[7] + 1) % 10
    others = [
        Images("digits", "train", dimmer, TRAIN.labels, TRAIN.classes),
        Images("digits", "train", TRAIN.pixels, relabelled, TRAIN.classes),
        Images("digits", "train", TRAIN.pixels, TRAIN.labels, tuple("abcdefghij")),
        TRAIN.part(torch.arange(1499)),
        TRAIN.pad(9),
    ]
    assert len({key(source) for source in (TRAIN, *others)}) == 6
    assert key(Images("renamed", "train", TRAIN.pixels, TRAIN.labels, TRAIN.classes)) == key(TRAIN)


def test_without_two_classes_there_is_none(cache: Path) -> None:
    unlabelled = Images("photos", "train", TRAIN.pixels)
    alike = Images("photos", "train", TRAIN.pixels, torch.zeros(1500, dtype=torch.int64), ("cat",))
    for images, reason in ((unlabelled, "no labels"), (alike, "one class only")):
        with pytest.raises(UsageError, match=f"photos has {reason}, so no classifier .* take `features='pixels'`"):
            classifier(images, TEST)
    assert not cache.exists()
