"""`inkwash import diffusers`: the network, the levels and the walks of diffusers, and what is refused by its name."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from cli_runner import did, inkwash, refused
from inkwash.core import CLEAN, Level
from inkwash.errors import InkwashError, UsageError
from inkwash.foreign_networks import DiffusersUNet
from inkwash.importers.diffusers import import_diffusers
from inkwash.importers.diffusers_scheduler import scheduled
from inkwash.nets import CondEmbedding
from inkwash.networks import Inputs
from inkwash.runs import build
from inkwash.runs.model import TrainedModel, open_model
from inkwash.sample import DDIM, last, sample
from inkwash.training.checkpoint import LAST, load

SMALL: dict[str, Any] = {
    "sample_size": 8, "in_channels": 1, "out_channels": 1, "block_out_channels": [8, 16], "norm_num_groups": 4,
    "layers_per_block": 1, "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
}  # fmt: skip
NETWORKS: dict[str, dict[str, Any]] = {
    "plain": {},
    "google's": {"downsample_padding": 0, "flip_sin_to_cos": False, "freq_shift": 1, "norm_eps": 1e-6,
                 "attention_head_dim": None},
    "scaled": {"resnet_time_scale_shift": "scale_shift", "downsample_type": "resnet", "upsample_type": "resnet",
               "down_block_types": ("AttnDownBlock2D", "AttnDownBlock2D"), "act_fn": "gelu",
               "up_block_types": ("UpBlock2D", "AttnUpBlock2D"), "mid_block_scale_factor": 1.4},
    "resampled": {"resnet_time_scale_shift": "scale_shift", "attn_norm_num_groups": 2, "time_embedding_dim": 24,
                  "down_block_types": ("ResnetDownsampleBlock2D", "DownBlock2D"), "layers_per_block": 2,
                  "up_block_types": ("ResnetUpsampleBlock2D", "UpBlock2D")},
    "without middle": {"mid_block_type": None, "act_fn": "mish"},
    "without attention": {"add_attention": False, "act_fn": "relu"},
    "by class": {"num_class_embeds": 3},
}  # fmt: skip
SCHEDULERS: dict[str, dict[str, Any]] = {
    "linear": {},
    "short": {"num_train_timesteps": 200, "beta_end": 0.1, "timestep_spacing": "trailing", "prediction_type": "sample"},
    "scaled": {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "clip_sample": False},
    "cosine": {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"},
    "zero": {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction", "timestep_spacing": "trailing"},
    "zero, scaled": {"rescale_betas_zero_snr": True, "beta_schedule": "scaled_linear",
                     "prediction_type": "v_prediction"},
    "listed": {"trained_betas": torch.linspace(1e-3, 0.3, 50).tolist(), "num_train_timesteps": 50},
}  # fmt: skip


def formula(shapes: dict[str, Any]) -> dict[str, Tensor]:
    """Weights that depend on their names and places alone."""
    made = {}
    for name, shape in shapes.items():
        count = int(np.prod(shape))
        wide = np.prod(shape[1:]) if len(shape) > 1 else 100
        values = np.sin(0.37 * np.arange(count) + len(name)) / np.sqrt(wide)
        if "norm" in name and name.endswith("weight"):
            values += 1
        made[name] = torch.tensor(values.reshape(shape), dtype=torch.float32)
    return made


def write(folder: Path, config: dict[str, Any], scheduler: dict[str, Any], flat: bool = False) -> Path:
    """A pipeline of a small network with weights by formula, as diffusers lays it out today, or as it once did."""
    unet, plan = (folder, folder) if flat else (folder / "unet", folder / "scheduler")
    for place in (unet, plan):
        place.mkdir(parents=True, exist_ok=True)
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in (SMALL | config).items()}
    network = DiffusersUNet(**{name: settings[name] for name in settings if name in DiffusersUNet.__dataclass_fields__})
    side, classes = settings["sample_size"], settings.get("num_class_embeds") or 0
    net = network.build(Inputs(settings["in_channels"], side, side, 1000, vector=classes))
    weights = formula({name: tuple(tensor.shape) for name, tensor in net.state_dict().items()})
    safetensors.torch.save_file(weights, unet / "diffusion_pytorch_model.safetensors")
    (unet / "config.json").write_text(json.dumps({"_class_name": "UNet2DModel", **SMALL, **config}))
    (plan / "scheduler_config.json").write_text(json.dumps({"_class_name": "DDIMScheduler", **scheduler}))
    index = {"_class_name": "DDIMPipeline", "unet": ["diffusers", "UNet2DModel"],
             "scheduler": ["diffusers", "DDIMScheduler"]}  # fmt: skip
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    return write(tmp_path / "pipeline", {}, {})


def start(model: TrainedModel) -> Tensor:
    return torch.sin(torch.arange(2 * np.prod(model.shape)) * 1.7).view(2, *model.shape) * 1.4


def walk(model: TrainedModel, steps: int, label: Tensor | None = None) -> Tensor:
    """x after DDIM steps of the run's own sampler."""
    sampler = model.run.sampler.over(steps=steps)
    denoise = build.limit(sampler, model.denoiser.given(label))
    return last(sample(denoise, start(model), build.plan(sampler, model.schedule), DDIM(), torch.zeros_like))


