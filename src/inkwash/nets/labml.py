"""The U-Net of labml.ai, which course labs hand out: image_channels, n_channels, ch_mults, is_attn, n_blocks."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from inkwash.nets.condition import CondEmbedding
from inkwash.nets.embed import sinusoids


class LabmlUNet(nn.Module):
    """x [B,C,H,W], t [B] -> [B,C,H,W], H and W multiples of `multiple` = 2^(levels − 1).

    Modules have the names of the original, so its state dicts load. Level i has `widths[i]` channels, `blocks` residual
    blocks on the way down and one more on the way up, each followed by attention where `attention[i]`; the middle has
    it too. `normed` says whether attention normalises its input; the original makes the norm and does not use it.
    """

    def __init__(
        self, image_channels: int, channels: int, widths: Sequence[int], attention: Sequence[bool], blocks: int = 2,
        normed: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.channels, self.multiple = channels, 2 ** (len(widths) - 1)
        time, last = 4 * channels, len(widths) - 1
        self.image_proj = nn.Conv2d(image_channels, channels, 3, padding=1)
        self.time_emb = _LabTime(channels)
        down: list[nn.Module] = []
        c = channels
        for i, width in enumerate(widths):
            for _ in range(blocks):
                down.append(_Block(c, width, time, attention[i], normed))
                c = width
            if i < last:
                down.append(_Resized(nn.Conv2d(c, c, 3, 2, 1)))
        self.down = nn.ModuleList(down)
        self.middle = _Middle(c, time, normed)
        up: list[nn.Module] = []
        for i in range(last, -1, -1):
            out = widths[i - 1] if i else channels
            up += [_Block(2 * c, c, time, attention[i], normed) for _ in range(blocks)]
            up.append(_Block(c + out, out, time, attention[i], normed))
            c = out
            if i:
                up.append(_Resized(nn.ConvTranspose2d(c, c, 4, 2, 1)))
        self.up = nn.ModuleList(up)
        self.norm, self.act = nn.GroupNorm(8, channels), nn.SiLU()
        self.final = nn.Conv2d(c, image_channels, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor, cond: CondEmbedding | None = None) -> Tensor:
        time = self.time_emb(sinusoids(t.float(), self.channels))
        x = self.image_proj(x)
        skips = [x]
        for layer in self.down:
            x = layer(x, time)
            skips.append(x)
        x = self.middle(x, time)
        for layer in self.up:
            x = layer(x if isinstance(layer, _Resized) else torch.cat([x, skips.pop()], 1), time)
        return self.final(self.act(self.norm(x)))  # type: ignore[no-any-return]


class UnitRange(nn.Module):
    """A network of images in [0, 1], given and asked as one of images in [−1, 1] on the schedule linear-unit.

    The original sees z = √ᾱ·x₀ + √(1−ᾱ)·ε for x₀ in [0, 1], with β from `low` to `high` in T steps, and returns ε or,
    with `velocity`, v = √ᾱ·ε − √(1−ᾱ)·x₀. With images stretched to [−1, 1], 2·z − √ᾱ has the level (√ᾱ, 2·√(1−ᾱ)).
    This module takes it divided by its standard deviation, as a Denoiser gives it, and returns ε.
    """

    def __init__(self, net: nn.Module, num_timesteps: int, low: float, high: float, velocity: bool) -> None:
        super().__init__()
        self.net, self.velocity = net, velocity
        log_abar = torch.log1p(-torch.linspace(low, high, num_timesteps, dtype=torch.float64)).cumsum(0)
        self._logsnr = log_abar - torch.log(-torch.expm1(log_abar))  # [T]; no buffer, as it follows from the settings

    def forward(self, x: Tensor, t: Tensor, cond: CondEmbedding | None = None) -> Tensor:
        alpha, sigma = self._level(t.double().cpu())
        alpha, sigma = (value.to(x).view(-1, 1, 1, 1) for value in (alpha, sigma))
        z = (x * (alpha**2 + 4 * sigma**2).sqrt() + alpha) / 2
        out = self.net(z, t, cond)
        eps: Tensor = sigma * z + alpha * out if self.velocity else out
        return eps

    def _level(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """(√ᾱ, √(1−ᾱ)) at t [B], between rows with log SNR linear in t."""
        left = t.floor().long().clamp(0, len(self._logsnr) - 1)
        right = (left + 1).clamp(max=len(self._logsnr) - 1)
        logsnr = self._logsnr[left] + (t - left) * (self._logsnr[right] - self._logsnr[left])
        return torch.sigmoid(logsnr).sqrt(), torch.sigmoid(-logsnr).sqrt()


class _LabTime(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.lin1, self.act, self.lin2 = (
            nn.Linear(channels, 4 * channels),
            nn.SiLU(),
            nn.Linear(4 * channels, 4 * channels),
        )

    def forward(self, angles: Tensor) -> Tensor:
        return self.lin2(self.act(self.lin1(angles)))  # type: ignore[no-any-return]


class _Residual(nn.Module):
    def __init__(self, channels: int, out: int, time: int) -> None:
        super().__init__()
        self.norm1, self.act1 = nn.GroupNorm(32, channels), nn.SiLU()
        self.conv1 = nn.Conv2d(channels, out, 3, padding=1)
        self.norm2, self.act2 = nn.GroupNorm(32, out), nn.SiLU()
        self.conv2 = nn.Conv2d(out, out, 3, padding=1)
        self.shortcut = nn.Conv2d(channels, out, 1) if channels != out else nn.Identity()
        self.time_emb, self.time_act = nn.Linear(time, out), nn.SiLU()
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        h = self.conv1(self.act1(self.norm1(x))) + self.time_emb(self.time_act(time))[..., None, None]
        return self.conv2(self.dropout(self.act2(self.norm2(h)))) + self.shortcut(x)  # type: ignore[no-any-return]


class _Attention(nn.Module):
    """One head over all places; q, k and v of all channels."""

    def __init__(self, channels: int, normed: bool) -> None:
        super().__init__()
        self.norm, self.normed = nn.GroupNorm(32, channels), normed
        self.projection, self.output = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        shape = x.shape
        rows = x.flatten(2).transpose(1, 2)
        given = self.norm(x).flatten(2).transpose(1, 2) if self.normed else rows
        q, k, v = self.projection(given).chunk(3, dim=2)
        found = self.output(nn.functional.scaled_dot_product_attention(q, k, v)) + rows
        return found.transpose(1, 2).reshape(shape)  # type: ignore[no-any-return]


class _Block(nn.Module):
    def __init__(self, channels: int, out: int, time: int, attends: bool, normed: bool) -> None:
        super().__init__()
        self.res = _Residual(channels, out, time)
        self.attn = _Attention(out, normed) if attends else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        return self.attn(self.res(x, time))  # type: ignore[no-any-return]


class _Middle(nn.Module):
    def __init__(self, channels: int, time: int, normed: bool) -> None:
        super().__init__()
        self.res1, self.attn = _Residual(channels, channels, time), _Attention(channels, normed)
        self.res2 = _Residual(channels, channels, time)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        return self.res2(self.attn(self.res1(x, time)), time)  # type: ignore[no-any-return]


class _Resized(nn.Module):
    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        return self.conv(x)  # type: ignore[no-any-return]
