"""The training loop as the Python API has it, with a network of one's own; it reads as documentation too."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from inkwash.core import EDM, Cosine, Seeded, V, linear, prior, trailing
from inkwash.data import Batch, Batches, Images, digits, to_float
from inkwash.denoise import Denoiser, clip
from inkwash.errors import InkwashError
from inkwash.nets import CondEmbedding, ConditionedNet, OneHot
from inkwash.sample import DDIM, DPMpp2M, last, sample
from inkwash.settings import Training
from inkwash.training import Objective, Plain, Saved, State, Step, StepRandomness, Uniform, held_out_loss, load, train
from inkwash.training.checkpoint import BEST, LAST
from inkwash.training.metrics import METRICS, reports


class Mine(nn.Module):
    """Any module called as net(x, t, cond) will do; it need not know of diffusion."""

    def __init__(self, side: int = 8) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(side**2 + 1, 64), nn.SiLU(), nn.Linear(64, side**2))

    def forward(self, x: Tensor, t: Tensor, cond: Any) -> Tensor:
        told = torch.cat([x.flatten(1), t.float()[:, None]], dim=1)
        return self.layers(told).view_as(x)


SETTINGS = Training(steps=30, batch_size=16, lr=1e-2, warmup=0, ema=0.9, save_every=10, device="cpu")
OBJECTIVE = Objective(Cosine(), V(), Uniform(), Plain())


def kept(n: int = 50, copies: int = 1) -> Batch:
    """Images kept from training, and what they show."""
    first = torch.arange(n).repeat(copies)
    return Batch(to_float(digits("test").take(first)), None, first)


def training(
    folder: Path,
    settings: Training = SETTINGS,
    stop: Callable[[], bool] = lambda: False,
    denoiser: Denoiser | None = None,
    objective: Objective = OBJECTIVE,
) -> tuple[State, list[Step | Saved]]:
    if denoiser is None:
        torch.manual_seed(settings.seed)
        denoiser = Denoiser(Mine(), V())
    state = State.fresh(denoiser, settings)
    batches = Batches(digits("train"), settings.batch_size, settings.seed)
    held_out = kept()
    accelerator = Accelerator(cpu=True)
    events = train(state, objective, batches, held_out, settings, folder, {"mine": "yes"}, accelerator, stop)
    return state, list(events)


def test_a_network_of_ones_own_trains_and_samples(tmp_path: Path) -> None:
    settings = replace(SETTINGS, steps=200)
    state, events = training(tmp_path, settings)
    saved = [event for event in events if isinstance(event, Saved)]
    assert saved[-1].held_out < 0.7 * saved[0].held_out

    plan = trailing(Cosine(), 20)
    noise = Seeded(0, range(4))
    x = prior(noise, plan[0], torch.empty(4, 1, 8, 8))
    images = last(sample(clip(state.ema.model), x, plan, DPMpp2M(), noise))
    assert images.shape == (4, 1, 8, 8)
    assert images.abs().max() <= 1
    # digits are dark at their left and right edges, and noise is not
    assert images[..., 0].mean() < images[..., 3:5].mean() - 0.3


@pytest.mark.parametrize("prediction", [V(), EDM(0.5)])
def test_and_on_a_discrete_schedule(prediction: Any, tmp_path: Path) -> None:
    seen = []

    class Spy(Mine):
        def forward(self, x: Tensor, t: Tensor, cond: Any) -> Tensor:
            seen.append((x.dtype, t.dtype, t.shape, cond))
            return super().forward(x, t / 10, cond)

    denoiser = Denoiser(Spy(), prediction)
    training(tmp_path, denoiser=denoiser, objective=Objective(linear(10), prediction, Uniform(), Plain()))
    noise = Seeded(0, range(3))
    plan = trailing(linear(10), 10)
    x = prior(noise, plan[0], torch.empty(3, 1, 8, 8))
    assert last(sample(clip(denoiser), x, plan, DDIM(eta=0.5), noise)).isfinite().all()
    assert {seen_of[0:2] + seen_of[3:] for seen_of in seen} == {(torch.float32, torch.int64, None)}
    assert {seen_of[2] for seen_of in seen} == {(50,), (16,), (3,)}


def test_progress(tmp_path: Path) -> None:
    state, events = training(tmp_path)
    steps = [event for event in events if isinstance(event, Step)]
    saved = [event for event in events if isinstance(event, Saved)]
    assert [event.step for event in steps] == [1, 10, 20, 30]
    assert [event.images_seen for event in steps] == [16, 160, 320, 480]
    assert [event.step for event in saved] == [0, 10, 20, 30]
    assert isinstance(events[-1], Saved)
    assert all(event.path == tmp_path / LAST for event in saved)
    assert all(event.images_per_second > 0 and event.steps == 30 for event in steps)
    assert steps[0].lr > steps[1].lr > steps[2].lr > 0
    assert steps[0].seconds < steps[1].seconds
    assert state.step == 30

    about = load(tmp_path / LAST).facts
    assert about["mine"] == "yes"
    assert about["images_seen"] == 480
    assert about["history"] == [[event.step, event.loss] for event in steps[1:]]
    assert about["held_out"] == [[event.step, event.held_out] for event in saved]
    assert [(row["step"], row["loss"], row["lr"]) for row in reports(tmp_path)[1:]] == [
        (event.step, event.loss, event.lr) for event in steps[1:]
    ]
    assert [row["held_out"] for row in reports(tmp_path)] == [event.held_out for event in saved]


def test_the_best_is_kept(tmp_path: Path) -> None:
    _, events = training(tmp_path, replace(SETTINGS, lr=2.0, clip=None, steps=40, ema=0.0))
    saved = [event for event in events if isinstance(event, Saved)]
    best = min(saved, key=lambda event: event.held_out)
    assert best.step < 40  # that rate is too high
    assert [event.best for event in saved] == [
        event.held_out == min(other.held_out for other in saved[: i + 1]) for i, event in enumerate(saved)
    ]
    assert load(tmp_path / BEST).facts["step"] == best.step
    assert load(tmp_path / LAST).facts["step"] == 40
    assert load(tmp_path / LAST).facts["best"] == best.held_out


def test_the_last_step_is_saved_whatever_save_every(tmp_path: Path) -> None:
    _, events = training(tmp_path, replace(SETTINGS, steps=13, save_every=1000))
    assert [event.step for event in events] == [0, 1, 10, 13, 13]
    assert isinstance(events[-1], Saved)


def test_asked_to_stop(tmp_path: Path) -> None:
    asked = iter([False, False, True, True])
    state, events = training(tmp_path, stop=lambda: next(asked))
    assert state.step == 3
    assert isinstance(events[-1], Saved)
    assert load(tmp_path / LAST).facts["step"] == 3


def weights(state: State) -> Tensor:
    return torch.cat([p.detach().flatten() for p in state.denoiser.parameters()])


def test_a_seed_is_a_training(tmp_path: Path) -> None:
    first, again, other = (
        training(tmp_path / name, replace(SETTINGS, seed=seed))[0] for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(other))


def test_every_step_draws_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images, times and noise are a function of the seed and the step, and none comes twice."""
    seen: list[tuple[Tensor, StepRandomness]] = []
    real = Objective.__call__

    def spy(self: Objective, denoiser: nn.Module, x0: Tensor, randomness: StepRandomness, cond: Any = None) -> Tensor:
        if denoiser.training:
            seen.append((x0, randomness))
        return real(self, denoiser, x0, randomness, cond)

    monkeypatch.setattr(Objective, "__call__", spy)
    for seed in (0, 1):
        training(tmp_path / str(seed), replace(SETTINGS, steps=3, seed=seed))
    assert len(seen) == 6
    assert len({x0.numpy().tobytes() for x0, _ in seen}) == 6
    for name in ("uniform", "strata", "normal", "eps", "drop"):
        assert len({getattr(randomness, name).numpy().tobytes() for _, randomness in seen}) == 6


