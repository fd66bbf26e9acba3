"""The assignment's pages against its document's formulas in float64, its notebook's numbers, and inkwash's loop."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pages import EXAMPLES, pages
from torch import Tensor

from inkwash.core import CLEAN, X0, Eps, eps_from, posterior, trailing
from inkwash.denoise import Denoiser, Given, clip, guide
from inkwash.errors import UsageError
from inkwash.nets.condition import CondEmbedding
from inkwash.nets.cs231n import Cs231nUNet
from inkwash.sample import DDPM, last, sample

PAGES = EXAMPLES / "cs231n"


unet, gaussian_diffusion, demo = pages(PAGES, "unet", "gaussian_diffusion", "demo")
Unet, GaussianDiffusion = unet.Unet, gaussian_diffusion.GaussianDiffusion

SCHEDULES = ["linear", "cosine", "sigmoid"]
every = pytest.mark.parametrize("beta_schedule", SCHEDULES)


def betas(name: str, T: int) -> Tensor:
    """The course's three schedules, as its code has them: [T] float64, and the sigmoid's ends rounded to float32."""
    u = torch.arange(T + 1, dtype=torch.float64) / T
    if name == "linear":
        return 1000 / T * torch.linspace(1e-4, 0.02, T, dtype=torch.float64)
    if name == "cosine":
        bar = torch.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2
    else:
        low, high = torch.tensor([-3.0, 3.0]).sigmoid()
        bar = (high - (6 * u - 3).sigmoid()) / (high - low)
    return (1 - bar[1:] / bar[:-1]).clamp(0, 0.999)


class Formulas:
    """The document's formulas in float64: `a` is ᾱ_t, `before` ᾱ_{t−1}, each [B,1,1,1] for t [B]."""

    def __init__(self, name: str, T: int, t: Tensor) -> None:
        beta = betas(name, T)
        bar = (1 - beta).cumprod(0)
        before = torch.cat([torch.ones(1, dtype=torch.float64), bar[:-1]])
        self.beta, self.a, self.before = (value[t].view(-1, 1, 1, 1) for value in (beta, bar, before))

    def noised(self, x0: Tensor, eps: Tensor) -> Tensor:
        return self.a.sqrt() * x0 + (1 - self.a).sqrt() * eps

    def x0(self, x: Tensor, eps: Tensor) -> Tensor:
        return (x - (1 - self.a).sqrt() * eps) / self.a.sqrt()

    def eps(self, x: Tensor, x0: Tensor) -> Tensor:
        return (x - self.a.sqrt() * x0) / (1 - self.a).sqrt()

    def mean(self, x: Tensor, x0: Tensor) -> Tensor:
        first = self.before.sqrt() * self.beta / (1 - self.a)  # β is outside of the root; one print has it inside
        return first * x0 + (1 - self.beta).sqrt() * (1 - self.before) / (1 - self.a) * x

    @property
    def std(self) -> Tensor:
        return ((1 - self.before) / (1 - self.a) * self.beta).sqrt()

    @property
    def snr(self) -> Tensor:
        return self.a / (1 - self.a)


def near(given: Tensor, wanted: Tensor, tolerance: float = 1e-6) -> None:
    torch.testing.assert_close(given.double(), wanted, rtol=tolerance, atol=tolerance)


