"""Text conditioning by a small transformer that is trained jointly with the model."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inkwash.nets.blocks import attend
from inkwash.nets.condition import CondEmbedding

WORDS = 24  # per text, at most
IDS = 12  # per word, at most
BUCKETS = 8192  # hash buckets, including id 0


class TextEmbedder(nn.Module):
    """Word ids int64 [B,L,G] in 0..buckets-1, with L <= `words` and G ids per word -> CondEmbedding.

    The embedding of a word is the sum of the embeddings of its n ids (Bojanowski et al. 2017, section 3.2) divided by
    √n. Id 0 is padding, and a word of padding alone is masked. A pre-norm transformer (Xiong et al. 2020) reads a
    summary token followed by the words with learned positional embeddings. The input of the summary token is a
    learned vector plus the sum of the word embeddings over the root of the number of words, so that different texts
    have different embeddings from the first training step, as random features do.

    `vector` [B,width] is the output at the summary token, `tokens` [B,1+L,width] are all outputs, and `mask` is True
    for the summary token and for words that are not padding; masked `tokens` are undefined. The null condition is
    the text without words, which leaves the summary token alone unmasked.
    """

    concat = 0

    def __init__(
        self, buckets: int = BUCKETS, width: int = 128, layers: int = 2, heads: int = 4, words: int = WORDS
    ) -> None:
        super().__init__()
        self.vector = self.tokens = width
        self.words = words
        self.table = nn.Parameter(torch.randn(buckets, width))
        self.first = nn.Parameter(torch.randn(width))
        self.places = nn.Parameter(torch.randn(words, width) * 0.02)
        self.layers = nn.ModuleList(_Layer(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def null(self, x: Tensor) -> Tensor:
        return torch.zeros(len(x), self.words, IDS, dtype=torch.int64, device=x.device)

    def forward(self, value: Tensor, present: Tensor) -> CondEmbedding:
        B, L, G = value.shape
        ids = value * present[:, None, None]
        counts = (ids > 0).sum(dim=2, keepdim=True)  # [B,L,1]
        sums = F.embedding_bag(ids.view(B * L, G), self.table, mode="sum", padding_idx=0)  # 0 where there is no id
        words = sums.view(B, L, -1) / counts.clamp(min=1).sqrt()
        token = self.first + words.sum(1) / (counts > 0).sum(1).clamp(min=1).sqrt()
        x = torch.cat([token[:, None], words + self.places[:L]], dim=1)
        mask = F.pad(counts[:, :, 0] > 0, (1, 0), value=True)  # [B,1+L]
        for layer in self.layers:
            x = layer(x, mask)
        x = self.norm(x)
        return CondEmbedding(vector=x[:, 0], tokens=x, mask=mask)


class _Layer(nn.Module):
    """A pre-norm transformer layer, [B,L,width] -> [B,L,width]; `mask` [B,L] is True where attention is allowed."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.qkv, self.out = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.each = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        B, L, W = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(B, L, 3, self.heads, W // self.heads).permute(2, 0, 3, 1, 4)
        seen = attend(q, k, v, mask[:, None, None])
        x = x + self.out(seen.transpose(1, 2).reshape(B, L, W))
        return x + self.each(self.norm2(x))  # type: ignore[no-any-return]
