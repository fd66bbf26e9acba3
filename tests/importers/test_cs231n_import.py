"""Checkpoints of CS231n's assignment 3, made here in its trainer's layout, and what inkwash makes of them."""

import os
import pickle
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inkwash import core, recipes
from inkwash.core import Eps
from inkwash.denoise import Denoiser
from inkwash.errors import InkwashError, UsageError
from inkwash.importers.cs231n import CourseModel, read_course_checkpoint, save_course_run
from inkwash.nets import ConditionedNet, Vector
from inkwash.nets.condition import CondEmbedding
from inkwash.nets.cs231n import Cs231nUNet
from inkwash.runs import build
from inkwash.runs.info import run_facts
from inkwash.runs.record import described
from inkwash.settings import Process
from inkwash.training.checkpoint import LAST, load

SCHEDULES: dict[str, Callable[[int], core.Discrete]] = {
    "linear": lambda T: core.linear(T, 0.1 / T, 20 / T),
    "cosine": core.cosine,
    "sigmoid": core.sigmoid,
}


def network(seed: int = 0, mults: tuple[int, ...] = (1, 2), channels: int = 3) -> Cs231nUNet:
    torch.manual_seed(seed)
    return Cs231nUNet(8, 5, mults, channels).eval()


def diffusion(net: nn.Module, schedule: core.Discrete, objective: str = "pred_noise") -> dict[str, Tensor]:
    """The state_dict of the course's GaussianDiffusion: its ten buffers, float32, and the network under "model."."""
    beta = schedule.betas
    bar = (1 - beta).cumprod(0)
    before = torch.cat([torch.ones(1, dtype=torch.float64), bar[:-1]])
    buffers = {
        "betas": beta, "alphas": 1 - beta, "alphas_cumprod": bar,
        "sqrt_alphas_cumprod": bar.sqrt(), "sqrt_one_minus_alphas_cumprod": (1 - bar).sqrt(),
        "posterior_mean_coef1": beta * before.sqrt() / (1 - bar),
        "posterior_mean_coef2": (1 - before) * (1 - beta).sqrt() / (1 - bar),
        "posterior_std": (beta * (1 - before) / (1 - bar)).clamp(min=1e-20).sqrt(),
        "loss_weight": torch.ones_like(bar) if objective == "pred_noise" else bar / (1 - bar),
    }  # fmt: skip
    return {name: value.float() for name, value in buffers.items()} | {
        f"model.{name}": value for name, value in net.state_dict().items()
    }


def trained(net: Cs231nUNet, **options: Any) -> dict[str, Any]:
    """What its trainer saves after 7 steps."""
    options = {"schedule": core.sigmoid(100), **options}
    optimizer = torch.optim.Adam(net.parameters())
    return {"step": 7, "model": diffusion(net, **options), "opt": optimizer.state_dict()}


def kept(tmp_path: Path, saved: Any) -> Path:
    torch.save(saved, tmp_path / "model-7.pt")
    return tmp_path / "model-7.pt"


def same(model: CourseModel, net: Cs231nUNet) -> bool:
    state = net.state_dict()
    return state.keys() == model.weights.keys() and all(torch.equal(state[key], model.weights[key]) for key in state)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("T", [50, 100, 1000])
@pytest.mark.parametrize("objective", ["pred_noise", "pred_x_start"])
def test_a_checkpoint_says_all_there_is_to_know(tmp_path: Path, name: str, T: int, objective: str) -> None:
    net, schedule = network(), SCHEDULES[name](T)
    model = read_course_checkpoint(kept(tmp_path, trained(net, schedule=schedule, objective=objective)))
    assert (model.dim, model.condition_dim, model.dim_mults, model.channels) == (8, 5, (1, 2), 3)
    assert (model.timesteps, model.schedule, model.objective, model.step) == (T, name, objective, 7)
    assert not model.averaged
    assert same(model, net)
    process = model.process()
    assert process.prediction == {"pred_noise": "eps", "pred_x_start": "x0"}[objective]
    again = build.schedule(process)
    assert isinstance(again, core.Discrete)
    torch.testing.assert_close(again.betas, schedule.betas, rtol=1e-6, atol=0)


def test_the_courses_own_sigmoid_is_known(tmp_path: Path) -> None:
    """The course rounds the ends of its curve to float32, which moves the last betas by 1e-5."""
    for T in (100, 1000, 4000):
        low, high = torch.tensor([-3.0, 3.0]).sigmoid()
        bar = (high - torch.linspace(-3, 3, T + 1, dtype=torch.float64).sigmoid()) / (high - low)
        betas = core.Discrete((1 - bar[1:] / bar[:-1]).clamp(0, 0.999))
        model = read_course_checkpoint(kept(tmp_path, trained(network(), schedule=betas)))
        assert model.process() == Process("sigmoid", T, prediction="eps")


