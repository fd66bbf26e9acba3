"""--churn: EDM's stochastic sampler from the command line and from Python."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cli_runner import did, refused
from inkwash.core import VE, Seeded, churn, karras, prior
from inkwash.errors import UsageError
from inkwash.runs import build
from inkwash.runs.draw import draw
from inkwash.runs.model import open_model
from inkwash.sample import Heun, last, sample
from inkwash.settings import Sampling
from inkwash.view import read_provenance


def test_the_plan_is_edms(trained: Path) -> None:
    sampling = Sampling(solver="heun", spacing="karras", steps=10, churn=4.0, churn_interval=(0.05, 50.0))
    plain = replace(sampling, churn=None, churn_interval=None)
    assert build.plan(sampling, VE()) == churn(karras(VE(), 10), VE(), 4.0, 0.05, 50.0)
    assert build.plan(plain, VE()) == build.plan(replace(plain, churn=0.0), VE()) == karras(VE(), 10)


def test_it_is_drawn_replayed_and_counted(trained: Path, tmp_path: Path) -> None:
    model = open_model(trained, device="cpu")
    sampling = Sampling(solver="heun", spacing="karras", steps=4, churn=2.0, n=3, seed=5, limit="none")
    seen: list[int] = []
    drawing = draw(model, sampling, tick=seen.append)
    assert drawing.evaluations == 7
    assert sum(seen) == 3 * 4  # a bar of 4 steps, though the plan has more edges
    plan, noise = churn(karras(model.schedule, 4), model.schedule, 2.0), Seeded(5, range(16))
    import torch

    x = prior(noise, plan[0], torch.empty(16, *model.shape))
    by_hand = last(sample(model.denoiser.given(None), x, plan, Heun(), noise))[:3]
    pixels = ((by_hand.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    assert np.abs(drawing.images.astype(int) - pixels.astype(int)).max() <= 1
    assert not np.array_equal(drawing.images, draw(model, replace(sampling, churn=None)).images)
    out = tmp_path / "a.png"
    did(
        "sample",
        trained,
        "-n",
        2,
        "--solver",
        "heun",
        "--steps",
        3,
        "--churn",
        5,
        "--churn-interval",
        "0.1,10",
        "--out",
        out,
    )
    asked = read_provenance(out)["sampling"]
    assert (asked["churn"], asked["churn_interval"]) == (5.0, [0.1, 10.0])
    did("replay", out, "--run", trained, "--out", tmp_path / "b.png")
    assert out.read_bytes() == (tmp_path / "b.png").read_bytes()


def test_bad_amounts(trained: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "x.png")
    assert "--churn" in refused("sample", trained, "--churn", -1, *out)
    assert "says where noise is added" in refused("sample", trained, "--churn-interval", "0.1,1", *out)
    with pytest.raises(UsageError, match="its amount is 0 or above"):
        churn(karras(VE(), 3), VE(), -0.5)
    assert not (tmp_path / "x.png").exists()
