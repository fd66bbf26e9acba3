"""`inkwash import openai`: UNetModel of improved- and guided-diffusion, its walks, and what its files do not say."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cli_runner import did, inkwash, refused
from inkwash.networks import Inputs
from inkwash.runs import build
from inkwash.runs.model import open_model
from inkwash.sample import DDIM, last, sample
from inkwash.settings import Sampler
from inkwash.training.checkpoint import LAST

# the first row of ε of the second image at t = 500, by guided-diffusion's own code at its last commit
EXPECTED = [-0.06982, -0.46778, -0.33758, -0.09907, -0.31979, -0.8629, -0.01306, -0.11679]


def formula(shapes: dict[str, Any]) -> dict[str, Tensor]:
    """Weights that depend on their names and places alone, and look like chance, as initial ones do."""
    made = {}
    for name, shape in shapes.items():
        wide, norm = np.prod(shape[1:]) if len(shape) > 1 else 100, len(shape) == 1 and name.endswith("weight")
        values = np.sin(12.9898 * np.arange(int(np.prod(shape))) + len(name)) * 43758.5453
        made[name] = torch.tensor(((2 * (values % 1) - 1) / np.sqrt(wide) + norm).reshape(shape), dtype=torch.float32)
    return made


def shapes(widths: tuple[int, ...], blocks: int, attends: set[int], updown: bool, film: bool, classes: int = 0,
           learned: bool = True) -> dict[str, tuple[int, ...]]:  # fmt: skip
    """The names and shapes of a UNetModel's weights for grey images, from its description."""
    found: dict[str, tuple[int, ...]] = {}
    time = 4 * widths[0]

    def layer(name: str, *shape: int) -> None:
        found[f"{name}.weight"], found[f"{name}.bias"] = shape, shape[:1]

    def resnet(name: str, i: int, o: int) -> None:
        layer(f"{name}.in_layers.0", i)
        layer(f"{name}.in_layers.2", o, i, 3, 3)
        layer(f"{name}.emb_layers.1", 2 * o if film else o, time)
        layer(f"{name}.out_layers.0", o)
        layer(f"{name}.out_layers.3", o, o, 3, 3)
        if i != o:
            layer(f"{name}.skip_connection", o, i, 1, 1)

    def attention(name: str, c: int) -> None:
        layer(f"{name}.norm", c)
        layer(f"{name}.qkv", 3 * c, c, 1)
        layer(f"{name}.proj_out", c, c, 1)

    layer("time_embed.0", time, widths[0])
    layer("time_embed.2", time, time)
    if classes:
        found["label_emb.weight"] = (classes, time)
    layer("input_blocks.0.0", widths[0], 1, 3, 3)
    c, at, skips = widths[0], 1, [widths[0]]
    for level, width in enumerate(widths):
        for _ in range(blocks):
            resnet(f"input_blocks.{at}.0", c, width)
            if level in attends:
                attention(f"input_blocks.{at}.1", width)
            c, at = width, at + 1
            skips.append(c)
        if level < len(widths) - 1:
            if updown:
                resnet(f"input_blocks.{at}.0", c, c)
            else:
                layer(f"input_blocks.{at}.0.op", c, c, 3, 3)
            at += 1
            skips.append(c)
    resnet("middle_block.0", c, c)
    attention("middle_block.1", c)
    resnet("middle_block.2", c, c)
    at = 0
    for level, width in reversed(list(enumerate(widths))):
        for i in range(blocks + 1):
            resnet(f"output_blocks.{at}.0", c + skips.pop(), width)
            c, place = width, 1
            if level in attends:
                attention(f"output_blocks.{at}.1", width)
                place = 2
            if level and i == blocks:
                if updown:
                    resnet(f"output_blocks.{at}.{place}", c, c)
                else:
                    layer(f"output_blocks.{at}.{place}.conv", c, c, 3, 3)
            at += 1
    layer("out.0", c)
    layer("out.2", 2 if learned else 1, c, 3, 3)
    return found


CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any], tuple[Any, ...]]] = {
    # which library; its UNetModel's arguments; ours for the shapes; flags
    "guided 64": (
        "guided_diffusion",
        {"channel_mult": (1, 2), "attention_resolutions": (2,), "resblock_updown": True, "num_head_channels": 16,
         "use_scale_shift_norm": True, "use_new_attention_order": True, "num_classes": 3, "out_channels": 2},
        {"widths": (32, 64), "blocks": 2, "attends": {1}, "updown": True, "film": True, "classes": 3},
        ("--num-head-channels", 16, "--new-attention-order", "--schedule", "cosine"),
    ),
    "guided 128": (
        "guided_diffusion",
        {"channel_mult": (1, 2), "attention_resolutions": (1, 2), "resblock_updown": True, "num_heads": 4,
         "use_scale_shift_norm": True, "out_channels": 2},
        {"widths": (32, 64), "blocks": 2, "attends": {0, 1}, "updown": True, "film": True},
        ("--num-heads", 4, "--schedule", "linear"),
    ),
    "improved": (
        "improved_diffusion",
        {"channel_mult": (1, 2, 2), "attention_resolutions": (2,), "num_heads": 2, "out_channels": 1},
        {"widths": (32, 64, 64), "blocks": 2, "attends": {1}, "updown": False, "film": False, "learned": False},
        ("--num-heads", 2, "--schedule", "linear"),
    ),
}  # fmt: skip