@pytest.mark.parametrize("parts", [2, 3, 16, 100])
def test_accumulating_is_rounding(parts: int, tmp_path: Path) -> None:
    few = replace(SETTINGS, steps=5)
    whole = training(tmp_path / "a", few)[0]
    cut = training(tmp_path / "b", replace(few, accumulate=parts))[0]
    torch.testing.assert_close(weights(cut), weights(whole), atol=1e-5, rtol=1e-4)


def test_clipping_bounds_the_gradient(tmp_path: Path) -> None:
    """Adam's first moment after one step is a tenth of the gradient."""
    one = replace(SETTINGS, steps=1)
    norms = []
    for clip_at in (None, 1e-3):
        state = training(tmp_path / str(clip_at), replace(one, clip=clip_at))[0]
        moments = [state.optimizer.state[p]["exp_avg"].flatten() for p in state.denoiser.parameters()]
        norms.append(10 * torch.cat(moments).norm().item())
    assert norms[0] > 0.1
    assert norms[1] == pytest.approx(1e-3, rel=1e-2)


def test_the_held_out_loss_is_always_the_same(tmp_path: Path) -> None:
    state, events = training(tmp_path)
    assert events[-1].held_out == held_out_loss(state.ema.model, OBJECTIVE, kept())
    parts = held_out_loss(state.ema.model, OBJECTIVE, kept(copies=3))  # more than are taken at once
    assert parts == pytest.approx(events[-1].held_out, rel=0.2)