def walk_of(folder: Path, model: TrainedModel, steps: int, label: Tensor | None = None) -> Tensor:
    """The same by diffusers."""
    diffusers = pytest.importorskip("diffusers")
    unet = diffusers.UNet2DModel.from_pretrained(str(folder / "unet")).eval()
    scheduler = diffusers.DDIMScheduler.from_pretrained(str(folder / "scheduler"))
    scheduler.set_timesteps(steps)
    x = start(model)
    with torch.no_grad():
        for t in scheduler.timesteps:
            output = unet(x, t, class_labels=label).sample
            x = scheduler.step(output, t, x, use_clipped_model_output=True).prev_sample
    return x


@pytest.mark.parametrize("config", NETWORKS.values(), ids=NETWORKS)
def test_the_network_is_diffusers(config: dict[str, Any]) -> None:
    diffusers = pytest.importorskip("diffusers")
    all_of = SMALL | config
    torch.manual_seed(0)
    theirs = diffusers.UNet2DModel(**all_of).eval()
    classes = all_of.pop("num_class_embeds", 0)
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in all_of.items()}
    settings = DiffusersUNet(**{name: given[name] for name in given if name in DiffusersUNet.__dataclass_fields__})
    ours = settings.build(Inputs(1, 8, 8, 1000, vector=classes)).eval()
    ours.load_state_dict(theirs.state_dict())
    x, t = torch.randn(3, 1, 8, 8), torch.tensor([0, 333, 999])
    label = torch.tensor([2, 0, 1]) if classes else None
    cond = None if label is None else CondEmbedding(nn.functional.one_hot(label, classes).float())
    with torch.no_grad():
        assert (ours(x, t, cond) - theirs(x, t, class_labels=label).sample).abs().max() < 1e-6


@pytest.mark.parametrize("config", SCHEDULERS.values(), ids=SCHEDULERS)
def test_the_levels_are_those_of_its_scheduler(config: dict[str, Any], tmp_path: Path) -> None:
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.DDIMScheduler(**config)
    process, sampler, told = scheduled(config, tmp_path)
    assert told == []
    schedule = build.schedule(process)
    abar = torch.tensor([schedule.at(t).alpha ** 2 for t in range(process.timesteps)], dtype=torch.float64)
    assert torch.allclose(abar, theirs.alphas_cumprod.double(), atol=1e-6)
    theirs.set_timesteps(10)
    assert [level.t for level in build.plan(sampler.over(steps=10), schedule)[:-1]] == theirs.timesteps.tolist()


FREE = {"clip_sample": False, "prediction_type": "v_prediction"}
EXPECTED = {  # the first row of the second image after 10 steps, by diffusers 0.42.1; test_the_numbers_are_diffusers
    "plain": [1.22228, -0.29241, -0.52548, 1.20334, 1.12457, -0.90467, -0.83743, 0.74509],
    "by class": [1.43129, -0.26871, -1.14269, 0.17783, 0.22736, -1.42525, -0.72815, 1.11807],
}  # fmt: skip


