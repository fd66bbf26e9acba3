"""abarankab's U-Net: against the same network written out over a state_dict, and its size by a count of our own."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from inkwash.errors import UsageError
from inkwash.nets.abarankab import AbarankabUNet, from_original
from inkwash.nets.condition import CondEmbedding, ConditionedNet, OneHot

SMALL: dict[str, Any] = {
    "base_channels": 8, "channel_mults": (1, 2), "num_res_blocks": 1, "time_emb_dim": 12, "num_classes": 3,
    "num_groups": 4,
}  # fmt: skip
OPTIONS: dict[str, dict[str, Any]] = {
    "small": {},
    "no classes": {"num_classes": 0},
    "three levels": {"channel_mults": (1, 2, 3), "num_res_blocks": 2, "attention_resolutions": (0, 2)},
    "one level": {"channel_mults": (2,), "attention_resolutions": ()},
    "relu": {"activation": "relu"},
    "mish": {"activation": "mish"},
    "instance norm": {"norm": "in"},
    "no norm": {"norm": "none", "base_channels": 6},
    "padded": {"initial_pad": 2, "channel_mults": (1, 1, 2)},
    "grey": {"img_channels": 1},
    "unit times": {"time_emb_scale": 1000.0},
}
each = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
T = torch.tensor([3, 500, 999])


def made(**options: Any) -> AbarankabUNet:
    torch.manual_seed(0)
    return AbarankabUNet(**(SMALL | options)).eval()


def x(channels: int = 3, height: int = 8, width: int = 12) -> Tensor:
    return torch.randn(3, channels, height, width, generator=torch.Generator().manual_seed(1))


def one_hot(labels: list[int]) -> CondEmbedding:
    return OneHot(3)(torch.tensor(labels), torch.ones(len(labels), dtype=torch.bool))


def original(net: AbarankabUNet) -> dict[str, Tensor]:
    """Weights such as the original would save: random, and each class_bias a table [K,o]."""
    numbers = torch.Generator().manual_seed(2)
    state = {name: torch.randn(value.shape, generator=numbers) * 0.2 for name, value in net.state_dict().items()}
    return {name: value.T.contiguous() if "class_bias" in name else value for name, value in state.items()}


def reference(state: dict[str, Tensor], x: Tensor, t: Tensor, labels: list[int], options: dict[str, Any]) -> Tensor:
    """What the document shows, over the original's weights; where a name is not among them, there is no such layer."""
    told = {"activation": "silu", "norm": "gn", "initial_pad": 0, "time_emb_scale": 1.0} | SMALL | options
    act = getattr(F, told["activation"])

    def linear(name: str, h: Tensor) -> Tensor:
        return h @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def conv(name: str, h: Tensor, stride: int = 1) -> Tensor:
        weight = state[f"{name}.weight"]
        return F.conv2d(h, weight, state[f"{name}.bias"], stride, weight.shape[-1] // 2)

    def norm(name: str, h: Tensor) -> Tensor:
        if told["norm"] == "none":
            return h
        groups = told["num_groups"] if told["norm"] == "gn" else h.shape[1]
        parts = h.reshape(len(h), groups, -1)
        mean, var = parts.mean(2, keepdim=True), parts.var(2, correction=0, keepdim=True)
        h = ((parts - mean) / (var + 1e-5).sqrt()).view(h.shape)
        return h * state[f"{name}.weight"][:, None, None] + state[f"{name}.bias"][:, None, None]

    def attention(name: str, h: Tensor) -> Tensor:
        q, k, v = conv(f"{name}.to_qkv", norm(f"{name}.norm", h)).flatten(2).chunk(3, dim=1)  # [B,C,HW]
        weights = (torch.einsum("bci,bcj->bij", q, k) / math.sqrt(h.shape[1])).softmax(dim=2)
        return conv(f"{name}.to_out", torch.einsum("bij,bcj->bci", weights, v).view(h.shape)) + h

    def block(name: str, h: Tensor) -> Tensor:
        out = conv(f"{name}.conv_1", act(norm(f"{name}.norm_1", h)))
        out = out + linear(f"{name}.time_bias", act(time))[:, :, None, None]
        if f"{name}.class_bias.weight" in state:
            out = out + state[f"{name}.class_bias.weight"][labels][:, :, None, None]
        out = conv(f"{name}.conv_2.1", act(norm(f"{name}.norm_2", out)))
        skip = f"{name}.residual_connection"
        out = out + (conv(skip, h) if f"{skip}.weight" in state else h)
        return attention(f"{name}.attention", out) if f"{name}.attention.to_out.weight" in state else out

    half = told["base_channels"] // 2
    angles = torch.outer(
        t * told["time_emb_scale"], torch.tensor([math.exp(-math.log(1e4) * k / half) for k in range(half)])
    )
    time = linear("time_mlp.3", F.silu(linear("time_mlp.1", torch.cat([angles.sin(), angles.cos()], dim=1))))
    pad = told["initial_pad"]
    h = conv("init_conv", F.pad(x, [pad] * 4))
    skips, levels, blocks = [h], len(told["channel_mults"]), told["num_res_blocks"]
    n = 0
    for level in range(levels):
        for _ in range(blocks):
            skips.append(block(f"downs.{n}", skips[-1]))
            n += 1
        if level < levels - 1:
            skips.append(conv(f"downs.{n}.downsample", skips[-1], stride=2))
            n += 1
    h = block("mid.1", block("mid.0", skips[-1]))
    n = 0
    for level in reversed(range(levels)):
        for _ in range(blocks + 1):
            h = block(f"ups.{n}", torch.cat([h, skips.pop()], dim=1))
            n += 1
        if level:
            h = conv(f"ups.{n}.upsample.1", h.repeat_interleave(2, 2).repeat_interleave(2, 3))
            n += 1
    h = conv("out_conv", act(norm("out_norm", h)))
    return h[:, :, pad : h.shape[2] - pad, pad : h.shape[3] - pad]


@each
def test_the_originals_weights_give_the_originals_output(options: dict) -> None:
    net = made(**options)
    state = original(net)
    net.load_state_dict(from_original(state))
    images = x(options.get("img_channels", 3))
    labels = [2, 0, 2]
    with torch.no_grad():
        out = net(images, T, one_hot(labels) if net.num_classes else None)
        expected = reference(state, images, T, labels, options)
    assert out.shape == images.shape
    torch.testing.assert_close(out, expected, rtol=1e-3, atol=1e-3 * expected.abs().max().item())
    assert expected.std() > 1e-2


def count(
    img_channels=3, base_channels=128, channel_mults=(1, 2, 2, 2), num_res_blocks=2, time_emb_dim=512, num_classes=10,
    attention_resolutions=(1,), norm="gn", **_: Any,
) -> int:  # fmt: skip
    """The parameters, layer by layer as the document describes them."""

    def conv(i: int, o: int, side: int = 3) -> int:
        return i * o * side**2 + o

    def normed(c: int) -> int:
        return 0 if norm == "none" else 2 * c

    def block(i: int, o: int, attend: bool) -> int:
        told = (time_emb_dim + 1) * o + num_classes * o
        within = normed(i) + conv(i, o) + told + normed(o) + conv(o, o)
        return within + (conv(i, o, 1) if i != o else 0) + attend * (normed(o) + conv(o, 3 * o, 1) + conv(o, o, 1))

    widths = [base_channels * mult for mult in channel_mults]
    c, kept = base_channels, [base_channels]
    total = (c + 1) * time_emb_dim + (time_emb_dim + 1) * time_emb_dim + conv(img_channels, c)
    for i, width in enumerate(widths):
        for _ in range(num_res_blocks):
            total += block(c, width, i in attention_resolutions)
            kept.append(c := width)
        if i < len(widths) - 1:
            total += conv(c, c)
            kept.append(c)
    total += block(c, c, True) + block(c, c, False)
    for i, width in reversed(list(enumerate(widths))):
        for _ in range(num_res_blocks + 1):
            total += block(c + kept.pop(), width, i in attention_resolutions)
            c = width
        total += conv(c, c) if i else 0
    assert not kept  # every skip is used once
    return total + normed(c) + conv(c, img_channels)


@each
def test_the_number_of_parameters(options: dict) -> None:
    assert sum(each.numel() for each in made(**options).parameters()) == count(**(SMALL | options))


def test_the_number_of_parameters_with_the_scripts_numbers() -> None:
    with torch.device("meta"):
        assert sum(each.numel() for each in AbarankabUNet().parameters()) == count()


def test_no_class_is_the_zero_vector() -> None:
    net = made()
    told = ConditionedNet(net, OneHot(3))
    with torch.no_grad():
        nothing = net(x(), T)
        assert torch.equal(net(x(), T, CondEmbedding()), nothing)
        assert torch.equal(net(x(), T, CondEmbedding(torch.zeros(3, 3))), nothing)
        assert torch.equal(told(x(), T), nothing)
        some = told(x(), T, torch.tensor([0, 1, 1]))
        assert torch.equal(some, net(x(), T, one_hot([0, 1, 1])))
        assert (some - nothing).flatten(1).abs().amax(1).min() > 1e-3
        assert (some - told(x(), T, torch.tensor([0, 2, 1])))[1].abs().max() > 1e-3


def test_every_parameter_learns() -> None:
    net = made()
    net(x(), T, one_hot([0, 1, 2])).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in net.parameters())


