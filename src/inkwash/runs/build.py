"""Builds objects from settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from inkwash import choices, own, settings
from inkwash.core import Denoise, Plan, Prediction, Schedule, as_floats, churn
from inkwash.data import Source, load
from inkwash.denoise import Denoiser
from inkwash.denoise.guidance import ALWAYS
from inkwash.errors import UsageError
from inkwash.nets import ConditionedNet
from inkwash.networks import Inputs, OwnNetwork
from inkwash.runs import trial
from inkwash.runs.conditions import ConditionKind
from inkwash.sample import Solver
from inkwash.sample.solver import fact

if TYPE_CHECKING:
    from inkwash.training import Draw, Objective, Weight

Shape = tuple[int, int, int]  # (C, H, W)


def schedule(process: settings.Process) -> Schedule:
    """Builds the schedule of the forward process. Raises UsageError if it does not accept the given ends."""
    make = choices.SCHEDULES.load(process.schedule)
    ends = {"low": process.beta_low, "high": process.beta_high}
    given = {name: value for name, value in ends.items() if value is not None}
    if any(not choices.takes(make, name) for name in given):
        with_ends = [row.name for row in choices.SCHEDULES if choices.takes(row.load(), "low")]
        raise UsageError(
            f"the {process.schedule} schedule has no free ends; leave out `beta_low` and `beta_high`, "
            f"or choose one of {', '.join(with_ends)}."
        )
    made: Schedule = choices.call(make, num_timesteps=process.timesteps, **given)
    if own.is_reference(process.schedule):
        trial.schedule(process.schedule, made)
    return made


def prediction(process: settings.Process) -> Prediction:
    """Builds the prediction target of the network."""
    made: Prediction = choices.call(choices.PREDICTIONS.load(process.prediction), sigma_data=process.sigma_data)
    if own.is_reference(process.prediction):
        trial.prediction(process.prediction, made)
    return made


def images(data: settings.Data, split: str, data_dir: Path | None) -> Source:
    """Loads the images of a split, "train" or "test". Raises UsageError without a source, and the errors of `load`."""
    if not data.source:
        raise UsageError("the recipe folder needs images: `inkwash train FOLDER`, or `source=FOLDER`.")
    return load(
        data.source, split, data_dir=data_dir, size=data.size, channels=data.image_channels,
        unreadable=data.unreadable, splits=data.splits, held_out=data.held_out, background=data.background,
        fit=data.fit, pages=data.pages, font=data.font, language=data.language,
    )  # fmt: skip


def network(run: settings.RunSettings, shape: Shape, condition: ConditionKind | None = None) -> nn.Module:
    """Builds a newly initialised network for images of `shape`, with an embedder if there is a condition.

    Raises UsageError if the network does not support these inputs.
    """
    return _network(run, Inputs(*shape, schedule(run.process).num_timesteps), condition)


def _network(run: settings.RunSettings, inputs: Inputs, condition: ConditionKind | None) -> nn.Module:
    embedder = None if condition is None else condition.embedder()
    if embedder is not None:
        inputs = inputs._replace(vector=embedder.vector, tokens=embedder.tokens, concat=embedder.concat)
    built = run.network.build(inputs)
    if isinstance(run.network, OwnNetwork):
        trial.trainable(run.network.reference, built)
    if embedder is not None:
        built = ConditionedNet(built, embedder)
    if isinstance(run.network, OwnNetwork):
        trial.network(run.network.reference, built, inputs)
    layout = torch.contiguous_format if run.training.layout == "contiguous" else torch.channels_last
    return built.to(memory_format=layout)  # type: ignore[call-overload, no-any-return]


def denoiser(
    run: settings.RunSettings, shape: Shape, precision: torch.dtype, condition: ConditionKind | None = None
) -> Denoiser:
    """Builds the denoiser of a run: its network, initialised from the run's seed, and its prediction target."""
    process = run.process
    with torch.random.fork_rng(devices=[]):  # leave the caller's random state unchanged
        torch.manual_seed(run.training.seed)
        net = network(run, shape, condition)
    target = prediction(process)
    return Denoiser(net, target, getattr(target, "sigma_data", 1.0), precision)


def parameters(run: settings.RunSettings, shape: Shape, condition: ConditionKind | None) -> int:
    """The number of parameters of the run's network, which is not built; 0 for a network of the user's own."""
    if isinstance(run.network, OwnNetwork):
        return 0
    inputs = Inputs(*shape, schedule(run.process).num_timesteps)
    with torch.device("meta"):
        return sum(each.numel() for each in _network(run, inputs, condition).parameters())


def shapes(run: settings.RunSettings, shape: Shape, condition: ConditionKind | None) -> dict[str, tuple[int, ...]]:
    """The shape of each weight of the run's denoiser, which is not built, by its name."""
    inputs = Inputs(*shape, schedule(run.process).num_timesteps)
    with torch.device("meta"):
        weights = _network(run, inputs, condition).state_dict(prefix="net.")
    return {name: tuple(tensor.shape) for name, tensor in weights.items()}