def start() -> Tensor:
    return torch.sin(torch.arange(128) * 1.7).view(2, 1, 8, 8) * 1.4


def walk(run: Path, steps: int, label: Tensor | None) -> Tensor:
    model = open_model(run, device="cpu")
    sampler = Sampler("ddim", steps, spacing="leading")
    denoise = build.limit(sampler, model.denoiser.given(label))
    return last(sample(denoise, start(), build.plan(sampler, model.schedule), DDIM(), torch.zeros_like))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("steps", [10, 50])
def test_its_own_walk(name: str, steps: int, tmp_path: Path) -> None:
    """The library's SpacedDiffusion by DDIM, from the same noise."""
    package, given, ours, flags = CASES[name]
    library = pytest.importorskip(f"{package}.unet")
    respace = pytest.importorskip(f"{package}.respace")
    gaussian = pytest.importorskip(f"{package}.gaussian_diffusion")
    size = {"image_size": 8} if package == "guided_diffusion" else {}
    net = library.UNetModel(**size, in_channels=1, model_channels=32, num_res_blocks=2, **given).eval()
    state = formula({key: tuple(tensor.shape) for key, tensor in net.state_dict().items()})
    assert {key: tuple(tensor.shape) for key, tensor in state.items()} == shapes(**ours)
    net.load_state_dict(state)
    learned = given["out_channels"] == 2
    diffusion = respace.SpacedDiffusion(
        respace.space_timesteps(1000, f"ddim{steps}"),
        betas=gaussian.get_named_beta_schedule(flags[-1], 1000),
        model_mean_type=gaussian.ModelMeanType.EPSILON,
        model_var_type=gaussian.ModelVarType.LEARNED_RANGE if learned else gaussian.ModelVarType.FIXED_LARGE,
        loss_type=gaussian.LossType.MSE,
        rescale_timesteps=False,
    )
    label = torch.tensor([2, 0]) if "num_classes" in given else None
    told = {} if label is None else {"y": label}
    x = diffusion.ddim_sample_loop(net, (2, 1, 8, 8), noise=start(), model_kwargs=told, device="cpu")
    torch.save(state, tmp_path / "model.pt")
    did("import", "openai", tmp_path / "model.pt", "--size", 8, *flags, "--out", tmp_path / "run")
    assert (walk(tmp_path / "run", steps, label) - x).abs().max() < 1e-4
    if (name, steps) == ("guided 64", 10):
        with torch.no_grad():
            eps = net(start(), torch.tensor([500, 500]), label)
        assert torch.allclose(eps[1, 0, 0], torch.tensor(EXPECTED), atol=1e-5)


