"""JPEG: compression artefacts."""

import math
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from inkwash.inverse.operator import Operator, Shape, number

# the example tables of the standard (ITU-T T.81, tables K.1 and K.2), row by row
_LUMA = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
    87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_CHROMA = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, *(99,) * 38,
)  # fmt: skip


class Jpeg(Operator):
    """JPEG at QUALITY = `argument`, 1 to 100, without chroma subsampling and before rounding to 8 bits: y [B,C,H,W].

    The tables are those of the standard, scaled as libjpeg does. Rounding has the gradient of the identity.
    """

    linear: ClassVar[bool] = False

    def __init__(self, shape: Shape, argument: str = "10") -> None:
        super().__init__(shape)
        quality = number(argument or "10", "the quality of jpeg", 1, 100)
        scale = 5000 / quality if quality < 50 else 200 - 2 * quality
        tables = torch.tensor([_LUMA, _CHROMA, _CHROMA][: shape[0]], dtype=torch.float64).view(-1, 8, 8)
        self.tables = ((tables * scale + 50) / 100).floor().clamp(1, 255)[:, None, None]  # [C,1,1,8,8]
        place = torch.arange(8, dtype=torch.float64)
        self.dct = torch.cos(math.pi * (place + 0.5) * place[:, None] / 8) / 2
        self.dct[0] /= math.sqrt(2)
        rotation = [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
        self.colours = torch.tensor(rotation, dtype=torch.float64) if shape[0] == 3 else torch.eye(shape[0]).double()

        self.middle = torch.tensor([128.0, 0, 0][: shape[0]], dtype=torch.float64).view(-1, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        _, height, width = self.shape
        x = torch.einsum("kc,bchw->bkhw", self.colours.to(x), 127.5 * (x + 1)) - self.middle.to(x)
        x = pad(x, (0, -width % 8, 0, -height % 8), mode="replicate")
        high, wide = x.shape[2] // 8, x.shape[3] // 8
        blocks = x.reshape(*x.shape[:2], high, 8, wide, 8).transpose(3, 4)  # [B,C,H/8,W/8,8,8]
        table, dct = self.tables.to(x), self.dct.to(x)
        values = dct @ blocks @ dct.T / table
        values = values + (values.round() - values).detach()
        blocks = dct.T @ (values * table) @ dct
        x = blocks.transpose(3, 4).flatten(4, 5).flatten(2, 3)[..., :height, :width]
        x = torch.einsum("ck,bkhw->bchw", torch.linalg.inv(self.colours).to(x), x + self.middle.to(x))
        return (x / 127.5 - 1).clamp(-1, 1)
