"""With a CLIP of two layers and chance weights: the real one's are not to be had without a download."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch

from inkwash.errors import InkwashError, UsageError
from inkwash.nets.condition import Vector
from inkwash.text import clip, find
from inkwash.text.clip import Clip

WIDTH = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model and the files of its tokenizer, to be read only."""
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    path = tmp_path_factory.mktemp("clip") / "tiny"
    letters = "abcdefghijklmnopqrstuvwxyz"
    merges = ["r e", "re d</w>", "h e", "he a", "r t</w>", "hea rt</w>"]
    tokens = [*letters, *(f"{c}</w>" for c in letters), *(m.replace(" ", "") for m in merges)]
    vocabulary = {token: i for i, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}
    torch.manual_seed(0)
    config = CLIPTextConfig(
        vocab_size=len(vocabulary), hidden_size=16, intermediate_size=32, projection_dim=WIDTH, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=10, bos_token_id=len(vocabulary) - 2,
        eos_token_id=len(vocabulary) - 1, pad_token_id=len(vocabulary) - 1,
    )  # fmt: skip
    CLIPTextModelWithProjection(config).save_pretrained(path)
    (path / "vocab.json").write_text(json.dumps(vocabulary))
    (path / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]))
    return path


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_a_folder_is_found_and_its_rows_are_the_models_own(folder: Path) -> None:
    """Of the text between its marks, alone and without padding; neither normalised nor scaled."""
    from transformers import CLIPTextModelWithProjection

    encoder = find(str(folder))
    assert isinstance(encoder, Clip)
    assert encoder.name == str(folder)
    rows = encoder(["Red heart", "a red book"])
    words = json.loads((folder / "vocab.json").read_text())
    ids = [words[token] for token in ("<|startoftext|>", "red</w>", "heart</w>", "<|endoftext|>")]
    network = CLIPTextModelWithProjection.from_pretrained(folder).eval()
    with torch.no_grad():
        expected = network(input_ids=torch.tensor([ids])).text_embeds
    assert rows.shape == (2, WIDTH)
    assert rows.dtype == torch.float32
    torch.testing.assert_close(rows[:1], expected, rtol=1e-4, atol=1e-5)


def test_rows_do_not_depend_on_the_batch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, texts = find(str(folder)), ["red", "a red heart", "heart", "book", "a b c d"]
    together = encoder(texts)
    torch.testing.assert_close(torch.cat([encoder([text]) for text in texts]), together, rtol=1e-4, atol=1e-5)
    monkeypatch.setattr(clip, "BATCH", 2)
    torch.testing.assert_close(encoder(texts), together, rtol=1e-4, atol=1e-5)
    assert encoder([]).shape == (0, WIDTH)


def test_long_texts_are_cut(folder: Path) -> None:
    encoder = find(str(folder))
    long, longer = encoder(["a " * 8, "a " * 40])
    torch.testing.assert_close(long, longer)


def test_its_embedder_takes_its_rows(folder: Path) -> None:
    encoder = find(str(folder))
    embedder = encoder.embedder()
    assert isinstance(embedder, Vector)
    rows = encoder(["red"])
    assert torch.equal(embedder(rows, torch.tensor([True])).vector, rows)


def test_the_digest_is_of_weights_and_words(folder: Path, copy: Path) -> None:
    from transformers import CLIPTextModelWithProjection

    digest = find(str(folder)).digest
    assert find(str(copy)).digest == digest
    words = json.loads((copy / "vocab.json").read_text())
    words["a"], words["b"] = words["b"], words["a"]
    (copy / "vocab.json").write_text(json.dumps(words))
    swapped = find(str(copy)).digest
    network = CLIPTextModelWithProjection.from_pretrained(copy)
    with torch.no_grad():
        network.text_projection.weight[0, 0] += 1
    network.save_pretrained(copy)
    assert len({digest, swapped, find(str(copy)).digest}) == 3


def test_blank_texts_are_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="Text 2 of 2 is blank"):
        find(str(folder))(["red", " "])


def test_weights_that_are_missing(copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    del weights["text_projection.weight"]
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(InkwashError, match=r"lacks 1 of the weights .* text_projection.weight.* Take openai/clip"):
        find(str(copy))


def test_files_that_are_missing_or_damaged(copy: Path) -> None:
    (copy / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(InkwashError, match=r"cannot be read .* Put all its files there.*`encoder='joint'`"):
        find(str(copy))
    (copy / "model.safetensors").unlink()
    with pytest.raises(InkwashError, match="cannot be read"):
        find(str(copy))


def test_a_tokenizer_that_is_missing(copy: Path) -> None:
    (copy / "vocab.json").unlink()
    (copy / "merges.txt").unlink()
    with pytest.raises(InkwashError, match=r"knows 2 tokens, and the model 60\. .*vocab\.json"):
        find(str(copy))


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UsageError, match=r'encoder clip needs the package transformers.*pip install "inkwash\[text\]"'):
        find("clip").digest  # noqa: B018


def test_what_was_downloaded_before_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As huggingface_hub lays out its cache."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(clip, "WIDTH", WIDTH)
    place = tmp_path / "models--openai--clip-vit-base-patch32"
    shutil.copytree(folder, place / "snapshots" / ("0" * 40))
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("0" * 40)
    for name in ("clip", clip.MODEL):
        encoder = find(name)
        assert (encoder.name, encoder.digest) == (name, find(str(folder)).digest)


def test_without_a_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match=r"There is no text encoder clip: openai/clip-vit-base-patch32 is no folder"):
        find("clip")(["a red heart"])
    assert "trying to download" in capsys.readouterr().err
