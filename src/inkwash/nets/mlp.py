"""A network without convolutions, for points and other tiny images."""

import torch.nn.functional as F
from torch import Tensor, nn

from inkwash.nets.blocks import zeroed
from inkwash.nets.condition import CondEmbedding
from inkwash.nets.embed import TimeEmbedding


class MLP(nn.Module):
    """x [B,C,H,W], t [B], cond or None -> [B,C,H,W]: all pixels as one vector, through `depth` residual layers.

    `numbers` is C·H·W. The time embedding, and that of a condition's `vector` (its width, 0 for none), are added to the
    features before each layer. `time_scale`: see TimeEmbedding.
    """

    def __init__(
        self, numbers: int = 2, width: int = 96, depth: int = 3, time_scale: float = 1.0, vector: int = 0
    ) -> None:
        super().__init__()
        self.embed = TimeEmbedding(64, width, time_scale)
        self.cond_embed = nn.Linear(vector, width) if vector else None
        self.first = nn.Linear(numbers, width)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))
            for _ in range(depth)
        )
        self.last = zeroed(nn.Linear(width, numbers))

    def forward(self, x: Tensor, t: Tensor, cond: CondEmbedding | None = None) -> Tensor:
        e = self.embed(t)
        if self.cond_embed is not None and cond is not None and cond.vector is not None:
            e = e + self.cond_embed(cond.vector)
        h = self.first(x.flatten(1))
        for layer in self.layers:
            h = h + layer(h + e)
        return self.last(F.silu(h)).view(x.shape)  # type: ignore[no-any-return]
