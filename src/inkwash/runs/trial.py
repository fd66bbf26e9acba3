"""Checks of user-defined objects on a tiny input before any work, so that errors are reported at once.

Built-in objects of `choices` have their own tests and are not checked here.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from inkwash.choices import expect
from inkwash.core import Denoise, Level, Plan, Prediction, Schedule, as_floats
from inkwash.errors import UsageError
from inkwash.networks import Inputs
from inkwash.sample import Solver

if TYPE_CHECKING:
    from inkwash.training import Draw, Weight

_NOISY, _LESS = Level(0.6, 0.8, 0.6), Level(0.3, 0.95, 0.3)
_IMAGES = 2


def schedule(name: str, made: Schedule) -> None:
    """Raises UsageError unless the object has the members of a schedule and its noisiest level has noise."""
    what = f"the schedule {name}"
    expect(made, what, "first", "num_timesteps", "time", "draw", "at", "from_logsnr")
    level = made.at(made.time(made.first / made.first))
    if not isinstance(level, Level):
        raise UsageError(
            f"{what} gives the type {type(level).__name__} for a time; `at` must give an inkwash.core.Level."
        )
    alpha, sigma, _ = as_floats(level)
    if not (alpha >= 0 and sigma > 0):
        raise UsageError(f"{what} gives α = {alpha} and σ = {sigma} at its end; α >= 0 and σ > 0 is expected.")


def prediction(name: str, made: Prediction) -> None:
    """Raises UsageError unless `row` returns two numbers that are not both 0."""
    expect(made, f"the prediction {name}", "row")
    row: Any = made.row(_NOISY)
    if not isinstance(row, tuple) or len(row) != 2 or not any(map(bool, row)):
        raise UsageError(f"the prediction {name} gives the row {row!r}; (a, b) of a·x₀ + b·ε is expected, not both 0.")


def draw(name: str, made: "Draw", of: Schedule) -> None:
    """Raises UsageError unless the object returns one level of `of` for each image."""
    from inkwash.training import StepRandomness  # here, so that opening a run imports nothing that trains

    level: Any = made(of, StepRandomness.of(0, (_IMAGES, 1, 1, 1)))
    if not isinstance(level, Level) or any(torch.as_tensor(part).shape != (_IMAGES,) for part in level):
        raise UsageError(f"the draw {name} must give a Level of tensors [{_IMAGES}] for {_IMAGES} images.")


def weight(name: str, made: "Weight") -> None:
    """Raises UsageError unless the object returns one weight for each image."""
    one = torch.ones(_IMAGES, 1, 1, 1)
    got: Any = made(Level(0.6 * one, 0.8 * one, 0.6 * one), one)
    _same_shape(f"the weight {name}", got, one, "on_x0")


def trainable(name: str, made: Any) -> None:
    """Raises UsageError unless the object is a module with trainable parameters."""
    if not isinstance(made, nn.Module):
        raise UsageError(f"the network {name} makes the type {type(made).__name__}; a torch.nn.Module is expected.")
    if not any(parameter.requires_grad for parameter in made.parameters()):
        raise UsageError(f"the network {name} has no parameters that could be trained.")


def network(name: str, net: nn.Module, inputs: Inputs) -> None:
    """Calls a network once, without gradient or condition. Raises UsageError unless the output is like x."""
    x = torch.zeros(_IMAGES, inputs.image_channels, inputs.height, inputs.width)
    t = torch.full((_IMAGES,), 0.5) if inputs.num_timesteps is None else torch.zeros(_IMAGES, dtype=torch.int64)
    was = net.training
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        got = net.eval()(x, t, None)
    net.train(was)
    _same_shape(f"the network {name}", got, x, "x")


def solver(name: str, made: Solver) -> None:
    """Raises UsageError unless a step returns (x, memory)."""
    expect(made, f"the solver {name}", "step")
    x = torch.zeros(_IMAGES, 1, 2, 2)
    got: Any = made.step(lambda x, level: x / 2, x, _NOISY, _LESS, None, torch.zeros_like)
    if not isinstance(got, tuple) or len(got) != 2:
        raise UsageError(f"the solver {name} gives the type {type(got).__name__}; (x, memory) is expected of `step`.")
    _same_shape(f"the solver {name}", got[0], x, "x")


def plan(name: str, made: Plan) -> None:
    """Raises UsageError unless the object is a list of noisy levels that ends at a level without noise."""
    levels = list(made)
    if len(levels) < 2 or not all(isinstance(level, Level) for level in levels):
        raise UsageError(f"the spacing {name} must give a list of two levels or more.")
    sigmas = [as_floats(level)[1] for level in levels]
    if sigmas[-1] != 0 or min(sigmas[:-1]) <= 0:
        raise UsageError(f"the plan of the spacing {name} must end in inkwash.core.CLEAN, and have noise before it.")


def limit(name: str, limited: Denoise) -> None:
    """Raises UsageError unless `limited`, which wraps a denoiser that halves its input, is a denoiser."""
    x = torch.zeros(_IMAGES, 1, 2, 2)
    if not callable(limited):
        raise UsageError(
            f"the limit {name} makes the type {type(limited).__name__}; a denoiser (x, level) -> x₀ is expected."
        )
    _same_shape(f"the limit {name}", limited(x, _NOISY), x, "x")


def _same_shape(what: str, got: Any, like: Tensor, called: str) -> None:
    if not isinstance(got, Tensor):
        raise UsageError(f"{what} gives the type {type(got).__name__}; a tensor of the shape of {called} is expected.")
    if got.shape != like.shape or not got.is_floating_point():
        raise UsageError(
            f"{what} gives {got.dtype} of shape {list(got.shape)}, where {called} has {list(like.shape)}; "
            f"floating-point numbers of the shape of {called} are expected."
        )
