"""`inkwash import cs231n` offline: the encoder is opened for texts alone, or the course's vectors stand for it."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from cli_runner import did, inkwash, refused
from inkwash import load
from inkwash.errors import UsageError
from inkwash.importers.cs231n_texts import read_texts
from inkwash.text import Table

TEXTS = ("red heart", "blue book", "a cat")


class Block(nn.Module):
    """The course's layout, written for these tests: it shares nothing with inkwash's network."""

    def __init__(self, dim: int, out: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(dim, out, 3, padding=1)
        self.norm = nn.Module()
        self.norm.g = nn.Parameter(torch.ones(1, out, 1, 1))

    def forward(self, x: Tensor, scale: Tensor | float = 0.0, shift: Tensor | float = 0.0) -> Tensor:
        x = self.proj(x)
        x = x / x.norm(dim=1, keepdim=True) * self.norm.g * math.sqrt(x.shape[1])
        return F.gelu(x * (1 + scale) + shift)


class ResnetBlock(nn.Module):
    def __init__(self, dim: int, out: int, context: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.GELU(), nn.Linear(context, 2 * out))
        self.block1, self.block2 = Block(dim, out), Block(out, out)
        self.res_conv = nn.Conv2d(dim, out, 1) if dim != out else nn.Identity()

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        scale, shift = self.mlp(context)[..., None, None].chunk(2, dim=1)
        return self.block2(self.block1(x, scale, shift)) + self.res_conv(x)


class CourseUnet(nn.Module):
    """dim_mults (1, 2): 8 channels at 8×8, 16 at the bottom."""

    def __init__(self, dim: int = 8, condition_dim: int = 512) -> None:
        super().__init__()
        self.init_conv = nn.Conv2d(3, dim, 3, padding=1)
        self.time_mlp = nn.Sequential(nn.Identity(), nn.Linear(dim, 32), nn.GELU(), nn.Linear(32, 32))
        self.condition_mlp = nn.Sequential(nn.Linear(condition_dim, 32), nn.GELU(), nn.Linear(32, 32))
        self.downs = nn.ModuleList(
            nn.ModuleList([ResnetBlock(i, i, 32), ResnetBlock(i, i, 32), nn.Conv2d(i, o, 2, 2)])
            for i, o in ((8, 8), (8, 16))
        )
        self.mid_block1, self.mid_block2 = ResnetBlock(16, 16, 32), ResnetBlock(16, 16, 32)
        self.ups = nn.ModuleList(
            nn.ModuleList(
                [
                    nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(i, o, 3, padding=1)),
                    ResnetBlock(2 * o, o, 32),
                    ResnetBlock(2 * o, o, 32),
                ]
            )
            for i, o in ((16, 8), (8, 8))
        )
        self.final_conv = nn.Conv2d(dim, 3, 1)

    def forward(self, x: Tensor, t: Tensor, text: Tensor) -> Tensor:
        rates = torch.exp(torch.arange(4) * -(math.log(10000) / 3))
        times = t[:, None].float() * rates
        context = self.time_mlp(torch.cat([times.sin(), times.cos()], dim=1)) + self.condition_mlp(text)
        x, kept = self.init_conv(x), []
        for first, second, shrink in self.downs:
            kept.append(first(x, context))
            kept.append(second(kept[-1], context))
            x = shrink(kept[-1])
        x = self.mid_block2(self.mid_block1(x, context), context)
        for grow, first, second in self.ups:
            x = first(torch.cat([grow(x), kept.pop()], dim=1), context)
            x = second(torch.cat([x, kept.pop()], dim=1), context)
        return self.final_conv(x)


def saved_by_the_course(folder: Path, condition_dim: int, prefix: str = "") -> tuple[Path, CourseUnet]:
    torch.manual_seed(0)
    net = CourseUnet(condition_dim=condition_dim).eval()
    u = torch.arange(101, dtype=torch.float64) / 100
    low, high = torch.tensor([-3.0, 3.0]).sigmoid()
    bar = (high - (6 * u - 3).sigmoid()) / (high - low)
    betas = (1 - bar[1:] / bar[:-1]).clamp(0, 0.999)
    state = {"betas": betas.float(), "loss_weight": torch.ones(100)}
    state |= {f"model.{name}": value for name, value in net.state_dict().items()}
    path = folder / "model-7.pt"
    torch.save({"step": 7, "model": {prefix + name: value for name, value in state.items()}, "opt": {}}, path)
    return path, net


def vectors(folder: Path, width: int = 512, more: dict[str, Any] | None = None) -> tuple[Path, dict[str, Any]]:
    """text_embeddings.pt as the course's own code writes it; the texts lie in another order than their vectors."""
    torch.manual_seed(1)
    rows = torch.randn(3, width)
    data = (rows - rows.mean(0)).numpy()
    components = torch.from_numpy(np.linalg.svd(data, full_matrices=False)[2]).float()
    places = {"red heart": 2, "blue book": 0, "a cat": 1}
    kept = {"idx_mapping": places, "embs": rows.half(), "pca_components": components, "mean": rows.mean(0)}
    torch.save(kept | (more or {}), folder / "text_embeddings.pt")
    return folder / "text_embeddings.pt", kept


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "empty"))


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
def test_without_an_encoder_all_but_texts_works(offline: None, tmp_path: Path, prefix: str) -> None:
    file, net = saved_by_the_course(tmp_path, 512, prefix)
    out = tmp_path / "run"
    did("import", "cs231n", file, "--out", out, "--size", 8)
    run = load(out)
    x, t = torch.randn(2, 3, 8, 8), torch.tensor([40, 40])
    level = run.model.schedule.at(40)
    with torch.no_grad():
        ours = run.model.denoiser.output(x, level, None)
        torch.testing.assert_close(ours, net(x, t, torch.zeros(2, 512)), rtol=1e-4, atol=1e-5)
    said = refused("sample", out, "--text", "red heart", "-n", 1, "--steps", 2, "--out", tmp_path / "x.png")
    assert "no text encoder clip" in said
    assert not (tmp_path / "x.png").exists()
    if prefix:
        return
    did("sample", out, "-n", 2, "--steps", 2, "--out", tmp_path / "x.png")
    assert "read by clip" in did("info", out).out
    done = did("gallery", out, "--steps", 2, "--out", tmp_path / "gallery")
    assert "The forward process and the losses are left out: the run was trained elsewhere" in done.err
    assert {path.name for path in (tmp_path / "gallery").iterdir()} == {"ten.png", "sheet.png", "denoising.gif"}


