"""The lab's pages against the slides' formulas, written out here by hand, and against the tool, bit for bit."""

import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from pages import EXAMPLES, pages
from PIL import Image
from torch import Tensor

from inkwash import cli, recipes
from inkwash.core import Seeded, trailing
from inkwash.denoise import Denoiser, clip
from inkwash.errors import UsageError
from inkwash.runs import build, fit
from inkwash.runs.draw import CPU_BATCH
from inkwash.sample import DDIM, last, sample
from inkwash.training.checkpoint import LAST, Checkpoint, load, save

LAB = EXAMPLES / "lab06"


scheduler, unet, train, infer = pages(LAB, "scheduler", "unet", "train", "infer")
DDIMScheduler, UNet = scheduler.DDIMScheduler, unet.UNet

# ---- the scheduler, against the slides

BETA = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
ALPHA_BAR = (1 - BETA).cumprod(0)
T = 321


def images(seed: int) -> Tensor:
    return torch.randn(2, 1, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


X, EPS, Z = images(0), images(1), images(2)


def network(x: Tensor, t: Tensor) -> Tensor:
    """Stands in for a U-Net, called as the lab calls one."""
    assert t.shape == (len(x),)
    return torch.sin(3 * x) + t.view(-1, 1, 1, 1) / 1000


def near(given: Tensor, wanted: Tensor, rtol: float = 1e-11) -> None:
    torch.testing.assert_close(given, wanted, rtol=rtol, atol=rtol)


def test_the_tables_are_the_slides() -> None:
    made = DDIMScheduler()
    near(made.beta, BETA)
    near(made.alpha, 1 - BETA)
    near(made.alpha_bar, ALPHA_BAR)
    assert made.n_steps == 1000
    assert len(DDIMScheduler(10, 0.1, 0.2).beta) == 10


def test_add_noise_and_velocity_are_the_slides() -> None:
    root, rest = ALPHA_BAR[T].sqrt(), (1 - ALPHA_BAR[T]).sqrt()
    near(DDIMScheduler().add_noise(X, T, EPS), root * X + rest * EPS)
    near(DDIMScheduler().get_velocity(X, EPS, T), root * EPS - rest * X)


def test_a_batch_has_a_time_for_each_image() -> None:
    t = torch.tensor([7, 999])
    root, rest = (value.view(2, 1, 1, 1) for value in (ALPHA_BAR[t].sqrt(), (1 - ALPHA_BAR[t]).sqrt()))
    near(DDIMScheduler().add_noise(X, t, EPS), root * X + rest * EPS, rtol=1e-6)  # training's tables are float32
    near(DDIMScheduler().get_velocity(X, EPS, t), root * EPS - rest * X, rtol=1e-6)
    near(DDIMScheduler().predict(network, X, t), network(X, t), rtol=1e-6)


@pytest.mark.parametrize("prediction", ["epsilon", "v"])
@pytest.mark.parametrize("t_prev", [T - 1, T - 50, 0, -1])
@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_denoise_is_the_slides_ddim(prediction: str, t_prev: int, eta: float) -> None:
    now, then = ALPHA_BAR[T], ALPHA_BAR[t_prev] if t_prev >= 0 else torch.tensor(1.0, dtype=torch.float64)
    said = network(X, torch.tensor([T, T]))
    if prediction == "epsilon":
        eps, x0 = said, (X - (1 - now).sqrt() * said) / now.sqrt()
    else:  # of v = √ᾱ·ε − √(1 − ᾱ)·x₀ and x_t
        eps, x0 = (1 - now).sqrt() * X + now.sqrt() * said, now.sqrt() * X - (1 - now).sqrt() * said
    variance = eta * (1 - then) / (1 - now) * (1 - now / then)
    wanted = then.sqrt() * x0 + (1 - then - variance).sqrt() * eps + variance.sqrt() * Z

    made = DDIMScheduler(prediction=prediction).denoise(network, X, T, t_prev, eta, noise=lambda x: Z)
    near(made, wanted)


def test_at_eta_one_denoise_is_the_slides_ddpm() -> None:
    made = [DDIMScheduler().denoise(network, X, T, T - 1, 1.0, lambda x, z=z: x * 0 + z) for z in (0, 1)]
    said = network(X, torch.tensor([T, T]))
    mean = (X - BETA[T] / (1 - ALPHA_BAR[T]).sqrt() * said) / (1 - BETA[T]).sqrt()
    variance = (1 - ALPHA_BAR[T - 1]) / (1 - ALPHA_BAR[T]) * BETA[T]  # the slide has a root in the denominator
    near(made[0], mean)
    near(made[1] - made[0], variance.sqrt().expand_as(X))


def test_eta_zero_asks_for_no_noise() -> None:
    def never(x: Tensor) -> Tensor:
        raise AssertionError

    once, again = (DDIMScheduler().denoise(network, X, T, T - 9, 0.0, never) for _ in range(2))
    assert torch.equal(once, again)


def test_clip_holds_the_image_in_range() -> None:
    made = DDIMScheduler(clip=True).denoise(lambda x, t: 100 * x, X, 999, -1, 1.0)
    assert made.abs().max() == 1


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("prediction", ["epsilon", "v"])
def test_denoise_by_denoise_is_inkwashs_walk(prediction: str, eta: float) -> None:
    """The slide's loop over `denoise` ends on the same float32 as inkwash.sample along a plan."""
    made = DDIMScheduler(prediction=prediction, clip=True)
    start = Seeded(1, range(3))(torch.empty(3, 1, 4, 4))
    noise, other = Seeded(2, range(3)), Seeded(2, range(3))
    plan = trailing(made.schedule, 7)
    x = start
    for t, t_prev in pairwise([*(level.t for level in plan[:-1]), -1]):
        x = made.denoise(network, x, t, t_prev, eta, noise)
    denoiser = clip(Denoiser(lambda x, t, cond: network(x, t), made.prediction))
    assert torch.equal(x, last(sample(denoiser, start, plan, DDIM.lab(eta), other)))


def test_sample_has_the_slides_parameters() -> None:
    parameters = inspect.signature(DDIMScheduler.sample).parameters
    assert list(parameters) == [
        "self", "save_path", "model", "eta", "n_samples", "image_channels", "image_size", "inference_steps", "device",
    ]  # fmt: skip
    defaults = {name: parameters[name].default for name in ("n_samples", "image_channels", "image_size")}
    assert defaults == {"n_samples": 16, "image_channels": 1, "image_size": 32}
    assert parameters["inference_steps"].default == 1_000


def asked(tmp_path: Path, n_steps: int, inference_steps: int) -> list[int]:
    """The times that the network is asked about."""
    times = []

    def recording(x: Tensor, t: Tensor) -> Tensor:
        times.append(int(t[0]))
        assert len(x) % CPU_BATCH == 0  # of one image, too: what the tool does for the last bit
        return network(x, t)

    DDIMScheduler(n_steps).sample(
        str(tmp_path / "x.png"), recording, 1.0, 1, image_size=4, inference_steps=inference_steps
    )
    return times


def test_sample_walks_the_slides_times(tmp_path: Path) -> None:
    stepsize = 100 // 10
    assert asked(tmp_path, 100, 10) == [100 - 1 - i * stepsize for i in range(10)]


def test_sample_ends_on_a_clean_image_where_the_steps_do_not_divide(tmp_path: Path) -> None:
    times = asked(tmp_path, 100, 30)
    assert len(times) == 30
    assert times[0] == 99
    assert times[-1] < 100 // 30 + 1  # the slide's would stop at 100 − 1 − 29·3 = 12


def test_sample_lays_four_in_a_row_and_follows_the_seed(tmp_path: Path) -> None:
    def drawn(seed: int, eta: float) -> np.ndarray:
        torch.manual_seed(seed)
        DDIMScheduler(prediction="v").sample(str(tmp_path / "x.png"), network, eta, 6, 3, 8, inference_steps=5)
        with Image.open(tmp_path / "x.png") as sheet:
            assert sheet.mode == "RGB"
            assert sheet.size[0] / sheet.size[1] == pytest.approx(4 / 2, rel=0.02)  # 6 images are 2 rows
            return np.asarray(sheet)

    assert np.array_equal(drawn(1, 1.0), drawn(1, 1.0))
    assert not np.array_equal(drawn(1, 1.0), drawn(2, 1.0))
    assert not np.array_equal(drawn(1, 1.0), drawn(1, 0.0))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"save_path": "x.tiff"}, "cannot be written"),
        ({"save_path": "x.gif"}, "animation"),
        ({"n_samples": 0}, "n_samples"),
        ({"inference_steps": 1001}, "at most 1000"),
        ({"inference_steps": 0}, "at least 1 step"),
        ({"eta": -0.1}, "lie in"),
    ],
)
def test_sample_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=said):
        DDIMScheduler().sample(**({"save_path": "x.png", "model": network, "eta": 0.0} | wrong))
    assert not list(tmp_path.iterdir())


