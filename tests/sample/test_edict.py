"""EDICT: exact inversion for any denoiser, and the closed-form flow of Gaussian data in the limit."""

import pytest
import torch

from gaussian_flow import MEAN, STD, flow
from inkwash.core import VE, Cosine, Flow, karras, trailing
from inkwash.denoise import Gaussian
from inkwash.errors import UsageError
from inkwash.sample.edict import edict_decode, edict_encode
from inkwash.testing import convergence_order

each = pytest.mark.parametrize("schedule", [VE(1e-4, 80.0), Cosine(), Flow()], ids=["VE", "Cosine", "Flow"])


@each
@pytest.mark.parametrize("p", [0.9, 0.93])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_way_back_returns_the_image_for_any_denoiser(schedule, p, dtype) -> None:
    x0, plan = torch.linspace(-1, 1, 18, dtype=dtype).view(2, 1, 3, 3), karras(schedule, 50)

    def wild(x, level):
        return torch.sin(3 * x).roll(1, -1)

    back = edict_decode(wild, edict_encode(wild, x0, plan, p), plan, p, dtype)
    torch.testing.assert_close(back, x0.double(), rtol=0, atol=1e-4)


@each
def test_the_noise_converges_to_the_exact_flow(schedule) -> None:
    steps, errors = [200, 400, 800], []
    for n in steps:
        plan = karras(schedule, n)
        x, _ = edict_encode(Gaussian(MEAN, STD), torch.ones(1, dtype=torch.float64), plan, 1.0)
        errors.append(abs(x.item() - flow((1.0, 0.0), plan[0][1:], 1.0)))
    assert convergence_order(steps, errors) > 0.8


def test_bad_requests_are_refused() -> None:
    x0, plan = torch.zeros(1, 1, 2, 2), karras(VE(1e-4, 80.0), 5)
    for p in (0.0, 1.1, float("nan")):
        with pytest.raises(UsageError, match="p lies in"):
            edict_encode(Gaussian(MEAN, STD), x0, plan, p)
    with pytest.raises(UsageError, match="pure noise"):
        edict_encode(Gaussian(MEAN, STD), x0, trailing(Cosine(), 5))
    with pytest.raises(UsageError, match="falls at every step"):
        edict_encode(Gaussian(MEAN, STD), x0, [plan[1], plan[0], *plan[1:]])
