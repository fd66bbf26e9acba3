"""Philox4x32-10: random numbers as a function of a key and a counter, for many counters at once.

Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3. For a fixed key it is a bijection of the
128-bit counters, so different counters never give the same 128 bits.
"""

import math

import torch
from torch import Tensor

_MASK = 0xFFFFFFFF
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)


def philox(counter: tuple[Tensor, Tensor, Tensor, Tensor], key: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Four words of random bits for each counter.

    The words of the counter and of the result are int64 tensors of one shape with values in [0, 2³²); the key has 64
    bits.
    """
    c0, c1, c2, c3 = counter
    low, high = key & _MASK, (key >> 32) & _MASK
    for _ in range(10):
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]  # modulo 2⁶⁴; the sign bit is one of the 64
        c0, c1 = ((p1 >> 32) & _MASK) ^ c1 ^ low, p1 & _MASK
        c2, c3 = ((p0 >> 32) & _MASK) ^ c3 ^ high, p0 & _MASK
        low, high = (low + _WEYL[0]) & _MASK, (high + _WEYL[1]) & _MASK
    return c0, c1, c2, c3


def normal(images: Tensor, n: int, draw: int, key: int) -> Tensor:
    """n unit normal numbers for each image, float32 [len(images), n], on the device of `images`.

    They are a function of the key (64 bits), the image's index (int64, not negative), `draw` (32 bits) and their place.
    By Box & Muller 1958 from 32-bit uniform numbers, so that |z| is at most 6.8.
    """
    blocks = torch.arange(-(-n // 4), device=images.device)
    first = blocks.expand(len(images), -1)
    second, third = ((images >> shift & _MASK)[:, None].expand_as(first) for shift in (0, 32))
    words = philox((first, second, third, torch.full_like(first, draw)), key)
    uniform = [(word.double() + 0.5) * 2.0**-32 for word in words]  # in (0, 1)
    numbers = []
    for u, v in (uniform[:2], uniform[2:]):
        radius, angle = torch.sqrt(-2 * torch.log(u)), 2 * math.pi * v
        numbers += [radius * torch.cos(angle), radius * torch.sin(angle)]
    return torch.stack(numbers, dim=-1).flatten(1)[:, :n].float()
