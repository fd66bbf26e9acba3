"""`inkwash export --diffusers`: out and in again, one class and all, what cannot go out, and scores of imports."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cli_runner import did, refused
from inkwash.runs import build
from inkwash.runs.model import open_model
from inkwash.sample import DDIM, last, sample
from inkwash.settings import Sampler
from inkwash.training.checkpoint import LAST, load

OURS = ("--network", "diffusers-unet", "--block-out-channels", "8,16", "--norm-num-groups", 4, "--layers-per-block", 1,
        "--batch-size", 16, "--precision", "float32", "--device", "cpu")  # fmt: skip


@pytest.fixture(scope="module")
def by_class(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 3 steps on the digits by class, whose network diffusers has."""
    run = tmp_path_factory.mktemp("out") / "run"
    did("train", "digits", *OURS, "--schedule", "cosine", "--condition", "class", "--steps", 3, "--out", run)
    return run


def test_out_and_in_again(by_class: Path, tmp_path: Path) -> None:
    pytest.importorskip("diffusers")
    done = did("export", by_class, "--diffusers", tmp_path / "out", "--steps", 20)
    assert "over 20 steps of DDIM its images differ from the run's by at most" in done.err
    assert float(done.err.split("at most ")[1].split(",")[0]) < 1e-4
    did("import", "diffusers", tmp_path / "out", "--out", tmp_path / "again")
    before, after = (load(run / LAST) for run in (by_class, tmp_path / "again"))
    assert all(torch.equal(before.parts["ema"][name], after.parts["ema"][name]) for name in before.parts["ema"])
    assert after.facts["classes"] == before.facts["classes"]
    drawn = []
    for run in (by_class, tmp_path / "again"):
        did("sample", run, "-n", 4, "--steps", 3, "--out", tmp_path / f"{run.name}.npz")
        drawn.append(np.load(tmp_path / f"{run.name}.npz")["images"])
    assert np.array_equal(*drawn)


def test_a_pipeline_of_one_class(by_class: Path, tmp_path: Path) -> None:
    """DDIMPipeline opens and draws it: the images that inkwash draws of this class from the same noise, unguided."""
    diffusers = pytest.importorskip("diffusers")
    did("export", by_class, "--diffusers", tmp_path / "three", "--label", "3", "--steps", 5)
    pipe = diffusers.DDIMPipeline.from_pretrained(str(tmp_path / "three"))
    pipe.set_progress_bar_config(disable=True)
    assert pipe.unet.config.num_class_embeds is None
    made = pipe(2, torch.Generator().manual_seed(1), num_inference_steps=5, output_type="np",
                use_clipped_model_output=True).images  # fmt: skip
    model = open_model(by_class, device="cpu")
    x = torch.randn(2, *model.shape, generator=torch.Generator().manual_seed(1))
    denoise = build.limit(Sampler(), model.denoiser.given(torch.tensor([3, 3])))
    plan = build.plan(Sampler(steps=5, spacing="trailing"), model.schedule)
    ours = last(sample(denoise, x, plan, DDIM(), torch.zeros_like))
    assert np.abs((ours / 2 + 0.5).permute(0, 2, 3, 1).numpy() - made).max() < 1e-4


def test_no_class_is_the_last_number(by_class: Path, tmp_path: Path) -> None:
    diffusers = pytest.importorskip("diffusers")
    did("export", by_class, "--diffusers", tmp_path / "all", "--steps", 2, "--solver", "ddpm", "--weights", "raw")
    unet = diffusers.UNet2DModel.from_pretrained(str(tmp_path / "all" / "unet")).eval()
    assert unet.config.num_class_embeds == 11
    scheduler = diffusers.DDPMScheduler.from_pretrained(str(tmp_path / "all" / "scheduler"))
    assert scheduler.config.variance_type == "fixed_small"
    model = open_model(by_class, device="cpu", weights="raw")
    x, level = torch.randn(2, *model.shape), model.schedule.at(500)
    with torch.no_grad():
        theirs = unet(x, 500, class_labels=torch.tensor([10, 10])).sample
        assert (model.denoiser.output(x, level) - theirs).abs().max() < 1e-5