def images(seed: int, n: int = 5) -> Tensor:
    return torch.randn(n, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


X, EPS = images(0), images(1)


@every
@pytest.mark.parametrize("T", [50, 100, 1000])
def test_the_schedules_are_the_courses(beta_schedule: str, T: int) -> None:
    """All rows: to 1e-12, but to 2e-5 where the course rounds the sigmoid's ends to float32, which is 3e-7 of α."""
    schedule = GaussianDiffusion(None, 4, T, beta_schedule=beta_schedule).schedule
    tolerance = 2e-5 if beta_schedule == "sigmoid" else 1e-12
    torch.testing.assert_close(schedule.betas, betas(beta_schedule, T), rtol=tolerance, atol=0)
    alphas = torch.tensor([schedule.at(t).alpha for t in range(T)], dtype=torch.float64)
    near(alphas, (1 - betas(beta_schedule, T)).cumprod(0).sqrt(), 3e-7)


@every
@pytest.mark.parametrize("T", [100, 1000])
def test_the_methods_are_the_documents_formulas(beta_schedule: str, T: int) -> None:
    """At five times at once, the ends included; where α is divided by, not at the last tenth."""
    diffusion = GaussianDiffusion(None, 4, T, beta_schedule=beta_schedule)
    t = torch.tensor([0, 1, T // 3, T // 2, 9 * T // 10])
    formulas = Formulas(beta_schedule, T, t)
    near(diffusion.q_sample(X, t, EPS), formulas.noised(X, EPS))
    near(diffusion.predict_start_from_noise(X, t, EPS), formulas.x0(X, EPS), 2e-6)
    near(diffusion.predict_noise_from_start(X, t, EPS), formulas.eps(X, EPS), 2e-6)
    t = torch.tensor([0, 1, T // 3, T // 2, T - 1])
    formulas = Formulas(beta_schedule, T, t)
    near(diffusion.q_sample(X, t, EPS), formulas.noised(X, EPS))
    mean, std = diffusion.q_posterior(EPS, X, t)
    near(mean, formulas.mean(X, EPS))
    near(std, formulas.std)
    assert std[0] == 0
    assert diffusion.num_timesteps == T


@every
def test_the_methods_are_inkwashs_own(beta_schedule: str) -> None:
    """Numbers of core, to the last bit; and x₀ and ε come back from each other."""
    diffusion = GaussianDiffusion(None, 4, 100, beta_schedule=beta_schedule)
    schedule, x, eps, t = diffusion.schedule, X.float(), EPS.float(), torch.tensor([30] * 5)
    level = schedule.at(30)
    near(diffusion.q_sample(x, t, eps), (level.alpha * x + level.sigma * eps).double())
    noised = diffusion.q_sample(x, t, eps)
    near(diffusion.predict_start_from_noise(noised, t, eps), x.double(), 1e-5)
    near(diffusion.predict_noise_from_start(noised, t, x), eps.double(), 1e-5)
    near(eps_from(X0(), x, noised, level), eps.double(), 1e-5)
    keep, lift, std = posterior(level, schedule.at(29))
    mean, given = diffusion.q_posterior(eps, x, t)
    near(mean, (keep * x + lift * eps).double())
    near(given, torch.full((5, 1, 1, 1), std, dtype=torch.float64))
    assert diffusion.level(-1) is CLEAN
    image = torch.rand(2, 3, 4, 4)
    near(diffusion.unnormalize(diffusion.normalize(image)), image.double())
    assert diffusion.normalize(torch.tensor([0.0, 0.5, 1.0])).tolist() == [-1, 0, 1]


class Net(Unet):
    """A network without its dropout."""

    def __init__(self, dim_mults: tuple[int, ...] = (1, 2), condition_dim: int = 5) -> None:
        super().__init__(4, condition_dim, dim_mults)
        self.eval()


@every
@pytest.mark.parametrize("objective", ["pred_noise", "pred_x_start"])
@pytest.mark.parametrize("T", [100, 1000])
def test_the_loss_is_the_documents(beta_schedule: str, objective: str, T: int) -> None:
    """t, then the noise, from torch's own numbers; ε's error weighs 1 and x₀'s SNR, not clipped."""
    torch.manual_seed(0)
    net, x, told = Net(), torch.rand(6, 3, 4, 4), torch.randn(6, 5)
    diffusion = GaussianDiffusion(net, 4, T, objective, beta_schedule)
    torch.manual_seed(7)
    with torch.no_grad():
        loss = diffusion.p_losses(x, {"text_emb": told})
    torch.manual_seed(7)
    t, noise = torch.randint(0, T, (6,)), torch.randn(6, 3, 4, 4)
    formulas = Formulas(beta_schedule, T, t)
    x0 = 2 * x.double() - 1
    with torch.no_grad():
        out = Cs231nUNet.forward(net, formulas.noised(x0, noise.double()).float(), t, CondEmbedding(told)).double()
    wanted, weight = (noise.double(), 1.0) if objective == "pred_noise" else (x0, formulas.snr)
    near(loss, (weight * (out - wanted) ** 2).mean(), 1e-5)


def test_the_loss_is_the_notebooks() -> None:
    """Its check of `p_losses`: seed 231, and 30.0160."""
    torch.manual_seed(231)
    net = Unet(4, 4, (2, 4)).eval()
    diffusion = GaussianDiffusion(net, 4, 1000, "pred_x_start", "sigmoid")
    x, told = torch.randn(3, 3, 4, 4), torch.randn(3, 4)
    assert diffusion.p_losses(x, {"text_emb": told}).item() == pytest.approx(30.0160, abs=1e-4)


def test_q_sample_is_the_notebooks() -> None:
    """The first row that its check of `q_sample` expects at each of three times."""
    x, noise = (torch.linspace(*ends, 36).view(3, 3, 2, 2) for ends in ((-0.9, 0.6), (-0.7, 0.8)))
    x_t = GaussianDiffusion(None, 2, 1000, beta_schedule="sigmoid").q_sample(x, torch.tensor([0, 300, 999]), noise)
    expected = [[-0.9119949, -0.86840147], [-0.42800453, -0.37039882], [0.32864183, 0.37152246]]
    near(x_t[:, 0, 0], torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize(
    ("objective", "beta_schedule", "expected"),
    [
        ("pred_x_start", "sigmoid", [1.1249855, 0.098786, -0.674154, 1.3266845]),
        ("pred_noise", "cosine", [1.1139543, 0.11015256, -0.7337392, 1.3292073]),
    ],
)
def test_p_sample_is_the_notebooks(objective: str, beta_schedule: str, expected: list[float]) -> None:
    """The first row of both its checks of `p_sample`, which are one after the other."""
    torch.manual_seed(231)
    net = Unet(4, 4, (2,)).eval()
    x, told = torch.randn(1, 3, 4, 4), {"text_emb": torch.randn(1, 4)}
    if objective == "pred_noise":
        torch.randn_like(x)  # what the first check has drawn
    with torch.no_grad():
        out = GaussianDiffusion(net, 4, 1000, objective, beta_schedule).p_sample(x, 231, told)
    near(out[0, 0, 0], torch.tensor(expected, dtype=torch.float64))


@every
@pytest.mark.parametrize("objective", ["pred_noise", "pred_x_start"])
@pytest.mark.parametrize("t", [0, 1, 60, 99])
def test_p_sample_is_the_documents(beta_schedule: str, objective: str, t: int) -> None:
    torch.manual_seed(0)
    net, x, told = Net(), torch.randn(5, 3, 4, 4), torch.randn(5, 5)
    diffusion = GaussianDiffusion(net, 4, 100, objective, beta_schedule)
    torch.manual_seed(3)
    given = diffusion.p_sample(x, t, {"text_emb": told})
    torch.manual_seed(3)
    times = torch.tensor([t] * 5)
    formulas = Formulas(beta_schedule, 100, times)
    with torch.no_grad():
        out = Cs231nUNet.forward(net, x, times, CondEmbedding(told)).double()
    x0 = (formulas.x0(x.double(), out) if objective == "pred_noise" else out).clamp(-1, 1)
    z = torch.randn_like(x).double() if t > 0 else 0.0
    near(given, formulas.mean(x.double(), x0) + formulas.std * z, 1e-5)


@pytest.mark.parametrize("objective", ["pred_noise", "pred_x_start"])
@pytest.mark.parametrize("w", [None, 0.5])
def test_sample_is_p_sample_again_and_again_and_inkwashs_loop(objective: str, w: float | None) -> None:
    """And guidance w is inkwash's scale 1 + w, at every step: the caller's dict is as it was."""
    torch.manual_seed(0)
    net, told = Net(), torch.randn(2, 5)
    diffusion = GaussianDiffusion(net, 8, 20, objective, "cosine")
    kwargs = {"text_emb": told} if w is None else {"text_emb": told, "cfg_scale": w}
    before = dict(kwargs)
    torch.manual_seed(5)
    every_moment = diffusion.sample(2, return_all_timesteps=True, model_kwargs=kwargs)
    assert every_moment.shape == (2, 21, 3, 8, 8)
    assert kwargs == before
    torch.manual_seed(5)
    assert torch.equal(diffusion.sample(2, model_kwargs=kwargs), every_moment[:, -1])
    torch.manual_seed(5)
    x = torch.randn(2, 3, 8, 8)
    for t in reversed(range(20)):
        x = diffusion.p_sample(x, t, kwargs)
    near(diffusion.unnormalize(x), every_moment[:, -1].double())
    denoiser = Denoiser(lambda x, t, cond: Cs231nUNet.forward(net, x, t, cond), diffusion.prediction)
    texts, none = Given(denoiser, CondEmbedding(told)), Given(denoiser, None)
    guided = clip(guide(texts, none, 1 if w is None else 1 + w))
    plan = trailing(diffusion.schedule, 20)
    for t, snapshot in enumerate((2 * every_moment - 1).unbind(1)[:20]):  # one step each: no error grows
        torch.manual_seed(t)
        one = diffusion.p_sample(snapshot, 19 - t, kwargs)
        torch.manual_seed(t)
        other = last(sample(guided, snapshot, plan[t : t + 2], DDPM(), torch.randn_like))
        near(one, other.double(), 1e-4)


def test_guidance_is_the_courses() -> None:
    """(1 + w)·F(x, text) − w·F(x, no text), where no text is None and the zero vector."""
    torch.manual_seed(0)
    net, x, t, told = Net(), torch.randn(2, 3, 4, 4), torch.tensor([3, 4]), torch.randn(2, 5)
    with torch.no_grad():
        one, none = net(x, t, {"text_emb": told}), net(x, t, {"text_emb": None})
        assert torch.equal(net(x, t, {"text_emb": torch.zeros(2, 5)}), none)
        for w in (0.0, 0.5, 2.31):
            near(net(x, t, {"text_emb": told, "cfg_scale": w}), ((1 + w) * one - w * none).double(), 1e-5)
            near(net.cfg_forward(x, t, {"text_emb": told, "cfg_scale": w}), ((1 + w) * one - w * none).double(), 1e-5)


def test_texts_are_withheld_in_training_alone() -> None:
    """Of 400 alike, about a fifth give what no text gives, within 4 standard errors; none does when drawing."""
    torch.manual_seed(0)
    net = Net()
    x, t, told = torch.randn(1, 3, 4, 4).expand(400, -1, -1, -1), torch.full((400,), 7), torch.ones(400, 5)
    with torch.no_grad():
        none = net(x, t)
        drawn = net(x, t, {"text_emb": told})
        net.train()
        for layer in net.modules():
            if isinstance(layer, torch.nn.Dropout):
                layer.p = 0.0
        trained = net(x, t, {"text_emb": told})
    withheld = torch.isclose(trained, none, atol=1e-6).flatten(1).all(1)
    assert abs(withheld.float().mean() - 0.2) < 4 * math.sqrt(0.2 * 0.8 / 400)
    near(trained[~withheld], drawn[~withheld].double(), 1e-5)
    assert not torch.isclose(drawn, none, atol=1e-6).flatten(1).all(1).any()


@pytest.mark.parametrize("given", [{"objective": "pred_v"}, {"beta_schedule": "quadratic"}])
def test_an_unknown_name_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="must be one of"):
        GaussianDiffusion(None, 4, **given)


def test_it_predicts_what_it_says() -> None:
    kinds = {"pred_noise": Eps, "pred_x_start": X0}
    for objective, kind in kinds.items():
        assert isinstance(GaussianDiffusion(None, 4, objective=objective).prediction, kind)


def test_the_demo_runs(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(PAGES / "demo.py"), "2", "5"]
    out = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert out.splitlines()[-1].startswith("w = 2: ")
    assert out.splitlines()[-1].endswith("have the colour that was asked for")


def test_the_demos_squares_have_their_colours() -> None:
    names = torch.tensor([0, 1, 2, 0])
    drawn = demo.squares(names)
    assert drawn.shape == (4, 3, 8, 8)
    assert torch.equal((drawn - 0.5).flatten(2).mean(2).argmax(1), names)
    assert (drawn != 0.5).flatten(1).sum(1).tolist() == [48] * 4


@every
@pytest.mark.parametrize("objective", ["pred_noise", "pred_x_start"])
def test_a_state_dict_of_the_course_loads(beta_schedule: str, objective: str) -> None:
    """Its nine buffers, made here from its formulas, and its network's weights; no key is missing or left over."""
    beta = betas(beta_schedule, 100)
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
    weights = {f"model.{name}": value for name, value in Unet(8, 5, (1, 2)).state_dict().items()}
    saved = {name: value.float() for name, value in buffers.items()} | weights
    diffusion = GaussianDiffusion(Unet(8, 5, (1, 2)), 8, 100, objective, beta_schedule)
    for name, value in buffers.items():
        torch.testing.assert_close(diffusion.get_buffer(name).double(), value, rtol=3e-5, atol=1e-6)
    diffusion.load_state_dict(saved)
    assert all(torch.equal(diffusion.state_dict()[name], value) for name, value in saved.items())
    assert (diffusion.objective, diffusion.channels) == (objective, 3)


def test_a_state_dict_of_another_process_is_refused() -> None:
    saved = GaussianDiffusion(None, 8, 100, "pred_noise", "sigmoid").state_dict()
    with pytest.raises(UsageError, match="trained with other betas"):
        GaussianDiffusion(None, 8, 100, "pred_noise", "cosine").load_state_dict(saved)
    with pytest.raises(UsageError, match="trained with other loss_weight"):
        GaussianDiffusion(None, 8, 100, "pred_x_start", "sigmoid").load_state_dict(saved)


@every
def test_the_functions_of_the_page(beta_schedule: str) -> None:
    page = gaussian_diffusion
    for made in (getattr(page, f"{beta_schedule}_beta_schedule")(100), page.get_beta_schedule(beta_schedule, 100)):
        torch.testing.assert_close(made, betas(beta_schedule, 100), rtol=2e-5, atol=0)
    a, t = torch.arange(10.0), torch.tensor([3, 0, 9])
    assert torch.equal(page.extract(a, t, (3, 1, 4, 4)), torch.tensor([3.0, 0.0, 9.0]).view(3, 1, 1, 1))
    assert page.extract(a, t, (3, 7)).shape == (3, 1)


def test_the_blocks_of_the_page_are_its_networks() -> None:
    """Built from the blocks by the notebook's instructions, a seed gives the same weights under the same names."""
    torch.manual_seed(0)
    whole = Unet(8, 5, (1, 2))
    torch.manual_seed(0)
    context = 32
    parts = torch.nn.Module()
    parts.init_conv = torch.nn.Conv2d(3, 8, 3, padding=1)
    parts.time_mlp = torch.nn.Sequential(
        unet.SinusoidalPosEmb(8), torch.nn.Linear(8, 32), torch.nn.GELU(), torch.nn.Linear(32, 32)
    )
    parts.condition_mlp = torch.nn.Sequential(torch.nn.Linear(5, 32), torch.nn.GELU(), torch.nn.Linear(32, 32))
    block = unet.ResnetBlock
    parts.downs, parts.ups = torch.nn.ModuleList(), torch.nn.ModuleList()
    parts.downs.extend(
        torch.nn.ModuleList([block(i, i, context), block(i, i, context), unet.Downsample(i, o)])
        for i, o in ((8, 8), (8, 16))
    )
    parts.mid_block1, parts.mid_block2 = block(16, 16, context), block(16, 16, context)
    parts.ups.extend(
        torch.nn.ModuleList([unet.Upsample(i, o), block(2 * o, o, context), block(2 * o, o, context)])
        for i, o in ((16, 8), (8, 8))
    )
    parts.final_conv = torch.nn.Conv2d(8, 3, 1)
    assert list(parts.state_dict()) == list(whole.state_dict())
    assert all(torch.equal(value, whole.state_dict()[name]) for name, value in parts.state_dict().items())


def test_the_blocks_take_what_the_courses_take() -> None:
    """Block: conv, x·√C·g/|x|, times 1 + scale plus shift, GELU. ResnetBlock: its context may be absent."""
    torch.manual_seed(0)
    x, scale, shift = torch.randn(2, 4, 6, 6), torch.randn(2, 8, 1, 1), torch.randn(2, 8, 1, 1)
    block = unet.Block(4, 8)
    h = torch.nn.functional.conv2d(x, block.proj.weight, block.proj.bias, padding=1)
    h = h * 8**0.5 / h.norm(dim=1, keepdim=True) * block.norm.g
    near(block(x, (scale, shift)), torch.nn.functional.gelu(h * (1 + scale) + shift).double(), 1e-5)
    near(block(x), torch.nn.functional.gelu(h).double(), 1e-5)
    both = unet.ResnetBlock(4, 8, 5).eval()
    near(both(x), (both.res_conv(x) + both.block2(both.block1(x))).double(), 1e-6)
    assert not torch.allclose(both(x), both(x, torch.ones(2, 5)))
    assert unet.ResnetBlock(4, 8, None).eval()(x, torch.ones(2, 5)).shape == (2, 8, 6, 6)
    assert unet.Upsample(4)(x).shape == (2, 4, 12, 12)
    assert unet.Downsample(4)(x).shape == (2, 4, 3, 3)
