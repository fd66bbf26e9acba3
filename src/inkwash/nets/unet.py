"""The U-Net of diffusion models (Ho et al. 2020, appendix B), for images of any height and width."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inkwash.nets.blocks import Attention, CrossAttention, Downsample, ResidualBlock, Upsample, norm, zeroed
from inkwash.nets.condition import CondEmbedding
from inkwash.nets.embed import TimeEmbedding

_NOTHING = CondEmbedding()


class UNet(nn.Module):
    """x [B,C,H,W], t [B], cond or None -> [B,C,H,W].

    Level i of the U works at 1/(patch·2^i) of the image's resolution with channels·mults[i] channels,
    `blocks` residual blocks on the way down and one more on the way up. `attention` lists the levels with
    self-attention; the middle always has it. `patch` first folds squares of pixels into channels. Sides that are
    not multiples of the total stride are padded by replicating the edge and cropped afterwards. `film` selects how
    the time embedding enters (see ResidualBlock). `time_scale`: see TimeEmbedding.

    `vector`, `tokens` and `concat` are the widths of the condition, 0 for none (see CondEmbedding): a vector is
    embedded and added to the time embedding; tokens are cross-attended wherever there is self-attention; an image
    is concatenated to x.
    """

    def __init__(
        self,
        image_channels: int = 1,
        channels: int = 64,
        mults: Sequence[int] = (1, 2, 2),
        blocks: int = 2,
        attention: Sequence[int] = (),
        heads: int = 1,
        patch: int = 1,
        film: bool = True,
        dropout: float = 0.0,
        time_scale: float = 1.0,
        vector: int = 0,
        tokens: int = 0,
        concat: int = 0,
    ) -> None:
        super().__init__()
        embedding = 4 * channels
        self.patch, self.multiple = patch, patch * 2 ** (len(mults) - 1)
        self.embed = TimeEmbedding(channels, embedding, time_scale)
        self.cond_embed = _cond_embed(vector, embedding) if vector else None
        self.first = nn.Conv2d((image_channels + concat) * patch**2, channels, 3, padding=1)

        def stage(c: int, out: int, attend: bool) -> Stage:
            return Stage(
                ResidualBlock(c, out, embedding, film, dropout),
                Attention(out, heads) if attend else None,
                CrossAttention(out, tokens, heads) if attend and tokens else None,
            )

        c, skips = channels, [channels]
        self.downs = nn.ModuleList()
        for i, mult in enumerate(mults):
            if i > 0:
                self.downs.append(Downsample(c))
                skips.append(c)
            for _ in range(blocks):
                self.downs.append(stage(c, channels * mult, i in attention))
                c = channels * mult
                skips.append(c)
        self.middle = nn.ModuleList([stage(c, c, True), stage(c, c, False)])
        self.ups = nn.ModuleList()
        for i, mult in reversed(list(enumerate(mults))):
            for _ in range(blocks + 1):
                self.ups.append(stage(c + skips.pop(), channels * mult, i in attention))
                c = channels * mult
            if i > 0:
                self.ups.append(Upsample(c))
        self.norm = norm(c)
        self.last = zeroed(nn.Conv2d(c, image_channels * patch**2, 3, padding=1))

    def forward(self, x: Tensor, t: Tensor, cond: CondEmbedding | None = None) -> Tensor:
        height, width = x.shape[-2:]
        cond = cond or _NOTHING
        embedding = self.embed(t)
        if self.cond_embed is not None and cond.vector is not None:
            embedding = embedding + self.cond_embed(cond.vector)
        if cond.concat is not None:
            x = torch.cat([x, cond.concat], dim=1)
        h = self.first(F.pixel_unshuffle(self._padded(x), self.patch))
        skips = [h]
        for layer in self.downs:
            h = layer(h, embedding, cond) if isinstance(layer, Stage) else layer(h)
            skips.append(h)
        for layer in self.middle:
            h = layer(h, embedding, cond)
        for layer in self.ups:
            h = layer(torch.cat([h, skips.pop()], dim=1), embedding, cond) if isinstance(layer, Stage) else layer(h)
        h = self.last(F.silu(self.norm(h)))
        return F.pixel_shuffle(h, self.patch)[..., :height, :width]

    def _padded(self, x: Tensor) -> Tensor:
        below, right = (-side % self.multiple for side in x.shape[-2:])
        return F.pad(x, (0, right, 0, below), mode="replicate") if below or right else x


def _cond_embed(vector: int, embedding: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(vector, embedding), nn.SiLU(), nn.Linear(embedding, embedding), nn.SiLU())


class Stage(nn.Module):
    """A residual block, followed by self-attention and cross-attention if the level has them."""

    recomputable = True  # see nets.recompute

    def __init__(
        self, residual: ResidualBlock, attention: Attention | None, cross_attention: CrossAttention | None = None
    ) -> None:
        super().__init__()
        self.residual, self.attention, self.cross_attention = residual, attention, cross_attention

    def forward(self, x: Tensor, embedding: Tensor, cond: CondEmbedding = _NOTHING) -> Tensor:
        x = self.residual(x, embedding)
        if self.attention is not None:
            x = self.attention(x)
        if self.cross_attention is not None and cond.tokens is not None:
            x = self.cross_attention(x, cond.tokens, cond.mask)
        return x