@pytest.mark.parametrize("when", [0, 3, 13])
def test_a_loss_that_is_no_number(when: int, tmp_path: Path) -> None:
    """It is noticed at the next report or checkpoint, and never gets into one."""

    class Fails(Mine):
        calls = 0

        def forward(self, x: Tensor, t: Tensor, cond: Any) -> Tensor:
            self.calls += self.training
            return super().forward(x, t, cond) * (float("nan") if self.calls > when else 1.0)

    torch.manual_seed(0)
    with pytest.raises(
        InkwashError, match=r"the loss was no longer a number at step 1[05]; .*holds the last good"
    ) as told:
        training(tmp_path, replace(SETTINGS, save_every=5 if when == 13 else 100), denoiser=Denoiser(Fails(), V()))
    assert str(tmp_path / LAST) in str(told.value)
    for tensor in load(tmp_path / LAST).parts["ema"].values():
        assert tensor.isfinite().all()


def test_no_number_at_all(tmp_path: Path) -> None:
    """Where nothing was saved, nothing is claimed to be."""
    net = Mine()
    nn.init.constant_(net.layers[0].weight, float("nan"))
    with pytest.raises(InkwashError, match="at step 0; nothing was saved"):
        training(tmp_path, denoiser=Denoiser(net, V()))
    assert list(tmp_path.iterdir()) == []


# ---- under conditions


class Told(Mine):
    """One that is told a class, too."""

    def __init__(self) -> None:
        super().__init__()
        self.told = nn.Linear(10, 64)

    def forward(self, x: Tensor, t: Tensor, cond: CondEmbedding) -> Tensor:
        return super().forward(x, t, None) + self.told(cond.vector).view_as(x)


DROPPING = replace(OBJECTIVE, drop=0.3)


def asked(split: str = "train") -> Callable[[Tensor, int], Tensor]:
    labels = digits(split).labels
    return lambda indices, step: labels[indices]


def conditional(folder: Path, settings: Training = SETTINGS) -> tuple[State, list[Step | Saved]]:
    torch.manual_seed(settings.seed)
    state = State.fresh(Denoiser(ConditionedNet(Told(), OneHot(10)), V()), settings)
    batches = Batches(digits("train"), settings.batch_size, settings.seed, condition_of=asked())
    held_out = replace(kept(), condition=asked("test")(torch.arange(50), 0))
    accelerator = Accelerator(cpu=True)
    return state, list(train(state, DROPPING, batches, held_out, settings, folder, {}, accelerator))