def test_schedules_without_a_name_there_are_numbers(tmp_path: Path) -> None:
    pytest.importorskip("diffusers")
    flags = ("--schedule", "sigmoid", "--timesteps", 40, "--prediction", "x0", "--steps", 1)
    did("train", "digits", *OURS, *flags, "--out", tmp_path / "run")
    done = did("export", tmp_path / "run", "--diffusers", tmp_path / "out", "--steps", 8, "--limit", "dynamic")
    assert float(done.err.split("at most ")[1].split(",")[0]) < 1e-4
    did("import", "diffusers", tmp_path / "out", "--out", tmp_path / "again")
    again = open_model(tmp_path / "again", device="cpu").run
    assert (again.process.schedule, again.process.prediction, again.sampler.limit) == ("sigmoid", "x0", "dynamic")
    assert again.sampler.steps == 8


def test_without_diffusers_it_is_said(by_class: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    done = did("export", by_class, "--diffusers", tmp_path / "out")
    assert "diffusers is not installed, so how far its images are from the run's was not measured" in done.err
    assert (tmp_path / "out" / "unet" / "diffusion_pytorch_model.safetensors").exists()


def test_what_cannot_go_out(by_class: Path, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "Train the network diffusers-unet, export with --onnx or --safetensors, or use it" in refused(
        "export", trained, "--diffusers", out
    )
    assert "no spacing karras; give --spacing" in refused("export", by_class, "--diffusers", out, "--spacing", "karras")
    assert "--label names one class" in refused("export", by_class, "--diffusers", out, "--label", "all")
    assert "there is no class" in refused("export", by_class, "--diffusers", out, "--label", "42")
    assert "give one of --onnx" in refused("export", by_class)
    assert "give one of --onnx" in refused("export", by_class, "--diffusers", out, "--onnx", tmp_path / "a.onnx")
    assert "--batch-size is for --onnx" in refused("export", by_class, "--diffusers", out, "--batch-size", 4)
    flags = ("--schedule", "flow", "--prediction", "flow", "--steps", 1, "--out", tmp_path / "flow")
    did("train", "digits", *OURS, *flags)
    assert "continuous schedule flow" in refused("export", tmp_path / "flow", "--diffusers", out)
    assert not out.exists()
    out.mkdir()
    (out / "a").touch()
    assert "is no empty folder" in refused("export", by_class, "--diffusers", out)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--size", 10), "sides that are multiples of 4 (got 10×10)"),
        (("--norm-num-groups", 16), "--norm-num-groups divides the channels"),
        (("--attention-head-dim", 3), "--attention-head-dim divides the channels"),
        (("--down-block-types", "DownBlock2D"), "1 --down-block-types"),
        (("--condition", "text", "--encoder", "joint"), "takes classes as conditions"),
    ],
)
def test_settings_that_do_not_fit(flags: tuple[Any, ...], words: str, tmp_path: Path) -> None:
    few = ("--network", "diffusers-unet", "--block-out-channels", "8,8,8", "--steps", 1, "--out", tmp_path / "run")
    more = () if "--norm-num-groups" in flags else ("--norm-num-groups", 4)
    assert words in refused("train", "digits", *few, *more, *flags)


@pytest.mark.slow
def test_it_is_scored_and_studied(by_class: Path, tmp_path: Path) -> None:
    """Against images that are named, since its own are not known."""
    did("export", by_class, "--diffusers", tmp_path / "out", "--steps", 2)
    did("import", "diffusers", tmp_path / "out", "--out", tmp_path / "run")
    few = (tmp_path / "run", "--against", "digits", "--features", "pixels", "-n", 8, "--jobs", 1)
    told = did("evaluate", *few, "--steps", 2, "--out", tmp_path / "e").out
    assert "Fréchet distance" in told
    did("study", *few, "--steps", "2,3", "--out", tmp_path / "s")
    text = (tmp_path / "s" / "summary.md").read_text(encoding="utf-8")
    assert "was trained for" not in text
    assert "trained elsewhere" in refused("study", tmp_path / "run", "--steps", 2, "--out", tmp_path / "t")
    assert "--preset quick has its own images" in refused("study", "--preset", "quick", "--against", "digits")
