"""Requests that share batches get the pictures that they would get alone."""

import threading
from pathlib import Path

import pytest
import torch

from inkwash.play.batches import Batches, Stopped
from inkwash.play.walk import Frame, coefficients, walk
from inkwash.runs import build
from inkwash.runs.draw import channels_first, draw
from inkwash.runs.model import TrainedModel, open_model
from inkwash.settings import Sampling

REQUESTS = [
    Sampling(n=3, seed=1, label="7", steps=6, solver="ddim"),
    Sampling(n=17, seed=2, steps=4, solver="dpmpp2m", eta=0.5, scale=4.0, label="all"),
    Sampling(n=1, seed=3, label="2", steps=3, solver="heun", limit="dynamic", scale=2.0, rescale=0.5),
    Sampling(n=5, seed=4, solver="ddpm", steps=7, scale=0.0),
    Sampling(n=16, seed=5, steps=5, label="0", interval=(0.0, 3.0), scale=3.0),
]


@pytest.fixture(scope="module")
def model(classed: Path) -> TrainedModel:
    return open_model(classed, device="cpu")


def together(batches: Batches, requests: list[Sampling]) -> list[Frame]:
    """The last frames of requests that walk at the same time."""
    last: dict[int, Frame] = {}

    def go(i: int) -> None:
        for frame in walk(batches, requests[i]):
            last[i] = frame

    threads = [threading.Thread(target=go, args=(i,)) for i in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [last[i] for i in range(len(requests))]


@pytest.mark.parametrize("share", [True, False])
def test_each_request_is_the_same_to_the_bit_as_alone(model: TrainedModel, share: bool) -> None:
    batches = Batches(model, share)
    for request, frame in zip(REQUESTS, together(batches, REQUESTS), strict=True):
        alone = draw(model, request)
        assert torch.equal(frame.x, channels_first(alone.images)), request
        assert frame.evaluations == alone.evaluations
    batches.end()


def test_requests_do_share(model: TrainedModel) -> None:
    batches, requests = Batches(model), [Sampling(n=2, seed=seed, label="1", steps=8, scale=1.0) for seed in range(8)]
    together(batches, requests)
    assert batches.shares
    # alone, each evaluation of two rows has fourteen rows of padding
    assert batches.padded < 0.5 * 14 * 8 * 8
    assert batches.evaluated == 2 * 8 * 8
    batches.end()


def test_a_network_whose_rows_depend_on_one_another_is_not_shared(model: TrainedModel) -> None:
    class Mean(torch.nn.Module):
        def forward(self, x: torch.Tensor, t: torch.Tensor, cond: object = None) -> torch.Tensor:
            return x - 1e-7 * x.mean(0, keepdim=True)

    from dataclasses import replace

    from inkwash.denoise import Denoiser

    batches = Batches(replace(model, denoiser=Denoiser(Mean(), model.denoiser.prediction)))
    assert not batches.shares
    batches.end()


def test_frames_are_consistent(model: TrainedModel) -> None:
    batches, request = Batches(model), Sampling(n=2, seed=3, label="1", steps=5)
    frames = list(walk(batches, request))
    assert [frame.step for frame in frames] == list(range(6))
    assert len({frame.x.shape for frame in frames}) == 1
    assert torch.equal(frames[-1].x, frames[-2].x0)  # the last step is x = x̂₀, clipped
    batches.end()


@pytest.mark.parametrize("solver", ["ddpm", "ddim", "dpmpp2m"])
def test_the_numbers_of_the_formula_are_the_steps(solver: str) -> None:
    from inkwash.core.schedule import Cosine

    sampling = Sampling(solver=solver, steps=7, eta=None if solver == "ddpm" else 0.4)
    made, plan = build.solver(sampling), build.plan(sampling, Cosine())
    generator = torch.Generator().manual_seed(0)
    for i, found in enumerate(coefficients(made, plan)[:-1]):
        x, x0, z = torch.randn(3, 1, 1, 4, 4, dtype=torch.float64, generator=generator)
        moved, _ = made.step(lambda _, level, x0=x0: x0, x, plan[i], plan[i + 1], None, lambda _, z=z: z)
        assert torch.allclose(moved, found["x"] * x + found["x0"] * x0 + found["z"] * z, atol=1e-12)
        assert found["x"] * plan[i].alpha + found["x0"] == pytest.approx(plan[i + 1].alpha)


def test_a_cancelled_walk_and_ended_batches_stop(model: TrainedModel) -> None:
    batches = Batches(model)
    steps = walk(batches, Sampling(n=1, label="1", steps=5), lambda: True)
    with pytest.raises(Stopped):
        next(steps)
    batches.end()
    with pytest.raises(Stopped):
        next(walk(batches, Sampling(n=1, label="1", steps=5)))


def test_an_error_of_the_network_reaches_who_asked(model: TrainedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = Batches(model)

    def breaks(inputs: object) -> torch.Tensor:
        raise RuntimeError("broken")

    monkeypatch.setattr(batches, "direct", breaks)
    with pytest.raises(RuntimeError, match="broken"):
        next(walk(batches, Sampling(n=1, label="1", steps=2)))
    batches.end()


def test_a_walk_turns_where_it_is_told(model: TrainedModel) -> None:
    """Before the turn it is the walk that it was, and to turn to the same settings changes nothing."""
    batches, request = Batches(model), Sampling(n=2, seed=3, label="1", steps=6, eta=1.0, scale=2.0)
    straight = list(walk(batches, request))
    same = list(walk(batches, request, turn=(3, request)))
    other = list(walk(batches, request, turn=(3, Sampling(solver="dpmpp2m", n=2, label="1", steps=6, scale=5.0))))
    for a, b, c in zip(straight, same, other, strict=True):
        assert a.step == b.step == c.step
        assert torch.equal(a.x, b.x)
        assert torch.equal(a.x, c.x) == (a.step <= 3)
    assert same[-1].evaluations == straight[-1].evaluations
    batches.end()