def test_a_students_own_linear_ends_are_kept(tmp_path: Path) -> None:
    model = read_course_checkpoint(kept(tmp_path, trained(network(), schedule=core.linear(300, 3e-4, 0.05))))
    assert model.process() == Process("linear", 300, 3e-4, 0.05)


@pytest.mark.parametrize(("mults", "channels"), [((2,), 1), ((1, 2, 4, 8), 3), ((3, 1), 4)])
def test_sizes_come_from_shapes(tmp_path: Path, mults: tuple[int, ...], channels: int) -> None:
    net = network(0, mults, channels)
    model = read_course_checkpoint(kept(tmp_path, trained(net)))
    assert (model.dim_mults, model.channels) == (mults, channels)
    assert same(model, net)


@pytest.mark.parametrize("prefix", ["model.", "", "ema_model.model.", "ema_model."])
def test_an_average_is_taken_where_there_is_one(tmp_path: Path, prefix: str) -> None:
    """Under the names of the model, of the network, or of ema_pytorch, which keeps the model beside it."""
    net, average = network(0), network(1)
    ema = {f"{prefix}{name}": value for name, value in average.state_dict().items()}
    if prefix.startswith("ema_model."):
        ema |= {f"online_model.model.{name}": value for name, value in net.state_dict().items()}
        ema |= {"initted": torch.tensor(True), "step": torch.tensor(7)}
    model = read_course_checkpoint(kept(tmp_path, trained(net) | {"ema": ema}))
    assert model.averaged
    assert same(model, average)
    assert model.schedule == "sigmoid"


def test_a_bare_state_dict_will_do_and_the_rest_is_asked_for(tmp_path: Path) -> None:
    net = network()
    model = read_course_checkpoint(kept(tmp_path, diffusion(net, core.cosine(100))))
    assert (model.schedule, model.objective, model.step) == ("cosine", "pred_noise", 0)
    model = read_course_checkpoint(kept(tmp_path, net.state_dict()))
    assert same(model, net)
    assert (model.timesteps, model.schedule, model.objective) == (None, None, None)
    assert model.process(100, "linear", "pred_noise") == Process("linear", 100, 0.001, 0.2)
    for missing, given in (
        ("--timesteps", {"schedule": "cosine", "objective": "pred_noise"}),
        ("--schedule", {"timesteps": 100, "objective": "pred_noise"}),
        ("--objective", {"timesteps": 100, "schedule": "cosine"}),
    ):
        with pytest.raises(UsageError, match=missing):
            model.process(**given)


@pytest.mark.parametrize("given", [{"timesteps": 50}, {"schedule": "linear"}, {"objective": "pred_x_start"}])
def test_what_it_says_otherwise_is_not_overruled(tmp_path: Path, given: dict[str, Any]) -> None:
    model = read_course_checkpoint(kept(tmp_path, trained(network())))
    assert model.process(100, "sigmoid", "pred_noise") == model.process()
    with pytest.raises(UsageError, match="the checkpoint says"):
        model.process(**given)


class Command:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("written", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))])
def test_code_is_refused_and_not_run(tmp_path: Path, written: Callable[[Any, Path], Any]) -> None:
    path, mark = tmp_path / "model-7.pt", tmp_path / "ran"
    written(trained(network()) | {"opt": Command(mark)}, path)
    with pytest.raises(UsageError, match=r"may run code; it was not opened: give one.*model-….pt"):
        read_course_checkpoint(path)
    assert not mark.exists()


def test_a_file_that_would_take_more_memory_than_its_size_is_refused(tmp_path: Path) -> None:
    """A tensor whose strides are 0 shows one number a thousand million times; copying it takes 4 GB."""
    repeated = tmp_path / "repeated.pt"
    torch.save({"model": {"init_conv.weight": torch.zeros(1).as_strided((10**9,), (0,))}}, repeated)
    assert repeated.stat().st_size < 3000
    packed = tmp_path / "packed.pt"
    torch.save({"model": {"init_conv.weight": torch.zeros(10**6)}}, tmp_path / "plain.pt")
    with zipfile.ZipFile(tmp_path / "plain.pt") as plain, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as small:
        for name in plain.namelist():
            small.writestr(name, plain.read(name))
    for path, said in ((repeated, "its tensors are larger than the file"), (packed, "it unpacks from")):
        with pytest.raises(InkwashError, match=said):
            read_course_checkpoint(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"hello, this is a text\n", b"\0" * 1000, b"\x89PNG\r\n\x1a\n" + b"ab" * 100, b"PK\x03\x04" + b"\0" * 100],
)
def test_other_files_are_refused_with_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model-7.pt"
    path.write_bytes(content)
    with pytest.raises(InkwashError, match=r"^.*model-7.pt is .*no checkpoint.*\.$"):
        read_course_checkpoint(path)