def check_weights(
    run: settings.RunSettings, shape: Shape, condition: ConditionKind | None, weights: Mapping[str, Tensor]
) -> None:
    """Raises ValueError unless the run's denoiser has weights of these names and shapes.

    Costs no memory, whatever the settings ask for: so what a file describes is never larger than the file. A network
    of the user's own is not checked, since it may compute with its weights while it is built.
    """
    if isinstance(run.network, OwnNetwork):
        return
    if shapes(run, shape, condition) != {name: tuple(each.shape) for name, each in weights.items()}:
        raise ValueError("other weights")


def objective(run: settings.RunSettings) -> "Objective":
    """Builds the training objective of a run."""
    from inkwash.training import Objective  # here, so that opening a run imports nothing that trains

    training, walked = run.training, schedule(run.process)
    draw: Draw = choices.call(choices.DRAWS.load(training.draw), shift=training.shift)
    weight: Weight = choices.call(choices.WEIGHTS.load(training.weight), schedule=walked)
    if own.is_reference(training.draw):
        trial.draw(training.draw, draw, walked)
    if own.is_reference(training.weight):
        trial.weight(training.weight, weight)
    return Objective(
        walked, prediction(run.process), draw, weight, training.loss, run.conditioning.condition_dropout
    )  # fmt: skip


def solver(sampling: settings.Sampler, of: Schedule | None = None) -> Solver:
    """Builds the solver, for a model of the schedule `of` where it is to draw.

    Raises UsageError if it lacks an η, a variance, a tolerance, or another option, but one is given.
    """
    name, eta, large = sampling.solver, sampling.eta, 1.0 if sampling.variance == "large" else 0.0
    make = choices.SOLVERS.load(name)
    for option in sampling.options:
        if not choices.takes(make, option):
            those = _either(choices.SOLVERS.taking(option))
            raise UsageError(f"{name} has no `{option}`; leave it out, or take {those} as `solver`.")

    def built() -> Solver:
        made: Solver = choices.call(make, eta=eta or 0.0, large=large, schedule=of, **sampling.options)
        return made

    made = built()
    if own.is_reference(name):
        trial.solver(name, built())  # another, since it may have state
    if eta is not None and not fact(made, "has_eta"):
        raise UsageError(f"{name} has no η; leave out `eta`, or take {_those_with('has_eta')} as `solver`.")
    if large and not fact(made, "has_variance"):
        raise UsageError(
            f"{name} leaves no choice of `variance`; leave it out, or take {_those_with('has_variance')} as `solver`."
        )
    return made


def _those_with(name: str) -> str:
    return _either(
        tuple(row.name for row in choices.SOLVERS if fact(choices.call(row.load(), eta=0.0, large=0.0), name))
    )


def _either(names: tuple[str, ...]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def plan(sampling: settings.Sampler, of: Schedule) -> Plan:
    """Builds the sequence of noise levels. Raises UsageError for more steps than a discrete schedule has."""
    where = spacing(sampling)
    levels: Plan = choices.SPACINGS.load(where)(of, sampling.steps)
    if own.is_reference(where):
        trial.plan(where, levels)
    if isinstance(sampling, settings.Sampling):
        levels = _churned(levels, of, sampling)
    made = solver(sampling)
    if as_floats(levels[0])[0] == 0 and not fact(made, "starts_at_pure_noise"):
        raise UsageError(
            f"{sampling.solver} cannot begin at pure noise, as {where} spacing does here; "
            f"use {fact(made, 'default_spacing')}."
        )
    return levels


def _churned(levels: Plan, of: Schedule, sampling: settings.Sampling) -> Plan:
    if sampling.churn_interval is not None and not sampling.churn:
        raise UsageError(
            "`churn_interval` says where noise is added, and `churn` is 0; give how much, or leave it out."
        )
    return churn(levels, of, sampling.churn, *(sampling.churn_interval or ALWAYS)) if sampling.churn else levels


def spacing(sampling: settings.Sampler) -> str:
    """The requested spacing, or the default spacing of the solver."""
    suits: str = fact(solver(sampling), "default_spacing")
    if sampling.spacing == settings.TUNED:
        raise UsageError(
            "here, `spacing='tuned'` is not looked up; give the levels that inkwash tune printed, as levels:A/B/…"
        )
    return sampling.spacing or suits


def limit(sampling: settings.Sampler, denoise: Denoise) -> Denoise:
    """Wraps a denoiser so that the range of its x̂₀ is limited."""
    make = choices.LIMITS.load(sampling.limit)
    if own.is_reference(sampling.limit):
        trial.limit(sampling.limit, make(lambda x, level: x / 2))
    limited: Denoise = make(denoise)
    return limited