def test_batch_norm_and_dropout_know_training_from_use() -> None:
    net = made(norm="bn", dropout=0.5)
    with torch.no_grad():
        assert torch.equal(net(x(), T), net(x(), T))
        before = net.out_norm.running_mean.clone()
        net.train()
        assert not torch.equal(net(x(), T), net(x(), T))
        assert not torch.equal(net.out_norm.running_mean, before)


def test_what_the_original_saves() -> None:
    """The whole diffusion: the network, its average, and tables of numbers."""
    net = made()
    trained, average = original(net), {name: value + 1 for name, value in original(net).items()}
    saved = {"betas": torch.ones(9)}
    saved |= {f"model.{name}": value for name, value in trained.items()}
    saved |= {f"ema_model.{name}": value for name, value in average.items()}
    for given, expected in ((from_original(saved), average), (from_original(saved, average=False), trained)):
        assert given.keys() == net.state_dict().keys()
        assert all(torch.equal(given[name], value) for name, value in from_original(expected).items())
        net.load_state_dict(given)
    with pytest.raises(UsageError, match=r"not of abarankab's U-Net: there is no init_conv\.weight"):
        from_original({"model.first.weight": torch.ones(1)})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"norm": "ln"}, "there is no norm 'ln'; choose one of gn, in, bn, none"),
        ({"activation": "gelu"}, "there is no activation 'gelu'; choose one of relu, mish, silu"),
        ({"base_channels": 10}, r"multiple of 4, .* and 4 groups \(got 10\)"),
        ({"base_channels": 7, "norm": "in"}, r"multiple of 2, for the sinusoids of time \(got 7\)"),
        ({"attention_resolutions": (1, 2)}, r"\(1, 2\) asks for levels .* makes 2 of them, counted 0 to 1"),
    ],
)
def test_numbers_that_do_not_fit(options: dict, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        made(**options)


def test_images_that_do_not_halve_and_classes_that_are_not_there() -> None:
    net = made(channel_mults=(1, 1, 1))
    with torch.no_grad():
        for height, width in ((6, 8), (8, 7)):
            with pytest.raises(UsageError, match=rf"{height}×{width}, padded by 0, .* multiples of 4\."):
                net(x(3, height, width), T)
        assert made(channel_mults=(1, 1, 1), initial_pad=1)(x(3, 6, 10), T).shape == (3, 3, 6, 10)
        with pytest.raises(UsageError, match="num_classes 0 and reads no class"):
            made(num_classes=0)(x(), T, one_hot([0, 1, 2]))