def test_an_unknown_prediction_is_refused() -> None:
    with pytest.raises(UsageError, match="epsilon"):
        DDIMScheduler(prediction="x0")


# ---- the network


def test_the_unet_is_the_recipes() -> None:
    """The same parameters, drawn alike from a seed; the same output and gradients, to the last bit."""
    run = recipes.find("lab06-eps")
    torch.manual_seed(5)
    theirs = build.network(run, (1, 32, 32))
    torch.manual_seed(5)
    ours = UNet()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in ours.state_dict().items())

    with torch.no_grad():  # the last layer of each block begins at 0, and would hide what lies before it
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            one.add_(0.05 * torch.randn_like(one))
            other.copy_(one)
    x, t = torch.randn(3, 1, 32, 32), torch.tensor([0, 500, 999])
    assert torch.equal(ours(x, t), theirs(x, t))
    ours(x, t).square().sum().backward()
    theirs(x, t).square().sum().backward()
    assert all(torch.equal(a.grad, b.grad) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_the_blocks_have_the_labs_shapes() -> None:
    x, time = torch.randn(2, 16, 8, 8), unet.TimeEmbedding()(torch.tensor([0, 999]))
    assert time.shape == (2, unet.TIME)
    near(unet.Swish()(x), x * torch.sigmoid(x), rtol=1e-6)
    assert unet.ResidualBlock(16, 24)(x, time).shape == (2, 24, 8, 8)
    assert unet.AttentionBlock(16)(x).shape == x.shape
    assert unet.DownBlock(16, 24, attend=True)(x, time).shape == (2, 24, 8, 8)
    assert unet.MiddleBlock(16)(x, time).shape == x.shape
    assert unet.UpBlock(16, 16, 8)(x, x, time).shape == (2, 8, 8, 8)
    assert unet.Downsample(16)(x).shape == (2, 16, 4, 4)
    assert unet.Upsample(16)(x).shape == (2, 16, 16, 16)


# ---- the scripts, against the tool

SMALL = ["--source", "digits", "--device", "cpu"]  # the embedded digits, padded to 32×32


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """The held-out loss is taken on few images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "HELD_OUT", 8)
        patch.setattr(train, "HELD_OUT", 8)
        yield


def assert_same(one: Path, other: Path) -> None:
    """All tensors of two checkpoints to the last bit, and all facts but what the clock says and the best."""
    a, b = load(one / LAST), load(other / LAST)
    assert a.parts.keys() == b.parts.keys() == {"model", "ema", "exp_avg", "exp_avg_sq"}
    for part, tensors in a.parts.items():
        assert tensors.keys() == b.parts[part].keys()
        for name, tensor in tensors.items():
            assert torch.equal(tensor, b.parts[part][name]), f"{part}.{name}"
    first, second = dict(a.facts), dict(b.facts)
    for facts in (first, second):
        facts.pop("seconds"), facts.pop("best")
    assert [step for step, _ in first["history"]] == [step for step, _ in second["history"]]
    near(torch.tensor(first.pop("history")), torch.tensor(second.pop("history")), rtol=1e-6)  # summed in another order
    assert first == second


@pytest.mark.parametrize(
    ("prediction", "batch_size", "precision"),
    [pytest.param("eps", "8", "bfloat16", marks=pytest.mark.slow), ("v", "6", "float32")],
)
def test_the_open_loop_is_the_tool(tmp_path: Path, prediction: str, batch_size: str, precision: str) -> None:
    args = [*SMALL, "--steps", "3", "--seed", "3", "--batch-size", batch_size, "--precision", precision]
    train.main(["--prediction", prediction, "--out", str(tmp_path / "ours"), *args])
    cli.main(["train", f"lab06-{prediction}", "--out", str(tmp_path / "theirs"), *args])
    assert_same(tmp_path / "ours", tmp_path / "theirs")


def test_it_logs_and_saves_when_the_tool_does(tmp_path: Path) -> None:
    run = recipes.find("lab06-v")
    training = replace(run.training, steps=11, save_every=6, batch_size=2, device="cpu")
    train.train(replace(run, data=replace(run.data, source="digits"), training=training), tmp_path / "ours")
    args = [*SMALL, "--steps", "11", "--save-every", "6", "--batch-size", "2"]
    cli.main(["train", "lab06-v", "--out", str(tmp_path / "theirs"), *args])
    assert_same(tmp_path / "ours", tmp_path / "theirs")
    assert [step for step, _ in load(tmp_path / "ours" / LAST).facts["held_out"]] == [0, 6, 11]


@pytest.mark.slow
def test_on_mnist_too(tmp_path: Path) -> None:
    folder = Path(os.environ.get("INKWASH_DATA") or "nowhere")
    if not (folder / "mnist").is_dir():
        pytest.skip("INKWASH_DATA names no folder with mnist in it")
    args = ["--data-dir", str(folder), "--steps", "2", "--batch-size", "8", "--device", "cpu"]
    train.main(["--out", str(tmp_path / "ours"), *args])
    cli.main(["train", "lab06-eps", "--out", str(tmp_path / "theirs"), *args])
    assert_same(tmp_path / "ours", tmp_path / "theirs")


def test_the_tool_goes_on_with_a_students_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun, whole = str(tmp_path / "begun"), str(tmp_path / "whole")
    train.main(["--prediction", "v", *SMALL, "--batch-size", "2", "--steps", "1", "--out", begun])
    cli.main(["train", "lab06-v", *SMALL, "--batch-size", "2", "--steps", "2", "--out", begun, "--resume"])
    cli.main(["train", "lab06-v", *SMALL, "--batch-size", "2", "--steps", "2", "--out", whole])
    first, second = load(Path(begun) / LAST), load(Path(whole) / LAST)
    assert all(torch.equal(value, second.parts["model"][name]) for name, value in first.parts["model"].items())
    cli.main(["info", begun])
    assert "lab06-v" in capsys.readouterr().out


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of each prediction, one by the page and one by the tool, with weights that say something.

    So short a training leaves most layers at nearly 0, where a mistake in the network would not show.
    """
    folder = tmp_path_factory.mktemp("models")
    runs = {"eps": folder / "eps", "v": folder / "v"}
    train.main(["--prediction", "v", *SMALL, "--steps", "1", "--batch-size", "2", "--out", str(runs["v"])])
    cli.main(["train", "lab06-eps", *SMALL, "--steps", "1", "--batch-size", "2", "--out", str(runs["eps"])])
    generator = torch.Generator().manual_seed(0)
    for run in runs.values():
        saved = load(run / LAST)
        for tensor in saved.parts["ema"].values():
            tensor.add_(0.03 * torch.randn(tensor.shape, generator=generator))
        save(run / LAST, Checkpoint(saved.parts, saved.facts))
    return runs


@pytest.mark.parametrize(
    ("prediction", "ours", "theirs", "n"),
    [
        ("eps", ["--eta", "0", "--clip"], ["--eta", "0", "--limit", "clip"], 8),
        ("eps", ["--eta", "1", "--clip"], ["--solver", "ddpm"], 16),
        ("v", ["--eta", "0"], ["--solver", "ddim", "--limit", "none"], 5),
        ("v", [], [], 16),
        pytest.param("v", ["--eta", "1"], ["--solver", "ddpm", "--limit", "none"], 72, marks=pytest.mark.slow),
        ("v", ["--eta", "0.25", "--clip"], ["--eta", "0.25", "--limit", "clip"], 8),
        ("v", ["--eta", "0.25", "--clip"], ["--solver", "ddim", "--eta", "0.5"], 8),  # η of the paper scales σ
    ],
)
def test_infer_draws_what_the_tool_draws(
    tmp_path: Path, models: dict[str, Path], prediction: str, ours: list[str], theirs: list[str], n: int
) -> None:
    run, steps = str(models[prediction]), "3"
    infer.main([
        run, *ours, "--inference-steps", steps, "--n-samples", str(n), "--seed", "7",
        "--save-path", str(tmp_path / "ours.npz"), "--device", "cpu",
    ])  # fmt: skip
    cli.main([
        "sample", run, *theirs, "--steps", steps, "-n", str(n), "--seed", "7",
        "--out", str(tmp_path / "theirs.npz"), "--device", "cpu",
    ])  # fmt: skip
    with np.load(tmp_path / "ours.npz") as one, np.load(tmp_path / "theirs.npz") as other:
        assert one["images"].shape == (n, 32, 32, 1)
        assert np.array_equal(one["images"], other["images"])
        assert (one["images"] % 255 != 0).sum() > 5 * n  # greys: black and white would agree by chance


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--steps", "0"], "`steps` should be"),
        (["--steps", "many"], "--steps"),
        (["--batch-size", "-1"], "`batch_size` should be"),
        (["--seed", "-1"], "`seed` should be"),
        (["--prediction", "x0"], "--prediction"),
        (["--source", "digit"], "digits"),
        (["--data-dir", "nowhere"], "nowhere"),
        (["--out", str(LAB)], "--out"),
        (["--out", str(LAB / "train.py")], "--out"),
    ],
)
def test_train_refuses_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], args: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        train.main(args)
    assert end.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--eta", "1.5"], "`eta` should be"),
        (["--eta", "much"], "--eta"),
        (["--seed", "-1"], "`seed` should be"),
        (["--n-samples", "0"], "n_samples"),
        (["--inference-steps", "0"], "at least 1 step"),
        (["--save-path", "x.tiff"], "x.tiff"),
        (["--save-path", "x.mp4"], "animation"),
    ],
)
def test_infer_refuses_with_a_sentence(
    models: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    args: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        infer.main([str(models["eps"]), *args])
    assert end.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_infer_refuses_what_is_not_the_labs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(
        ["train", "digits", "--steps", "1", "--batch-size", "2", "--channels", "8", "--out", str(tmp_path / "run")]
    )
    for folder, said in ((tmp_path / "run", "not the lab's"), (tmp_path, "no checkpoint")):
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            infer.main([str(folder)])
        assert end.value.code == 2
        assert said in capsys.readouterr().err


def test_a_loss_that_is_no_number_ends_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train, "held_out_loss", lambda *given: float("nan"))
    with pytest.raises(SystemExit) as end:
        train.main([*SMALL, "--steps", "1", "--batch-size", "2", "--out", str(tmp_path / "run")])
    assert end.value.code == 1
    assert "no longer a number" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_scripts_run(tmp_path: Path) -> None:
    def script(name: str, *args: str) -> str:
        command = [sys.executable, "-W", "error", str(LAB / name), *args, "--device", "cpu"]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    assert "1 steps" in script("train.py", "--source", "digits", "--steps", "1", "--batch-size", "2", "--out", "run")
    assert script("infer.py", "run", "--inference-steps", "2", "--n-samples", "2") == "samples.png\n"
    assert (tmp_path / "samples.png").is_file()
