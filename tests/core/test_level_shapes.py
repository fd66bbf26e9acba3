"""Functions of images and a level take one level per image as [B] or [B,1,1,1], and refuse every other shape."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from inkwash.core import EDM, X0, Cosine, Eps, FlowVelocity, Level, V, diffuse, eps_from, target, x0_from
from inkwash.denoise import Denoiser, Gaussian, Mixture
from inkwash.errors import UsageError
from inkwash.training.objective import SNR, MinSNR

B = 4  # the width too, so that [B] would broadcast along it
X, EPS = (torch.randn(B, 2, B, B, generator=torch.Generator().manual_seed(i)) for i in range(2))
TIMES = torch.tensor([0.1, 0.4, 0.7, 0.95])


class Times(nn.Module):
    def forward(self, x: Tensor, t: Tensor, cond: object) -> Tensor:
        return x * t.view(-1, 1, 1, 1)


MIXTURE = Mixture(torch.stack([X[0], X[1]]), torch.tensor([0.3, 0.7]), torch.tensor([1.0, 2.0]))
FUNCTIONS: dict[str, Callable[[Tensor, Level], Tensor]] = {
    "diffuse": lambda x, level: diffuse(x, EPS[: len(x)], level),
    "denoiser": Denoiser(Times(), V()),
    "raw output": lambda x, level: Denoiser(Times(), V())(x, level, raw=True),
    "Gaussian": Gaussian(0.2, 0.5),
    "Mixture": MIXTURE,
    "SNR": lambda x, level: SNR()(level, x.square()[:, :1, :1, :1]),
    "MinSNR": lambda x, level: MinSNR()(level, x.square()[:, :1, :1, :1]),
    **{
        f"{function.__name__} {prediction.symbol}": lambda x, level, f=function, p=prediction: f(
            p, EPS[: len(x)], x, level
        )
        for function in (x0_from, eps_from)
        for prediction in (X0(), V(), FlowVelocity(), EDM(), Eps())
        if not (function is eps_from and isinstance(prediction, Eps))
    },
    "target": lambda x, level: target(V(), x, EPS[: len(x)], level),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_image_has_its_own_level(name: str) -> None:
    function, flat = FUNCTIONS[name], Cosine().at(TIMES)
    wide = Level(*(value.view(-1, 1, 1, 1) for value in flat))
    alone = torch.cat([function(X[i : i + 1], Cosine().at(float(t))) for i, t in enumerate(TIMES)])
    if name.startswith(("diffuse", "x0_from", "eps_from", "target")):  # these read EPS by place
        alone = torch.cat([
            function(X, Cosine().at(float(t)))[i : i + 1] for i, t in enumerate(TIMES)
        ])  # fmt: skip
    for level in (flat, wide):
        torch.testing.assert_close(function(X, level), alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(B, 1), (1, B), (1, 1, 1, B), (2,), (B, 2, B, B), (B, B), (2 * B,)])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_another_shape_is_refused(name: str, shape: tuple[int, ...]) -> None:
    level = Level(*(torch.full(shape, value) for value in (0.5, 0.6, 0.8)))
    with pytest.raises(UsageError, match=r"has tensors of shape \[4\] or \[4, 1, 1, 1\]"):
        FUNCTIONS[name](X, level)
