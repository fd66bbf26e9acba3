"""`inkwash import sysu` and `abarankab`: weights of independently written networks draw what those networks draw."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cli_runner import did, refused
from inkwash.nets import CondEmbedding
from inkwash.nets.abarankab import AbarankabUNet
from inkwash.runs.model import open_model


class Block(nn.Module):
    """A block of the walk-through that the MNIST report uses."""

    def __init__(self, shape: tuple[int, int, int], in_c: int, out_c: int, normalize: bool = True) -> None:
        super().__init__()
        self.ln = nn.LayerNorm(shape)
        self.conv1 = nn.Conv2d(in_c, out_c, 3, 1, 1)
        self.conv2 = nn.Conv2d(out_c, out_c, 3, 1, 1)
        self.activation = nn.SiLU()
        self.normalize = normalize

    def forward(self, x: Tensor) -> Tensor:
        out = self.ln(x) if self.normalize else x
        return self.activation(self.conv2(self.activation(self.conv1(out))))


class MyUNet(nn.Module):
    """The network of the walk-through, from its description: three levels and a table of sinusoids."""

    def __init__(self, n_steps: int = 1000, dim: int = 100) -> None:
        super().__init__()
        self.time_embed = nn.Embedding(n_steps, dim)
        rates = np.array([10_000 ** (2 * (j - j % 2) / dim) for j in range(dim)])  # 2j/d at even columns
        angles = np.arange(n_steps)[:, None] / rates
        table = np.where(np.arange(dim) % 2 == 0, np.sin(angles), np.cos(angles))
        self.time_embed.weight.data = torch.tensor(table, dtype=torch.float32)

        def te(width: int) -> nn.Module:
            return nn.Sequential(nn.Linear(dim, width), nn.SiLU(), nn.Linear(width, width))

        def blocks(side: int, *widths: int, last: bool = True) -> nn.Module:
            pairs = list(pairwise(widths))
            return nn.Sequential(*(
                Block((i, side, side), i, o, normalize=last or n < len(pairs) - 1) for n, (i, o) in enumerate(pairs)
            ))  # fmt: skip

        self.te1, self.b1, self.down1 = te(1), blocks(28, 1, 10, 10, 10), nn.Conv2d(10, 10, 4, 2, 1)
        self.te2, self.b2, self.down2 = te(10), blocks(14, 10, 20, 20, 20), nn.Conv2d(20, 20, 4, 2, 1)
        self.te3, self.b3 = te(20), blocks(7, 20, 40, 40, 40)
        self.down3 = nn.Sequential(nn.Conv2d(40, 40, 2, 1), nn.SiLU(), nn.Conv2d(40, 40, 4, 2, 1))
        self.te_mid, self.b_mid = te(40), blocks(3, 40, 20, 20, 40)
        self.up1 = nn.Sequential(nn.ConvTranspose2d(40, 40, 4, 2, 1), nn.SiLU(), nn.ConvTranspose2d(40, 40, 2, 1))
        self.te4, self.b4, self.up2 = te(80), blocks(7, 80, 40, 20, 20), nn.ConvTranspose2d(20, 20, 4, 2, 1)
        self.te5, self.b5, self.up3 = te(40), blocks(14, 40, 20, 10, 10), nn.ConvTranspose2d(10, 10, 4, 2, 1)
        self.te_out, self.b_out = te(20), blocks(28, 20, 10, 10, 10, last=False)
        self.conv_out = nn.Conv2d(10, 1, 3, 1, 1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        t, n = self.time_embed(t), len(x)
        out1 = self.b1(x + self.te1(t).reshape(n, -1, 1, 1))
        out2 = self.b2(self.down1(out1) + self.te2(t).reshape(n, -1, 1, 1))
        out3 = self.b3(self.down2(out2) + self.te3(t).reshape(n, -1, 1, 1))
        middle = self.b_mid(self.down3(out3) + self.te_mid(t).reshape(n, -1, 1, 1))
        out4 = self.b4(torch.cat((out3, self.up1(middle)), dim=1) + self.te4(t).reshape(n, -1, 1, 1))
        out5 = self.b5(torch.cat((out2, self.up2(out4)), dim=1) + self.te5(t).reshape(n, -1, 1, 1))
        out = self.b_out(torch.cat((out1, self.up3(out5)), dim=1) + self.te_out(t).reshape(n, -1, 1, 1))
        return self.conv_out(out)


@pytest.fixture(scope="module")
def report() -> MyUNet:
    torch.manual_seed(0)
    return MyUNet().eval()


def eps_of(run: Path, x: Tensor, t: int) -> Tensor:
    model = open_model(run, device="cpu")
    assert model.denoiser.precision == torch.float32
    with torch.no_grad():
        return model.denoiser.output(x, model.schedule.at(t))


@pytest.mark.parametrize("prefix", ["", "network.", "module.network."])
def test_the_reports_weights(prefix: str, report: MyUNet, tmp_path: Path) -> None:
    file, run = tmp_path / "ddpm_mnist.pt", tmp_path / "run"
    torch.save({prefix + key: value for key, value in report.state_dict().items()}, file)
    done = did("import", "sysu", file, "--out", run)
    assert "linear schedule, T = 1000, predicts eps" in done.out
    x = torch.randn(3, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    for t in (0, 500, 999):
        with torch.no_grad():
            wanted = report(x, torch.full((3,), t))
        assert torch.allclose(eps_of(run, x, t), wanted, atol=1e-5)
    did("sample", run, "-n", 1, "--steps", 2, "--out", tmp_path / "a.png")
    assert "sysu-mnist" in did("info", run).out
    assert "already holds a run" in refused("import", "sysu", file, "--out", run)
    assert "trained elsewhere" in refused("evaluate", run, "--steps", 2)


def test_fewer_steps_are_read_from_the_table(tmp_path: Path) -> None:
    torch.save(MyUNet(n_steps=200).state_dict(), tmp_path / "short.pt")
    assert "T = 200" in did("import", "sysu", tmp_path / "short.pt", "--out", tmp_path / "run").out


def test_another_network_is_named_by_its_layers(report: MyUNet, tmp_path: Path) -> None:
    state, file = report.state_dict(), tmp_path / "other.pt"
    state["b3.0.conv1.weight"] = torch.zeros(32, 20, 3, 3)
    del state["te4.0.bias"]
    torch.save(state, file)
    said = refused("import", "sysu", file, "--out", tmp_path / "run")
    assert (
        "another network than the MNIST report's: down3.blocks.0.1.weight is [32, 20, 3, 3] and not [40, 20, 3, 3]"
        in said
    )
    assert "up3.time.0.bias is missing" in said
    assert not (tmp_path / "run" / "last.safetensors").exists()
    state = report.state_dict()
    state["time_embed.weight"] = state["time_embed.weight"] + 0.1
    torch.save(state, file)
    assert "another table of time" in refused("import", "sysu", file, "--out", tmp_path / "run")


def test_abarankabs_weights(tmp_path: Path) -> None:
    """Its state dict holds both networks and the tables; the averaged network is the one that it draws with."""
    torch.manual_seed(0)
    model, average = (AbarankabUNet(3, 32, (1, 2), 2, 48, num_classes=10, attention_resolutions=(1,)) for _ in "ab")

    def original(net: nn.Module, prefix: str) -> dict[str, Tensor]:
        """Under the original's names, in which classes are rows of an embedding."""
        state = net.state_dict()
        return {prefix + k: v.T if k.endswith("class_bias.weight") else v for k, v in state.items()}

    betas = torch.linspace(1e-4, 0.02, 500)
    state = {**original(model, "model."), **original(average, "ema_model."), "betas": betas, "alphas": 1 - betas}
    file, run = tmp_path / "cifar-model.pth", tmp_path / "run"
    torch.save(state, file)
    assert "linear schedule, T = 500" in did("import", "abarankab", file, "--size", 16, "--out", run).out
    opened = open_model(run, device="cpu")
    betas_of = 1 - (opened.schedule.at(1).alpha / opened.schedule.at(0).alpha) ** 2
    assert betas_of == pytest.approx(float(betas[1]), rel=1e-4)
    x, label = torch.randn(2, 3, 16, 16), torch.tensor([3, 7])
    with torch.no_grad():
        found = opened.denoiser.output(x, opened.schedule.at(250), label)
        one_hot = torch.nn.functional.one_hot(label, 10).float()
        wanted = average.eval()(x, torch.full((2,), 250.0), CondEmbedding(one_hot))
    assert (found - wanted).abs().max() < 1e-4
    did("sample", run, "--label", "cat", "-n", 1, "--steps", 2, "--out", tmp_path / "a.png")
    said = refused("import", "abarankab", file, "--timesteps", 5, "--out", tmp_path / "b")
    assert "--timesteps is not for a checkpoint of abarankab" in said


@pytest.mark.parametrize(
    ("kind", "content", "words"),
    [
        ("sysu", {"a": torch.ones(2)}, "holds no network of the MNIST report"),
        ("abarankab", {"a": torch.ones(2)}, "not of abarankab's U-Net"),
        ("abarankab", {"init_conv.weight": torch.ones(2, 3, 3, 3)}, "holds no network of abarankab's layout"),
        ("sysu", [1, 2], "holds a list"),
        ("lab07", {}, "there is no kind of checkpoint 'lab07'"),
    ],
)
def test_refusals(kind: str, content: object, words: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "x.pt")
    assert words in refused("import", kind, tmp_path / "x.pt", "--out", tmp_path / "run")
