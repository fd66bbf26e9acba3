"""The class-conditional U-Net of abarankab's DDPM (github.com/abarankab/DDPM, ddpm/unet.py), for CIFAR-10."""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inkwash.errors import UsageError
from inkwash.nets.blocks import attend
from inkwash.nets.condition import CondEmbedding

Activation = Callable[[Tensor], Tensor]

_ACTIVATIONS: dict[str, Activation] = {"relu": F.relu, "mish": F.mish, "silu": F.silu}
_NORMS: dict[str, Callable[[int, int], nn.Module]] = {
    "gn": lambda channels, groups: nn.GroupNorm(groups, channels),
    "in": lambda channels, _: nn.InstanceNorm2d(channels, affine=True),
    "bn": lambda channels, _: nn.BatchNorm2d(channels),
    "none": lambda *_: nn.Identity(),
}


class AbarankabUNet(nn.Module):
    """x [B,C,H,W], t [B], cond with a vector [B,num_classes] or None -> [B,C,H,W].

    Level i works at 1/2^i of the resolution with base_channels·channel_mults[i] channels, num_res_blocks blocks on
    the way down and one more on the way up; the levels in attention_resolutions, counted from 0, and the middle
    have self-attention with one head. Time (scaled by time_emb_scale) and class are added as biases in each block.
    `norm` is "gn" (with num_groups groups), "in", "bn" or "none"; `activation` is "relu", "mish" or "silu". Images
    are padded with initial_pad zeros on all sides and cropped afterwards; the padded sides must be multiples of
    2^(levels − 1).

    The defaults are those of the original's CIFAR-10 script with --use_labels. Each block of the original looks up a
    class embedding; here it multiplies a matrix with the one-hot vector, which gives the same numbers. The zero
    vector, or None, adds nothing. Module names are those of the original; see `from_original`. Raises UsageError for
    inconsistent arguments, sides that are not such multiples, and a vector if num_classes is 0.
    """

    def __init__(
        self,
        img_channels: int = 3,
        base_channels: int = 128,
        channel_mults: Sequence[int] = (1, 2, 2, 2),
        num_res_blocks: int = 2,
        time_emb_dim: int = 512,
        time_emb_scale: float = 1.0,
        num_classes: int = 10,
        activation: str = "silu",
        dropout: float = 0.1,
        attention_resolutions: Sequence[int] = (1,),
        norm: str = "gn",
        num_groups: int = 32,
        initial_pad: int = 0,
    ) -> None:
        super().__init__()
        for name, value, known in (("activation", activation, _ACTIVATIONS), ("norm", norm, _NORMS)):
            if value not in known:
                raise UsageError(f"there is no {name} {value!r}; choose one of {', '.join(known)}.")
        step = math.lcm(2, num_groups) if norm == "gn" else 2
        if base_channels % step:
            raise UsageError(
                f"base_channels must be a multiple of {step}, for the sinusoids of time"
                f"{f' and {num_groups} groups' if norm == 'gn' else ''} (got {base_channels}); choose another number."
            )
        levels = len(channel_mults)
        if any(level >= levels for level in attention_resolutions):
            raise UsageError(
                f"attention_resolutions {tuple(attention_resolutions)} asks for levels that are not there; "
                f"channel_mults makes {levels} of them, counted 0 to {levels - 1}."
            )
        self.num_classes, self.initial_pad, self.multiple = num_classes, initial_pad, 2 ** (levels - 1)
        self.activation = _ACTIVATIONS[activation]

        def normed(channels: int) -> nn.Module:
            return _NORMS[norm](channels, num_groups)

        def block(i: int, o: int, attend: bool) -> nn.Module:
            after = _Attention(o, normed(o)) if attend else nn.Identity()
            return Block(i, o, normed, self.activation, dropout, time_emb_dim, num_classes, after)

        self.time_mlp = nn.Sequential(
            _Sinusoids(base_channels, time_emb_scale),
            nn.Linear(base_channels, time_emb_dim),
            nn.SiLU(),
            nn.Linear(time_emb_dim, time_emb_dim),
        )
        self.init_conv = nn.Conv2d(img_channels, base_channels, 3, padding=1)
        c, skips = base_channels, [base_channels]
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for i, mult in enumerate(channel_mults):
            for _ in range(num_res_blocks):
                self.downs.append(block(c, base_channels * mult, i in attention_resolutions))
                c = base_channels * mult
                skips.append(c)
            if i < levels - 1:
                self.downs.append(_Down(c))
                skips.append(c)
        self.mid = nn.ModuleList([block(c, c, True), block(c, c, False)])
        for i, mult in reversed(list(enumerate(channel_mults))):
            for _ in range(num_res_blocks + 1):
                self.ups.append(block(c + skips.pop(), base_channels * mult, i in attention_resolutions))
                c = base_channels * mult
            if i > 0:
                self.ups.append(_Up(c))
        self.out_norm = normed(c)
        self.out_conv = nn.Conv2d(c, img_channels, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor, cond: CondEmbedding | None = None) -> Tensor:
        pad, vector = self.initial_pad, None if cond is None else cond.vector
        height, width = x.shape[2:]
        if (height + 2 * pad) % self.multiple or (width + 2 * pad) % self.multiple:
            raise UsageError(
                f"images of {height}×{width}, padded by {pad}, do not halve evenly: their sides must be multiples of "
                f"{self.multiple}. Choose another size, initial_pad or fewer channel_mults."
            )
        if vector is not None and not self.num_classes:
            raise UsageError("this network was made with num_classes 0 and reads no class; leave the class out.")
        time = self.time_mlp(t)  # [B,time_emb_dim]
        x = self.init_conv(F.pad(x, (pad,) * 4))
        skips = [x]
        for layer in self.downs:
            x = layer(x, time, vector)
            skips.append(x)
        for layer in self.mid:
            x = layer(x, time, vector)
        for layer in self.ups:
            x = layer(torch.cat([x, skips.pop()], dim=1) if isinstance(layer, Block) else x, time, vector)
        x = self.out_conv(self.activation(self.out_norm(x)))
        return x[..., pad : pad + height, pad : pad + width]