def test_a_class_makes_the_images_easier_to_tell(tmp_path: Path) -> None:
    """The loss is lower where it is told, and telling another class makes it worse than telling none."""
    state, _ = conditional(tmp_path, replace(SETTINGS, steps=300))
    labels, losses = digits("test").labels[:200], []
    for told in (labels, None, (labels + 1) % 10):
        losses.append(held_out_loss(state.ema.model, OBJECTIVE, replace(kept(200), condition=told)))
    assert losses[0] < losses[1] < losses[2]


@pytest.mark.parametrize("parts", [1, 3, 16])
def test_conditions_go_with_their_images(parts: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through any cut of the batch each image comes with its own label."""
    label_of = {image.numpy().tobytes(): int(label) for image, label in _pairs()}
    seen: list[bool] = []
    real = Objective.__call__

    def spy(self: Objective, denoiser: nn.Module, x0: Tensor, randomness: StepRandomness, cond: Any = None) -> Tensor:
        if denoiser.training:
            seen.extend(label_of[x.numpy().tobytes()] == label for x, label in zip(x0, cond.tolist(), strict=True))
        return real(self, denoiser, x0, randomness, cond)

    monkeypatch.setattr(Objective, "__call__", spy)
    conditional(tmp_path, replace(SETTINGS, steps=4, accumulate=parts))
    assert len(seen) == 4 * 16
    assert all(seen)


def _pairs() -> list[tuple[Tensor, Tensor]]:
    source = digits("train")
    return list(zip(to_float(source.pixels), source.labels, strict=True))


def test_accumulating_under_conditions_is_rounding(tmp_path: Path) -> None:
    few = replace(SETTINGS, steps=5)
    whole, cut = conditional(tmp_path / "a", few)[0], conditional(tmp_path / "b", replace(few, accumulate=3))[0]
    torch.testing.assert_close(weights(cut), weights(whole), atol=1e-5, rtol=1e-4)


def test_the_held_out_loss_withholds_the_same_conditions_each_time(tmp_path: Path) -> None:
    """More images than are taken at once have the loss of all at once, with a share of conditions withheld."""
    state, events = conditional(tmp_path)
    labels = digits("test").labels[:290]
    batch = replace(kept(290), condition=labels)
    loss = held_out_loss(state.ema.model, DROPPING, batch)
    assert loss == held_out_loss(state.ema.model, DROPPING, batch)
    with torch.no_grad():
        whole = DROPPING(state.ema.model, batch.images, StepRandomness.of(0, tuple(batch.images.shape)), labels)
    assert loss == pytest.approx(whole.mean().item(), rel=1e-5)
    few = replace(kept(), condition=labels[:50])
    assert events[-1].held_out == held_out_loss(state.ema.model, DROPPING, few)


# ---- by the clock


def test_minutes_instead_of_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of steps that fit is chosen once, at the speed of the steps after the first."""
    now, spent = [0.0], iter([3.0] + [0.1] * 20 + [5.0] * 1000)  # seconds; the first step also compiles
    monkeypatch.setattr("inkwash.training.loop.time.perf_counter", lambda: now[0])

    class Slow(Mine):
        def forward(self, x: Tensor, t: Tensor, cond: Any) -> Tensor:
            if torch.is_grad_enabled():
                now[0] += next(spent)
            return super().forward(x, t, cond)

    settings = replace(SETTINGS, steps=None, minutes=0.2)
    state, events = training(tmp_path, settings, denoiser=Denoiser(Slow(), V()))
    steps = [event for event in events if isinstance(event, Step)]
    assert [event.steps for event in steps[:3]] == [None, 91, 91]  # step 10 comes after 3.9 s of 12
    assert state.step == 91
    assert steps[-1].lr < 0.01 * SETTINGS.lr
    assert load(tmp_path / LAST).facts["minutes"] == 0.2


def test_the_shorter_of_steps_and_minutes(tmp_path: Path) -> None:
    state, events = training(tmp_path, replace(SETTINGS, steps=1000, minutes=1e-6))
    assert state.step == 10  # the first look at the clock
    assert isinstance(events[-1], Saved)
    state, events = training(tmp_path, replace(SETTINGS, steps=7, minutes=60))
    assert state.step == 7
    assert isinstance(events[-2], Step)
    assert events[-2].steps == 7


def test_a_plan_that_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resumed training keeps the number of steps, however fast it is now, and so its bits."""
    settings = replace(SETTINGS, steps=None, minutes=0.1, warmup=3)
    monkeypatch.setattr("inkwash.training.loop.TIMED", 0.0)
    monkeypatch.setattr(
        "inkwash.training.loop._plan", lambda minutes, state, speed: vars(state).update(steps=40, planned=True)
    )
    whole, _ = training(tmp_path / "whole", settings)
    asked = iter([False] * 24 + [True])
    stopped, _ = training(tmp_path / "run", settings, stop=lambda: next(asked))
    assert stopped.step == 25

    def resumed(minutes: float) -> State:
        wanted = replace(settings, minutes=minutes)
        state = State.fresh(Denoiser(Mine(), V()), wanted)
        state.restore(load(tmp_path / "run" / LAST))
        batches = Batches(digits("train"), 16, 0)
        list(train(state, OBJECTIVE, batches, kept(), wanted, tmp_path / "run", {}, Accelerator(cpu=True)))
        return state

    monkeypatch.setattr(
        "inkwash.training.loop._plan", lambda minutes, state, speed: vars(state).update(steps=60, planned=True)
    )
    done = resumed(0.1)
    assert done.step == 40
    assert torch.equal(weights(done), weights(whole))
    assert [row["step"] for row in reports(tmp_path / "run")] == [0, 10, 20, 25, 30, 40]
    assert resumed(0.1).step == 40
    assert resumed(0.2).step == 60  # planned anew


def test_metrics_after_a_kill(tmp_path: Path) -> None:
    """Reports after the last checkpoint and half a line go; those that are missing come from the checkpoint."""
    training(tmp_path, replace(SETTINGS, steps=20))
    path = tmp_path / METRICS
    zero, ten, twenty = path.read_text().splitlines()
    path.write_text("\n".join((zero, twenty, twenty.replace("20", "30"), twenty[:20])))
    settings = replace(SETTINGS, steps=40)
    state = State.fresh(Denoiser(Mine(), V()), settings)
    state.restore(load(tmp_path / LAST))
    list(
        train(state, OBJECTIVE, Batches(digits("train"), 16, 0), kept(), settings, tmp_path, {}, Accelerator(cpu=True))
    )
    rows = reports(tmp_path)
    assert [row["step"] for row in rows] == [0, 10, 20, 30, 40]
    assert rows[1]["loss"] == json.loads(ten)["loss"]
    assert rows[2] == json.loads(twenty)
    assert len(path.read_text().splitlines()) == 5


def test_damaged_batches_are_raised_where_they_belong(tmp_path: Path) -> None:
    """An error in the data ends the training, with a checkpoint of the last step before it."""

    class Breaks(Batches):
        def at(self, step: int) -> Any:
            if step == 12:
                raise InkwashError("image 7 cannot be read.")
            return super().at(step)

    state = State.fresh(Denoiser(Mine(), V()), SETTINGS)
    images = Images("mine", "train", torch.zeros(40, 1, 8, 8, dtype=torch.uint8))
    events = train(state, OBJECTIVE, Breaks(images, 16, 0), kept(4), SETTINGS, tmp_path, {}, Accelerator(cpu=True))
    with pytest.raises(InkwashError, match=r"image 7 cannot be read\. Step 12 is saved; go on with `resume=True`\."):
        list(events)
    assert load(tmp_path / LAST).facts["step"] == 12