def test_damaged_files_are_refused_with_a_sentence(tmp_path: Path) -> None:
    """Cut anywhere, or with other bytes near the beginning, where the pickle is."""
    path = kept(tmp_path, trained(network()))
    whole = path.read_bytes()
    for share in (0.01, 0.3, 0.6, 0.99, 0.9999):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(InkwashError, match=r"model-7\.pt"):
            read_course_checkpoint(path)
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        bad = bytearray(whole)
        for place in torch.randint(3000, (3,), generator=generator).tolist():
            bad[place] = (bad[place] + 77) % 256
        path.write_bytes(bad)
        with suppress(InkwashError):
            read_course_checkpoint(path)


@pytest.mark.parametrize(
    ("saved", "said"),
    [
        (torch.ones(3), "holds a Tensor"),
        ([1, 2], "holds a list"),
        ({}, "holds no network of CS231n"),
        ({"step": 3, "model": {}}, "holds no network of CS231n"),
        ({"model": {"init_conv.weight": torch.ones(3)}}, "holds no network of CS231n"),
        ({"model": {"init_conv.weight": torch.ones(0, 3, 3, 3)}}, "holds no network of CS231n"),
        (nn.Linear(2, 2).state_dict(), "holds no network of CS231n"),
    ],
)
def test_other_contents_are_refused_with_a_sentence(tmp_path: Path, saved: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_course_checkpoint(kept(tmp_path, saved))


def test_another_network_is_refused_with_a_sentence(tmp_path: Path) -> None:
    for change in (
        lambda state: state.pop("model.mid_block1.block1.proj.bias"),
        lambda state: state.update({"model.attention.weight": torch.ones(3)}),
        lambda state: state.update({"model.ups.0.1.mlp.1.bias": torch.ones(3)}),
    ):
        saved = trained(network())
        change(saved["model"])
        with pytest.raises(UsageError, match=r"not the course's: (mid_block1|attention|ups)"):
            read_course_checkpoint(kept(tmp_path, saved))


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    net = network()
    net.final_conv.bias.data[1] = torch.nan
    with pytest.raises(InkwashError, match="no numbers"):
        read_course_checkpoint(kept(tmp_path, trained(net)))


@pytest.mark.parametrize("betas", [torch.full((100,), 0.02), torch.linspace(0, 1, 50), torch.rand(30)])
def test_another_schedule_is_refused_or_linear(tmp_path: Path, betas: Tensor) -> None:
    saved = trained(network())
    saved["model"]["betas"] = betas
    if betas[0] == betas[-1]:  # linear too
        assert read_course_checkpoint(kept(tmp_path, saved)).process() == Process("linear", 100, 0.02, 0.02)
        return
    with pytest.raises(UsageError, match="neither linear, cosine nor sigmoid"):
        read_course_checkpoint(kept(tmp_path, saved))


def test_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        read_course_checkpoint(tmp_path / "model-7.pt")


@pytest.mark.parametrize("conditioned", [False, True])
def test_a_run_of_it_is_written_and_reads_back(tmp_path: Path, conditioned: bool) -> None:
    """The network inside a denoiser, alone or with its embedder, draws what the course's would."""
    net = network()
    model = read_course_checkpoint(kept(tmp_path, trained(net)))
    run = replace(recipes.find("digits"), process=model.process())

    def denoiser(seed: int) -> Denoiser:
        inner = network(seed)
        return Denoiser(ConditionedNet(inner, Vector(5)) if conditioned else inner, Eps()).eval()

    save_course_run(model, run, denoiser(1), 16, tmp_path / "run")
    saved = load(tmp_path / "run" / LAST)
    assert described(tmp_path / "run" / LAST, saved.facts) == run
    assert (saved.facts["shape"], saved.facts["step"]) == ([3, 16, 16], 7)
    assert "7 of 7 steps" in dict(run_facts(tmp_path / "run"))["trained"]
    other = denoiser(2)
    other.load_state_dict(saved.parts["ema"])
    x, told, level = torch.randn(2, 3, 16, 16), torch.randn(2, 5), core.sigmoid(100).at(40)
    with torch.no_grad():
        eps = other.output(x, level, told if conditioned else CondEmbedding(told))
        torch.testing.assert_close(eps, net(x, torch.tensor([40, 40]), CondEmbedding(told)), rtol=1e-6, atol=1e-7)
    with pytest.raises(UsageError, match="already holds a run"):
        save_course_run(model, run, denoiser(1), 16, tmp_path / "run")


def test_a_run_of_another_network_is_refused(tmp_path: Path) -> None:
    model = read_course_checkpoint(kept(tmp_path, trained(network())))
    run = recipes.find("digits")
    for other in (network(0, (1, 4)), nn.Linear(2, 2)):
        with pytest.raises(UsageError, match=r"with dim 8, dim_mults .1, 2., condition_dim 5"):
            save_course_run(model, run, Denoiser(other, Eps()), 16, tmp_path / "run")
    assert not (tmp_path / "run").exists()