def imported(name: str, folder: Path, scheduler: dict[str, Any], flat: bool = False) -> TrainedModel:
    write(folder / "pipeline", NETWORKS[name], scheduler, flat)
    import_diffusers(folder / "pipeline", folder / "run")
    return open_model(folder / "run", device="cpu")


def labels_of(name: str) -> Tensor | None:
    return torch.tensor([2, 1]) if name == "by class" else None


@pytest.mark.parametrize(("name", "flat"), [("plain", True), ("by class", False)])
def test_the_walk_without_diffusers(name: str, flat: bool, tmp_path: Path) -> None:
    model = imported(name, tmp_path, FREE, flat)
    row = walk(model, 10, labels_of(name))[1, 0, 0]
    assert torch.allclose(row, torch.tensor(EXPECTED[name]), atol=1e-4)


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("steps", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_the_numbers_are_diffusers(name: str, steps: int, tmp_path: Path) -> None:
    model = imported(name, tmp_path, FREE)
    theirs = walk_of(tmp_path / "pipeline", model, steps, labels_of(name))
    assert (walk(model, steps, labels_of(name)) - theirs).abs().max() < 1e-4
    if steps == 10:
        assert torch.allclose(theirs[1, 0, 0], torch.tensor(EXPECTED[name]), atol=1e-5)


@pytest.mark.parametrize("scheduler", SCHEDULERS.values(), ids=SCHEDULERS)
def test_walks_of_other_schedulers(scheduler: dict[str, Any], tmp_path: Path) -> None:
    model = imported("google's", tmp_path, scheduler)
    apart = (walk(model, 10) - walk_of(tmp_path / "pipeline", model, 10)).abs().max()
    # ε from a predicted image divides by σ, and their tables are float32: with exact ones, 1e-5
    assert apart < (5e-4 if model.run.process.prediction == "x0" else 1e-4)


def test_a_run_of_a_pipeline_is_a_run(tmp_path: Path) -> None:
    """It is drawn from, described and begun from."""
    write(tmp_path / "pets", NETWORKS["by class"], {"_class_name": "DDPMScheduler", "variance_type": "fixed_large"})
    run = tmp_path / "run"
    said = did("import", "diffusers", tmp_path / "pets", "--out", run).out
    assert "linear schedule, T = 1000, predicts eps" in said
    assert "--label 0" in said
    did("sample", run, "-n", 2, "--label", 2, "--steps", 2, "--out", tmp_path / "a.png")
    told = did("info", run).out
    assert "of a pipeline of diffusers, 0 images of 8×8" in told
    assert "--solver ddpm --steps 1000 --variance large --spacing leading --limit clip" in told
    flags = ("--steps", 1, "--device", "cpu", "--precision", "float32", "--condition", "class", "--batch-size", 8)
    said = did("train", "digits", "--from", run, *flags, "--out", tmp_path / "new").err
    assert "The weights are those of" in said
    assert "already holds a run" in refused("import", "diffusers", tmp_path / "pets", "--out", run)


def test_old_files(tmp_path: Path) -> None:
    """Attention had other names, blocks a prefix, and weights were pickles, which are read without running code."""
    new = write(tmp_path / "new", NETWORKS["google's"], {})
    blocks = [f"UNetRes{kind}" for kind in SMALL["down_block_types"]]
    old = write(tmp_path / "old", NETWORKS["google's"] | {"freq_shift": 1.0}, {"tensor_format": "pt"}, flat=True)
    about = json.loads((old / "config.json").read_text()) | {"down_block_types": blocks}
    (old / "config.json").write_text(json.dumps(about))
    file = old / "diffusion_pytorch_model.safetensors"
    names = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
    state = {}
    for name, tensor in safetensors.torch.load_file(file).items():
        for now, then in names.items():
            name = name.replace(now, then)
        state[name] = tensor
    file.unlink()
    torch.save(state, file.with_suffix(".bin"))
    for folder in (new, old):
        did("import", "diffusers", folder, "--out", folder / "run")
    one, other = (load(folder / "run" / LAST).parts["ema"] for folder in (new, old))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_classes_that_are_embedded_as_times(tmp_path: Path) -> None:
    """The two layers become the table of their outputs."""
    diffusers = pytest.importorskip("diffusers")
    torch.manual_seed(0)
    theirs = diffusers.UNet2DModel(**SMALL, class_embed_type="timestep").eval()
    write(tmp_path / "p", {}, {})
    theirs.save_pretrained(str(tmp_path / "p" / "unet"))
    assert "give --classes" in refused("import", "diffusers", tmp_path / "p", "--out", tmp_path / "run")
    did("import", "diffusers", tmp_path / "p", "--classes", 4, "--out", tmp_path / "run")
    model, label = open_model(tmp_path / "run", device="cpu"), torch.tensor([3, 1])
    assert (walk(model, 10, label) - walk_of(tmp_path / "p", model, 10, label)).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("unet", "scheduler", "words"),
    [
        ({"_class_name": "UNet2DConditionModel"}, {}, "describes a UNet2DConditionModel; inkwash reads UNet2DModel"),
        ({"time_embedding_type": "fourier"}, {}, "has time_embedding_type 'fourier', which inkwash does not have"),
        ({"class_embed_type": "identity"}, {}, "has class_embed_type 'identity', which inkwash does not have"),
        ({"center_input_sample": True}, {}, "has center_input_sample True"),
        ({"out_channels": 2}, {}, "out_channels 2 for in_channels 1; a learned variance is not supported"),
        ({"in_channels": 2}, {}, "has in_channels 2, which inkwash does not have"),
        ({"down_block_types": ["SkipDownBlock2D", "AttnDownBlock2D"]}, {}, "down_block_types should be 'Down"),
        ({"act_fn": "tanh"}, {}, "act_fn should be"),
        ({"resnet_time_scale_shift": "spatial"}, {}, "resnet_time_scale_shift should be"),
        ({"sample_size": None}, {}, "does not say the size of its images; give `size`"),
        ({"sample_size": 10**9}, {}, "has sample_size 1000000000"),
        ({"num_class_embeds": 1}, {}, "has num_class_embeds 1"),
        ({"block_out_channels": [8, 10**9]}, {}, "block_out_channels should be less than or equal to 16384"),
        ({"warp": 3}, {}, "has warp, which inkwash does not know"),
        ({"block_out_channels": [8, 16384], "norm_num_groups": 4}, {}, "is [16, 8, 3, 3] and not [16384, 8, 3, 3]"),
        ({"layers_per_block": 2}, {}, "and not"),
        ({}, {"_class_name": "PNDMScheduler"}, "is of a PNDMScheduler; inkwash reads DDPMScheduler and DDIMScheduler"),
        ({}, {"beta_schedule": "laplace"}, "has beta_schedule 'laplace', which inkwash does not have"),
        ({}, {"prediction_type": "flow"}, "has prediction_type 'flow'"),
        ({}, {"variance_type": "learned_range"}, "has variance_type 'learned_range'"),
        ({}, {"trained_betas": [0.1, 0.3, 0.2]}, "3 betas from 0.1 to 0.2 that are of no schedule"),
        ({}, {"num_train_timesteps": -1}, "has num_train_timesteps -1"),
        ({}, {"beta_schedule": "squaredcos_cap_v2", "rescale_betas_zero_snr": True}, "for another"),
        ({}, {"steps_offset": "one"}, "has steps_offset 'one'"),
        ({}, {"eta": 1}, "has eta, which inkwash does not know"),
    ],
)  # fmt: skip
def test_what_is_not_supported_is_named(
    unet: dict[str, Any], scheduler: dict[str, Any], words: str, tmp_path: Path, pipeline: Path
) -> None:
    for path, change in (("unet/config.json", unet), ("scheduler/scheduler_config.json", scheduler)):
        about = json.loads((pipeline / path).read_text()) | change
        (pipeline / path).write_text(json.dumps(about))
    with pytest.raises(UsageError, match=re.escape(words)):
        import_diffusers(pipeline, tmp_path / "run")
    assert not (tmp_path / "run" / LAST).exists()


