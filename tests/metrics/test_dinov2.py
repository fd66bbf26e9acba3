from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from inkwash.errors import InkwashError, UsageError
from inkwash.metrics.dinov2 import FOLDER, MODEL, DinoV2, dinov2, prepared
from inkwash.metrics.features import Features

WIDTH = 16


def tiny(seed: int = 0) -> Any:
    from transformers import Dinov2Config, Dinov2Model

    torch.manual_seed(seed)
    shape = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2, "mlp_ratio": 2, "image_size": 28}
    return Dinov2Model(Dinov2Config(**shape, layerscale_value=0.5)).eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two layers with chance weights, to be read only."""
    path = tmp_path_factory.mktemp("dinov2") / "tiny"
    tiny().save_pretrained(path)
    return path


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def images(n: int, channels: int = 3, side: int = 40) -> Tensor:
    drawn = np.random.default_rng(n).integers(0, 256, (n, channels, side, side), dtype=np.uint8)
    return torch.from_numpy(drawn)


def test_it_is_what_features_are(folder: Path) -> None:
    features: Features = dinov2(folder)
    found = features(images(3))
    assert features.name == "dinov2"
    assert found.shape == (3, WIDTH)
    assert found.dtype == torch.float64
    assert (found[0] - found[1]).abs().max() > 1e-3


def test_the_class_token_of_transformers_itself(folder: Path) -> None:
    from transformers import Dinov2Model

    pixels = images(5)
    with torch.no_grad():
        result = Dinov2Model.from_pretrained(folder).eval()(pixel_values=prepared(pixels))
    found = dinov2(folder)(pixels)
    torch.testing.assert_close(found, result.pooler_output.double(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found, result.last_hidden_state[:, 0].double(), rtol=1e-5, atol=1e-5)


def test_independent_of_the_batch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features, pixels = dinov2(folder), images(5)
    together = features(pixels)
    monkeypatch.setattr("inkwash.metrics.dinov2.BATCH", 2)
    torch.testing.assert_close(features(pixels), together, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(features(pixels[4:]), together[4:], rtol=1e-4, atol=1e-5)


def test_grey_is_rgb_of_three_equal_channels(folder: Path) -> None:
    features, grey = dinov2(folder), images(2, channels=1)
    assert torch.equal(features(grey), features(grey.repeat(1, 3, 1, 1)))
    with pytest.raises(UsageError, match="uint8"):
        features(grey.float())


@pytest.mark.parametrize("side", [28, 100, 224, 500])
def test_resized_as_pillow_does(side: int) -> None:
    pixels = images(1, side=side)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    found = prepared(pixels)[0].permute(1, 2, 0).numpy() * std + mean
    for channel in range(3):
        floats = Image.fromarray(pixels[0, channel].numpy()).convert("F")  # which Pillow does not round between passes
        pillow = np.asarray(floats.resize((224, 224), Image.Resampling.BICUBIC)).clip(0, 255) / 255
        np.testing.assert_allclose(found[:, :, channel], pillow, atol=1e-5)


def test_the_digest_is_of_the_weights_alone(folder: Path) -> None:
    features = dinov2(folder)
    digest = features.digest
    features(images(2))
    assert DinoV2.of(features.network).digest == digest
    unsaved = DinoV2.of(tiny(0).train())
    assert unsaved.digest == digest
    assert not unsaved.network.training
    assert DinoV2.of(tiny(1)).digest != digest
    changed = tiny(0)
    with torch.no_grad():
        next(changed.parameters()).flatten()[0] += 1e-3
    assert DinoV2.of(changed).digest != digest
    names = dict(tiny(0).named_parameters())
    renamed = torch.nn.ParameterDict({str(i): names[name] for i, name in enumerate(reversed(names))})
    assert DinoV2.of(renamed).digest == digest  # other versions of transformers have other names


def test_the_folder_of_the_environment(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, str(folder))
    assert dinov2().digest == dinov2(folder).digest
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv(FOLDER, "~/tiny")
    assert dinov2().digest == dinov2(folder).digest
    monkeypatch.setenv(FOLDER, str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match=rf"nowhere \(of {FOLDER}\) is not a folder"):
        dinov2()
    with pytest.raises(UsageError, match="elsewhere is not a folder"):
        dinov2(tmp_path / "elsewhere")
    assert dinov2(folder)  # what is said outweighs it


def test_without_the_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(
        UsageError, match=r'pip install "inkwash\[dinov2\]".*features=.classifier.` or `features=.pixels.'
    ):
        dinov2(folder)


def test_folders_that_do_not_hold_it(copy: Path, tmp_path: Path) -> None:
    weights, config = copy / "model.safetensors", copy / "config.json"
    good, about = weights.read_bytes(), json.loads(config.read_text())
    for spoilt in (good[: len(good) // 2], b"<html>", None):
        weights.unlink() if spoilt is None else weights.write_bytes(spoilt)
        with pytest.raises(InkwashError, match="cannot be had") as caught:
            dinov2(copy)
        assert str(copy) in str(caught.value)
        assert "huggingface.co/" + MODEL in str(caught.value)
    weights.write_bytes(good)
    for change, said in (
        ({"num_hidden_layers": 3}, "lacks 18 of the weights"),
        ({"hidden_size": 32}, "in other shapes; the first is embeddings.cls_token"),
        ({"hidden_size": "wide"}, "cannot be had"),
        ({"model_type": "dinov2_with_registers"}, "of type dinov2_with_registers, not dinov2"),
        ({"model_type": "no such"}, "of type no such, not dinov2"),
    ):
        config.write_text(json.dumps(about | change))
        with pytest.raises(InkwashError, match=said):
            dinov2(copy)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InkwashError, match="cannot be had"):
        dinov2(tmp_path / "empty")
    config.unlink()
    with pytest.raises(InkwashError, match=r"config\.json is missing"):
        dinov2(copy)


def test_it_leaves_logging_and_bars_as_they_were(folder: Path) -> None:
    from transformers.utils import logging as bars

    bars.enable_progress_bar()
    logging.disable(logging.NOTSET)
    before = logging.root.manager.disable, list(warnings.filters)
    dinov2(folder)
    assert (logging.root.manager.disable, list(warnings.filters)) == before
    assert bars.is_progress_bar_enabled()


SCRIPT = """
import sys, torch
from inkwash.errors import InkwashError
from inkwash.metrics.dinov2 import dinov2
features = dinov2(sys.argv[1])
print(features(torch.zeros(1, 1, 8, 8, dtype=torch.uint8)).shape[1])
for model in (sys.argv[2], None):
    try:
        dinov2(model)
    except InkwashError as error:
        print(type(error).__name__, error)
"""


@pytest.mark.slow
def test_without_network_and_with_nothing_else_on_stderr(folder: Path, copy: Path, tmp_path: Path) -> None:
    about = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(about | {"num_hidden_layers": 3}))  # of which transformers logs much
    environment = {name: value for name, value in os.environ.items() if name != FOLDER}
    environment |= {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    command = [sys.executable, "-c", SCRIPT, str(folder), str(copy)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
    width, lacking, said = done.stdout.splitlines()
    assert int(width) == WIDTH
    assert lacking.startswith(f"InkwashError {copy} lacks 18 of the weights")
    assert said.startswith(f"InkwashError The weights of {MODEL} cannot be had (")
    assert f"https://huggingface.co/{MODEL}" in said
    assert f"set {FOLDER} to the folder" in said
    assert "`features='classifier'` or `features='pixels'`" in said
    assert done.stderr == f"{MODEL} is not on this machine; trying to download it from huggingface.co.\n"