PUBLISHED: dict[str, tuple[int, int, dict[str, Any], dict[str, Any]]] = {
    # parameters; size; the arguments of UNetModel in the READMEs; what gives its heads
    "guided 64": (295_904_454, 64, {"model_channels": 192, "channel_mult": (1, 2, 3, 4), "num_res_blocks": 3,
                  "attention_resolutions": (2, 4, 8), "num_classes": 1000}, {"num_head_channels": 64}),
    "guided 128": (421_529_606, 128, {"model_channels": 256, "channel_mult": (1, 1, 2, 3, 4), "num_res_blocks": 2,
                   "attention_resolutions": (4, 8, 16), "num_classes": 1000}, {"num_heads": 4}),
    "guided 256": (552_814_086, 256, {"model_channels": 256, "channel_mult": (1, 1, 2, 2, 4, 4), "num_res_blocks": 2,
                   "attention_resolutions": (8, 16, 32)}, {"num_head_channels": 64}),
    "improved CIFAR-10": (52_546_438, 32, {"model_channels": 128, "channel_mult": (1, 2, 2, 2), "num_res_blocks": 3,
                          "attention_resolutions": (2, 4)}, {"num_heads": 4}),
    "improved 64": (121_063_942, 64, {"model_channels": 128, "channel_mult": (1, 2, 3, 4), "num_res_blocks": 3,
                    "attention_resolutions": (4, 8)}, {"num_heads": 4}),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_weight_of_the_published_layouts_has_a_place(name: str) -> None:
    """Without memory for them: names and shapes alone."""
    from inkwash.importers.openai import _heads, _layout, _renamed

    count, side, given, heads = PUBLISHED[name]
    guided = name.startswith("guided")
    library = pytest.importorskip("guided_diffusion.unet" if guided else "improved_diffusion.unet")
    more = {"resblock_updown": True, "image_size": side} if guided else {}
    file = Path("model.pt")
    with torch.device("meta"):
        net = library.UNetModel(in_channels=3, out_channels=6, use_scale_shift_norm=True, **more, **given, **heads)
    state = net.state_dict()
    assert sum(tensor.numel() for tensor in state.values()) == count
    found = _layout(state, file)
    weights = _renamed(state, found, _heads(found, heads.get("num_heads"), heads.get("num_head_channels"), file), False)
    with torch.device("meta"):
        network = replace(found.network, attention_head_dim=None)
        ours = network.build(Inputs(3, side, side, 1000, vector=found.classes)).state_dict()
    assert {key: tuple(tensor.shape) for key, tensor in weights.items()} == {
        key: tuple(tensor.shape) for key, tensor in ours.items()
    }


def test_the_network_without_the_library(tmp_path: Path) -> None:
    _, _, ours, flags = CASES["guided 64"]
    torch.save(formula(shapes(**ours)), tmp_path / "model.pt")
    done = did("import", "openai", tmp_path / "model.pt", "--size", 8, *flags, "--out", tmp_path / "run")
    assert "Its learned variances are left out" in done.err
    model = open_model(tmp_path / "run", device="cpu")
    with torch.no_grad():
        eps = model.denoiser.output(start(), model.schedule.at(500), torch.tensor([2, 0]))
    assert torch.allclose(eps[1, 0, 0], torch.tensor(EXPECTED), atol=1e-4)
    did("sample", tmp_path / "run", "-n", 1, "--label", 2, "--steps", 2, "--out", tmp_path / "a.png")


def test_one_with_equal_heads_goes_on_to_diffusers(tmp_path: Path) -> None:
    pytest.importorskip("diffusers")
    for name, goes in (("guided 64", True), ("guided 128", False)):
        _, _, ours, flags = CASES[name]
        run = tmp_path / name.replace(" ", "")
        torch.save(formula(shapes(**ours)), tmp_path / "model.pt")
        did("import", "openai", tmp_path / "model.pt", "--size", 8, *flags, "--out", run)
        if goes:
            done = did("export", run, "--diffusers", tmp_path / "out", "--steps", 10)
            assert float(done.err.split("at most ")[1].split(",")[0]) < 1e-4
        else:
            assert "has --num-attention-heads or a --time-factor" in refused(
                "export", run, "--diffusers", tmp_path / "out2"
            )


def test_the_time_of_4000_steps(tmp_path: Path) -> None:
    """With --rescale-timesteps the network sees t·1000/T."""
    _, _, ours, flags = CASES["improved"]
    torch.save(formula(shapes(**ours)), tmp_path / "model.pt")
    flags = ("--size", 8, *flags, "--timesteps", 4000)
    for name, more in (("plain", ()), ("scaled", ("--rescale-timesteps",))):
        did("import", "openai", tmp_path / "model.pt", *flags, *more, "--out", tmp_path / name)
    plain, scaled = (open_model(tmp_path / name, device="cpu") for name in ("plain", "scaled"))
    with torch.no_grad():
        one = scaled.denoiser.output(start(), scaled.schedule.at(2000))
        other = plain.denoiser.net(start(), torch.full((2,), 500))
    assert torch.allclose(one, other, atol=1e-5)


def test_refusals(tmp_path: Path) -> None:
    _, _, ours, flags = CASES["guided 64"]
    state, file = formula(shapes(**ours)), tmp_path / "model.pt"

    def said(change: dict[str, Any], *given: Any, without: str = "") -> str:
        torch.save({name: tensor for name, tensor in (state | change).items() if name != without}, file)
        return refused("import", "openai", file, *(given or ("--size", 8, *flags)), "--out", tmp_path / "run")

    assert "give --size, and --schedule as linear or cosine" in said({}, "--num-heads", 2)
    assert "give --num-heads or --num-head-channels" in said({}, "--size", 8, "--schedule", "cosine")
    assert "does not divide the channels [64]" in said({}, "--size", 8, "--schedule", "linear", "--num-heads", 7)
    assert "no super-resolution" in said({"input_blocks.0.0.weight": torch.zeros(32, 6, 3, 3)})
    name = "middle_block.0.in_layers.2.weight"
    assert "mid_block.resnets.0.conv1.weight is [64, 9, 3, 3]" in said({name: torch.zeros(64, 9, 3, 3)})
    assert "mid_block.resnets.0.conv1.weight is missing" in said({}, without=name)
    assert "pool.weight is not in it" in said({"pool.weight": torch.zeros(3)})
    assert "holds no UNetModel" in said({}, without="time_embed.0.weight")
    content = (torch.save(state, file), file.read_bytes())[1]
    for share in (0.0, 0.5, 0.99):
        file.write_bytes(content[: int(share * len(content))])
        done = inkwash("import", "openai", file, "--size", 8, *flags, "--out", tmp_path / "run")
        assert "damaged" in done.sentence or "no checkpoint" in done.sentence
    assert not (tmp_path / "run" / LAST).exists()
