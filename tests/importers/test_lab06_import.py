"""`inkwash import lab06`: weights of labml's network, written here independently, in [0, 1] and in [−1, 1], ε and v."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cli_runner import did, refused
from inkwash.core import linear, linear_unit
from inkwash.runs.model import open_model

BETAS = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
ABAR = (1 - BETAS).cumprod(0)


class ResidualBlock(nn.Module):
    def __init__(self, i: int, o: int, time: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(32, i), nn.GroupNorm(32, o)
        self.conv1, self.conv2 = nn.Conv2d(i, o, 3, 1, 1), nn.Conv2d(o, o, 3, 1, 1)
        self.shortcut = nn.Identity() if i == o else nn.Conv2d(i, o, 1)
        self.time_emb = nn.Linear(time, o)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        h = self.conv1(nn.functional.silu(self.norm1(x))) + self.time_emb(nn.functional.silu(t))[:, :, None, None]
        return self.shortcut(x) + self.conv2(nn.functional.silu(self.norm2(h)))


class AttentionBlock(nn.Module):
    """As labml writes it: the norm is made and not applied."""

    def __init__(self, c: int, normed: bool) -> None:
        super().__init__()
        self.norm, self.projection, self.output = nn.GroupNorm(32, c), nn.Linear(c, 3 * c), nn.Linear(c, c)
        self.normed = normed

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        plain = x.view(b, c, -1).permute(0, 2, 1)
        given = self.norm(x).view(b, c, -1).permute(0, 2, 1) if self.normed else plain
        q, k, v = self.projection(given).view(b, -1, 1, 3 * c).chunk(3, dim=-1)
        weights = (torch.einsum("bihd,bjhd->bijh", q, k) * c**-0.5).softmax(dim=2)
        found = torch.einsum("bijh,bjhd->bihd", weights, v).reshape(b, -1, c)
        return (self.output(found) + plain).permute(0, 2, 1).view(b, c, h, w)


class Stage(nn.Module):
    def __init__(self, i: int, o: int, time: int, attends: bool, normed: bool) -> None:
        super().__init__()
        self.res = ResidualBlock(i, o, time)
        self.attn = AttentionBlock(o, normed) if attends else nn.Identity()

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.attn(self.res(x, t))


class Conv(nn.Module):
    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv = conv


class LabUNet(nn.Module):
    """UNet(image_channels, n_channels, ch_mults, is_attn, n_blocks); widths multiply up, as labml's first do."""

    def __init__(
        self, n: int = 32, mults: tuple[int, ...] = (1, 2), attn: tuple[bool, ...] = (False, True), blocks: int = 1,
        cumulative: bool = True, normed: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        time = 4 * n
        self.image_proj = nn.Conv2d(1, n, 3, 1, 1)
        self.time_emb = nn.Module()
        self.time_emb.lin1, self.time_emb.lin2 = nn.Linear(n, time), nn.Linear(time, time)
        widths, c = [], n
        for mult in mults:
            widths.append((widths[-1] if widths and cumulative else n) * mult)
        down: list[nn.Module] = []
        for i, width in enumerate(widths):
            for _ in range(blocks):
                down.append(Stage(c, width, time, attn[i], normed))
                c = width
            if i < len(widths) - 1:
                down.append(Conv(nn.Conv2d(c, c, 3, 2, 1)))
        self.down = nn.ModuleList(down)
        self.middle = nn.Module()
        self.middle.res1, self.middle.res2 = ResidualBlock(c, c, time), ResidualBlock(c, c, time)
        self.middle.attn = AttentionBlock(c, normed)
        up: list[nn.Module] = []
        for i in reversed(range(len(widths))):
            up += [Stage(2 * c, c, time, attn[i], normed) for _ in range(blocks)]
            o = widths[i - 1] if i > 0 else n
            up.append(Stage(c + o, o, time, attn[i], normed))
            c = o
            if i > 0:
                up.append(Conv(nn.ConvTranspose2d(c, c, 4, 2, 1)))
        self.up = nn.ModuleList(up)
        self.norm, self.final = nn.GroupNorm(8, n), nn.Conv2d(c, 1, 3, 1, 1)
        self.n = n

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        rates = torch.exp(torch.arange(self.n // 2) * -(math.log(10_000) / (self.n // 2 - 1)))
        angles = t[:, None] * rates[None]
        t = self.time_emb.lin2(nn.functional.silu(self.time_emb.lin1(torch.cat([angles.sin(), angles.cos()], 1))))
        x = self.image_proj(x)
        kept = [x]
        for layer in self.down:
            x = layer.conv(x) if isinstance(layer, Conv) else layer(x, t)
            kept.append(x)
        x = self.middle.res2(self.middle.attn(self.middle.res1(x, t)), t)
        for layer in self.up:
            x = layer.conv(x) if isinstance(layer, Conv) else layer(torch.cat([x, kept.pop()], 1), t)
        return self.final(nn.functional.silu(self.norm(x)))


def kept(folder: Path, seed: int = 0, **how: Any) -> tuple[Path, LabUNet]:
    torch.manual_seed(seed)
    net = LabUNet(**how).eval()
    for parameter in net.parameters():  # GroupNorm's are 1 and 0, which would hide what is not applied
        parameter.data += 0.05 * torch.randn_like(parameter)
    torch.save(net.state_dict(), folder / "unet.pt")
    return folder / "unet.pt", net


@pytest.mark.parametrize(
    ("how", "predicts", "unit"),
    [
        ({}, "eps", True),
        ({}, "v", True),
        ({"normed": True}, "eps", False),
        ({"mults": (1, 2, 2), "attn": (False, False, True), "blocks": 2}, "v", False),
        ({"mults": (1, 2, 3), "attn": (True, False, False), "cumulative": False}, "v", True),
    ],
)
def test_its_image_is_the_labs(tmp_path: Path, how: dict[str, Any], predicts: str, unit: bool) -> None:
    """x̂₀ by the slides' formula from the lab's own network, on its images in [0, 1] or on those in [−1, 1]."""
    file, net = kept(tmp_path, **how)
    flags = (() if unit else ("--no-unit",)) + (("--normed",) if how.get("normed") else ())
    did("import", "lab06", file, "--size", 8, "--predicts", predicts, *flags, "--out", tmp_path / "run")
    model = open_model(tmp_path / "run", device="cpu")
    image, eps, t = torch.rand(3, 1, 8, 8), torch.randn(3, 1, 8, 8), torch.tensor([3, 500, 940])
    a, b = (value[t].float().view(-1, 1, 1, 1) for value in (ABAR.sqrt(), (1 - ABAR).sqrt()))
    x0 = image if unit else 2 * image - 1
    z = a * x0 + b * eps
    with torch.no_grad():
        out = net(z, t)
        expected = (z - b * out) / a if predicts == "eps" else a * z - b * out
        level = model.schedule.at(t)
        x = level.alpha.view(-1, 1, 1, 1) * (2 * image - 1) + level.sigma.view(-1, 1, 1, 1) * eps
        got = model.denoiser(x, level)
    torch.testing.assert_close(got, 2 * expected - 1 if unit else expected, rtol=2e-4, atol=2e-3)


def test_a_step_of_the_lab_is_a_step_here(tmp_path: Path) -> None:
    """The lab's denoise on images in [0, 1], with its η: 2·z − √ᾱ goes from level to level as z does."""
    from inkwash.sample import DDIM

    file, net = kept(tmp_path)
    did("import", "lab06", file, "--size", 8, "--out", tmp_path / "run")
    model = open_model(tmp_path / "run", device="cpu")
    t, s, eta = 600, 560, 0.25
    z, noise = torch.randn(2, 1, 8, 8), torch.randn(2, 1, 8, 8)
    at, as_ = ABAR[t].item(), ABAR[s].item()
    with torch.no_grad():
        eps = net(z, torch.full((2,), t))
        variance = eta * (1 - as_) / (1 - at) * (1 - at / as_)
        x0 = (z - (1 - at) ** 0.5 * eps) / at**0.5
        expected = as_**0.5 * x0 + (1 - as_ - variance) ** 0.5 * eps + variance**0.5 * noise
        levels = model.schedule.at(t), model.schedule.at(s)
        x, _ = DDIM.lab(eta).step(model.denoiser, 2 * z - at**0.5, *levels, None, lambda x: noise)
    torch.testing.assert_close((x + as_**0.5) / 2, expected, rtol=1e-3, atol=1e-4)


def test_the_doubled_table() -> None:
    plain, doubled = linear(1000), linear_unit(1000)
    for t in (0, 400, 999):
        a, b = plain.at(t), doubled.at(t)
        assert (b.alpha, b.sigma) == (a.alpha, 2 * a.sigma)
        assert b.logsnr == pytest.approx(a.logsnr - math.log(4))
        again = doubled.from_logsnr(b.logsnr)
        assert again.t == pytest.approx(t, abs=1e-6)
        assert again.logsnr == pytest.approx(b.logsnr)


def test_it_samples_with_the_labs_sampler(tmp_path: Path) -> None:
    file, _ = kept(tmp_path)
    did("import", "lab06", file, "--size", 8, "--out", tmp_path / "run")
    assert "--solver ddim-lab --steps 1000 --eta 1" in did("info", tmp_path / "run").out
    did("sample", tmp_path / "run", "-n", 2, "--steps", 3, "--out", tmp_path / "a.png")
    did(
        "sample",
        tmp_path / "run",
        "-n",
        2,
        "--steps",
        3,
        "--solver",
        "heun",
        "--spacing",
        "karras",
        "--out",
        tmp_path / "b.png",
    )


def test_other_files_are_refused(tmp_path: Path) -> None:
    out = ("--out", tmp_path / "run")
    torch.save({"a": torch.ones(2)}, tmp_path / "other.pt")
    assert "holds no network of the lab's layout" in refused("import", "lab06", tmp_path / "other.pt", *out)
    file, net = kept(tmp_path)
    state = net.state_dict()
    state.pop("middle.res1.conv1.bias")
    torch.save(state, file)
    assert "holds another network than the lab's: net.middle" in refused(
        "import", "lab06", file, "--size", 8, *out
    ) or ("middle.res1.conv1.bias is missing" in refused("import", "lab06", file, "--size", 8, *out))
    kept(tmp_path)
    assert "sides must be multiples of 2" in refused("import", "lab06", file, "--size", 9, *out)
    assert "--predicts is not for a checkpoint of sysu" in refused("import", "sysu", file, "--predicts", "v", *out)
    assert not (tmp_path / "run").exists()