def test_the_courses_vectors_stand_for_the_encoder(offline: None, tmp_path: Path) -> None:
    file, net = saved_by_the_course(tmp_path, 512)
    table, kept = vectors(tmp_path)
    out = tmp_path / "run"
    did("import", "cs231n", file, "--embeddings", table, "--out", out, "--size", 8)
    run = load(out)
    texts = run.model.condition.encoder
    for text, place in kept["idx_mapping"].items():
        assert torch.equal(texts([text])[0], kept["embs"][place].float())
    x, t, level = torch.randn(2, 3, 8, 8), torch.tensor([40, 40]), run.model.schedule.at(40)
    asked = texts(["a cat", "red heart"])
    with torch.no_grad():
        torch.testing.assert_close(
            run.model.denoiser.output(x, level, asked), net(x, t, kept["embs"][[1, 2]].float()), rtol=1e-4, atol=1e-5
        )
    sheet = tmp_path / "x.png"
    did("sample", out, "--text", "red heart", "--text", "a cat", "-n", 2, "--steps", 2, "--out", sheet)
    did("replay", sheet, "--out", tmp_path / "again.png")
    assert sheet.read_bytes() == (tmp_path / "again.png").read_bytes()
    said = refused("sample", out, "--text", "red hart", "-n", 1, "--steps", 2, "--out", tmp_path / "y.png")
    assert "vectors of 3 texts, and 'red hart' is not among them. Did you mean 'red heart'?" in said