class _Sinusoids(nn.Module):
    """t [B] -> [B,dim]: sin and cos of scale·t at the dim/2 rates 10,000^(−2k/dim), k = 0, 1, ...

    The lowest rate is just above 1/10,000, whereas that of `embed.sinusoids` is exactly 1/10,000.
    """

    def __init__(self, dim: int, scale: float) -> None:
        super().__init__()
        self.dim, self.scale = dim, scale

    def forward(self, t: Tensor) -> Tensor:
        rates = 10_000.0 ** (torch.arange(0, self.dim, 2, device=t.device) / -self.dim)
        angles = t.float()[:, None] * self.scale * rates
        return torch.cat([angles.sin(), angles.cos()], dim=1)


class Block(nn.Module):
    """Twice norm, activation, conv, with a skip; x [B,i,H,W], time [B,T], vector [B,K] or None -> [B,o,H,W]."""

    recomputable = True  # see nets.recompute

    def __init__(
        self,
        i: int,
        o: int,
        normed: Callable[[int], nn.Module],
        activation: Activation,
        dropout: float,
        time: int,
        classes: int,
        attention: nn.Module,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.norm_1, self.conv_1 = normed(i), nn.Conv2d(i, o, 3, padding=1)
        self.norm_2, self.conv_2 = normed(o), nn.Sequential(nn.Dropout(dropout), nn.Conv2d(o, o, 3, padding=1))
        self.time_bias = nn.Linear(time, o)
        self.class_bias = nn.Linear(classes, o, bias=False) if classes else None
        if self.class_bias is not None:
            nn.init.normal_(self.class_bias.weight)  # the initialisation of nn.Embedding
        self.residual_connection = nn.Conv2d(i, o, 1) if i != o else nn.Identity()
        self.attention = attention

    def forward(self, x: Tensor, time: Tensor, vector: Tensor | None) -> Tensor:
        bias = self.time_bias(self.activation(time))
        if self.class_bias is not None and vector is not None:
            bias = bias + self.class_bias(vector)
        h = self.conv_1(self.activation(self.norm_1(x))) + bias[:, :, None, None]
        h = self.conv_2(self.activation(self.norm_2(h))) + self.residual_connection(x)
        return self.attention(h)  # type: ignore[no-any-return]


class _Attention(nn.Module):
    """Self-attention over all positions of an image, with one head and a skip; [B,C,H,W] -> [B,C,H,W]."""

    def __init__(self, channels: int, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm
        self.to_qkv, self.to_out = nn.Conv2d(channels, 3 * channels, 1), nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.to_qkv(self.norm(x)).flatten(2).transpose(1, 2).chunk(3, dim=2)  # [B,HW,C] each
        seen = attend(q, k, v).transpose(1, 2).reshape(x.shape)
        return x + self.to_out(seen)  # type: ignore[no-any-return]


class _Down(nn.Module):
    """[B,C,H,W] -> [B,C,H/2,W/2] by a strided convolution, with the arguments of the blocks."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.downsample = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor, *_: object) -> Tensor:
        return self.downsample(x)  # type: ignore[no-any-return]


class _Up(nn.Module):
    """[B,C,H,W] -> [B,C,2H,2W]: nearest-neighbour upsampling and a convolution, with the arguments of the blocks."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.upsample = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x: Tensor, *_: object) -> Tensor:
        return self.upsample(x)  # type: ignore[no-any-return]


def from_original(state: Mapping[str, Tensor], average: bool = True) -> dict[str, Tensor]:
    """Converts the original's state_dict to one of AbarankabUNet; class embeddings [K,o] become matrices [o,K].

    `state` is the state_dict of the original's network, or of its whole diffusion, as its training script saves it;
    of the latter, the averaged network is used, or without `average` the trained one. Raises UsageError if `state`
    contains no such network.
    """
    if "init_conv.weight" not in state:
        prefix = "ema_model." if average else "model."
        state = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    if "init_conv.weight" not in state:
        raise UsageError(
            "these weights are not of abarankab's U-Net: there is no init_conv.weight among them; "
            "give the state_dict of its network, or of its GaussianDiffusion."
        )
    return {name: value.T if name.endswith(".class_bias.weight") else value for name, value in state.items()}