@pytest.mark.parametrize(
    ("scheduler", "limit", "words"),
    [
        ({"steps_offset": 1}, "clip", "begins at row 1 (steps_offset); inkwash's steps begin at row 0"),
        ({"steps_offset": 1, "timestep_spacing": "trailing"}, "clip", ""),
        ({"set_alpha_to_one": False}, "clip", "ends at the noise of row 0"),
        ({"clip_sample_range": 3.0}, "none", "clips images to ±3"),
        ({"thresholding": True}, "clip", ""),
        ({"thresholding": True, "sample_max_value": 2.0}, "dynamic", "has the ratio 0.995 and the bound 2"),
        ({"thresholding": True, "sample_max_value": 1e6}, "dynamic", ""),
        ({"timestep_spacing": "linspace"}, "clip", "steps to other levels than it visits"),
    ],
)
def test_what_the_sampler_does_not_have_is_told(
    scheduler: dict[str, Any],
    limit: str,
    words: str,
    tmp_path: Path,
    pipeline: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(pipeline, {}, scheduler)
    run = import_diffusers(pipeline, tmp_path / "run")
    told = capsys.readouterr().err
    assert words in told
    assert bool(words) == bool(told)
    assert run.sampler.limit == limit


@pytest.mark.parametrize("path", ["unet/config.json", "unet/diffusion_pytorch_model.safetensors", "model_index.json",
                                  "scheduler/scheduler_config.json"])  # fmt: skip
@pytest.mark.parametrize("share", [0.0, 0.6])
def test_files_cut_short(path: str, share: float, tmp_path: Path, pipeline: Path) -> None:
    content = (pipeline / path).read_bytes()
    (pipeline / path).write_bytes(content[: int(share * len(content))])
    with pytest.raises(InkwashError, match="is damaged or no"):
        import_diffusers(pipeline, tmp_path / "run")
    assert not (tmp_path / "run" / LAST).exists()


def test_folders_that_are_no_such_pipeline(tmp_path: Path, pipeline: Path) -> None:
    def said() -> str:
        return refused("import", "diffusers", pipeline, "--out", tmp_path / "run")

    assert "is no folder" in refused("import", "diffusers", tmp_path / "x", "--out", tmp_path / "run")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "there is no file" in refused("import", "diffusers", empty, "--out", tmp_path / "run")
    wrong = refused("import", "diffusers", pipeline, "--size", 16, "--out", tmp_path / "run")
    assert "says that images have the size 8 (got --size 16)" in wrong
    wrong = refused("import", "diffusers", pipeline, "--classes", 3, "--out", tmp_path / "run")
    assert "a network without classes" in wrong
    index = json.loads((pipeline / "model_index.json").read_text())
    (pipeline / "model_index.json").write_text(json.dumps(index | {"vqvae": ["diffusers", "VQModel"]}))
    assert "is a DDIMPipeline with vqvae; inkwash reads pipelines of a UNet2DModel and a scheduler alone" in said()
    (pipeline / "model_index.json").unlink()
    file = pipeline / "unet" / "diffusion_pytorch_model.safetensors"
    state = safetensors.torch.load_file(file)
    safetensors.torch.save_file(state | {"conv_in.bias": torch.full((8,), torch.nan)}, file)
    assert "weights that are no numbers" in inkwash("import", "diffusers", pipeline, "--out", tmp_path / "r").sentence
    Path(f"{file}.index.json").write_text("{}")
    assert "in several files" in said()
    Path(f"{file}.index.json").unlink()
    file.unlink()
    torch.save({"a": Path("x")}, file.with_suffix(".bin"))
    assert "opening it may run code" in said()


def test_pure_noise_is_the_last_row() -> None:
    """The rescaled schedules keep the first row, and end at α = 0."""
    from inkwash.core.schedule import linear, linear_zero_snr

    plain, rescaled = linear(100), linear_zero_snr(100)
    assert rescaled.at(99).alpha == 0
    assert rescaled.at(0).alpha == pytest.approx(plain.at(0).alpha, abs=1e-12)
    assert CLEAN.alpha == 1
    assert isinstance(rescaled.at(5), Level)