def pictures(folder: Path, captions: bool) -> Path:
    """64 pictures of 8×8, with captions of the table where asked."""
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 3), dtype=np.uint8)
    for i, picture in enumerate(pixels):
        Image.fromarray(picture).save(folder / f"{i}.png")
    if captions:
        lines = [json.dumps({"file_name": f"{i}.png", "text": TEXTS[i % 3]}) for i in range(64)]
        (folder / "captions.jsonl").write_text("\n".join(lines))
    return folder


def test_it_is_evaluated_against_images_with_captions(offline: None, tmp_path: Path) -> None:
    file, _ = saved_by_the_course(tmp_path, 512)
    out = tmp_path / "run"
    did("import", "cs231n", file, "--embeddings", vectors(tmp_path)[0], "--out", out, "--size", 8)
    how = ("--features", "pixels", "-n", 12, "--steps", 2, "--jobs", 1)
    done = did("evaluate", out, "--against", pictures(tmp_path / "captioned", True), *how)
    assert "Fréchet" in done.out
    said = refused("evaluate", out, "--against", pictures(tmp_path / "plain", False), *how)
    assert said.startswith("plain has no captions, which say what to draw")


def test_principal_components_are_the_courses(tmp_path: Path) -> None:
    """components[:k] @ (vector − mean), from the vectors of 512 numbers to the width of the network."""
    path, kept = vectors(tmp_path)
    table = read_texts(path, 2, "clip")
    vector = kept["embs"][kept["idx_mapping"]["blue book"]].float() - kept["mean"]
    expected = torch.stack([(vector * component).sum() for component in kept["pca_components"][:2]])
    torch.testing.assert_close(table(["blue book"])[0], expected, rtol=1e-4, atol=1e-4)


def test_a_table_comes_back_from_its_tensors() -> None:
    table = Table("clip", ("ein Häschen", "红心"), torch.randn(2, 5))
    again = Table.of("clip", table.tensors())
    assert (again.texts, again.digest) == (table.texts, table.digest)
    assert torch.equal(again(["红心", "ein Häschen"]), table.rows[[1, 0]])
    assert Table("clip", ("ein Häschen", "红心"), table.rows + 1).digest != table.digest
    words = torch.frombuffer(bytearray(json.dumps(["a"]).encode()), dtype=torch.uint8)
    with pytest.raises(ValueError, match="not those of its vectors"):
        Table.of("clip", {"words": words, "rows": table.rows})


@pytest.mark.parametrize(
    ("more", "width", "said"),
    [
        ({"idx_mapping": {}}, 512, 'no "idx_mapping" of texts'),
        ({"idx_mapping": {"a": 7}}, 512, 'no "idx_mapping" of texts'),
        ({"idx_mapping": {"a": "0"}}, 512, 'no "idx_mapping" of texts'),
        ({"embs": torch.ones(3)}, 512, 'no "idx_mapping" of texts'),
        ({"mean": None}, 2, "trained on vectors of 2"),
        ({"pca_components": torch.ones(3, 4)}, 2, "trained on vectors of 2"),
        ({}, 7, "has 3 principal components, and the network was trained on vectors of 7"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, more: dict[str, Any], width: int, said: str) -> None:
    path, _ = vectors(tmp_path, more=more)
    with pytest.raises(UsageError, match=said):
        read_texts(path, width, "clip")


def test_no_number_and_no_file(tmp_path: Path) -> None:
    path, _ = vectors(tmp_path, more={"embs": torch.full((3, 512), math.nan)})
    file, _ = saved_by_the_course(tmp_path, 512)
    out = tmp_path / "run"
    assert "no numbers" in inkwash("import", "cs231n", file, "--embeddings", path, "--out", out).sentence
    assert "there is no file" in refused("import", "cs231n", file, "--embeddings", tmp_path / "no.pt", "--out", out)
    path.write_bytes(path.read_bytes()[:200])
    assert "damaged" in inkwash("import", "cs231n", file, "--embeddings", path, "--out", out).sentence
    assert "not for a checkpoint of sysu" in refused("import", "sysu", file, "--embeddings", path, "--out", out)
    assert not out.exists()
