"""What a client may ask for, with its limits: every field is a number in a range, a name of a table, or short text."""

import re
import shlex
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from inkwash import choices
from inkwash.errors import UsageError
from inkwash.runs import build
from inkwash.runs.model import TrainedModel
from inkwash.settings import Sampler, Sampling, texts

SEED = 2**53 - 1  # the largest whole number that JavaScript keeps


def named(kind: choices.Choices) -> Any:
    """A name of a table alone: a reference to code of a user's own is none of a client's."""
    return Field(pattern=f"^({'|'.join(re.escape(name) for name in kind.names)})$")


_Name = Annotated[str, Field(min_length=1, max_length=200)]
_Text = Annotated[str, Field(max_length=500)]


class Limits(BaseModel):
    """What one request may cost, and how many may wait."""

    model_config = ConfigDict(frozen=True)

    n: int = 64
    steps: int = 250
    values: int = 16_000_000  # n · steps · C · H · W, of the walk that is sent
    queue: int = 64
    slots: int = 8  # walks at a time
    seconds: float = 300.0  # from the request to the last picture
    body: int = 1_000_000  # bytes of a request


class ImagesRequest(BaseModel):
    """A request for images. Image i depends on the model, on all that is asked here but `n`, and on i."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: _Name | None = Field(None, description="A name of GET /v1/models; null is the first.")
    n: Annotated[int, Field(ge=1, le=4096)] = 16
    seed: Annotated[int, Field(ge=0, le=SEED)] = 0
    label: _Text | None = Field(None, description="Class by name or number, or all; for models by class.")
    text: _Text | None = Field(None, description="Prompt; for models by text.")
    solver: Annotated[str, named(choices.SOLVERS)] | None = None
    steps: Annotated[int, Field(ge=1, le=100_000)] | None = None
    eta: Annotated[float, Field(ge=0, le=1, strict=False)] | None = None
    spacing: Annotated[str, named(choices.SPACINGS)] | None = None
    limit: Annotated[str, named(choices.LIMITS)] | None = None
    variance: Literal["small", "large"] | None = None
    scale: Annotated[float, Field(ge=0, le=100, strict=False)] | None = None
    interval: (
        Annotated[list[Annotated[float, Field(ge=0, le=1e6, strict=False)]], Field(min_length=2, max_length=2)] | None
    ) = None
    rescale: Annotated[float, Field(ge=0, le=1, strict=False)] = 0.0
    format: Literal["png", "gif", "npz"] = Field("png", description="Of the answer of POST /v1/images.")


class Turn(BaseModel):
    """A walk that goes on with other settings from a step on, with the levels of the plan as they were."""

    model_config = ConfigDict(extra="forbid", strict=True)

    step: Annotated[int, Field(ge=1, lt=100_000)] = Field(description="The first step that is made anew is step + 1.")
    solver: Annotated[str, named(choices.SOLVERS)]
    eta: Annotated[float, Field(ge=0, le=1, strict=False)] | None = None
    scale: Annotated[float, Field(ge=0, le=100, strict=False)] | None = None


class WalkRequest(ImagesRequest):
    """A request for a walk, which may turn to other settings on its way."""

    turn: Turn | None = None


def turned(asked: ImagesRequest, sampling: Sampling) -> tuple[int, Sampling] | None:
    """The step at which a walk turns, and the settings from there on; None if it does not.

    Raises UsageError for a step that the walk does not have, or a solver that the plan does not suit.
    """
    turn = asked.turn if isinstance(asked, WalkRequest) else None
    if turn is None:
        return None
    if turn.step >= sampling.steps:
        raise UsageError(f"a walk of {sampling.steps} steps turns at step 1 to {sampling.steps - 1} (got {turn.step}).")
    after = replace(sampling, solver=turn.solver, eta=turn.eta, scale=turn.scale, spacing=build.spacing(sampling))
    build.solver(after)
    return turn.step, after


def sampling_of(asked: ImagesRequest, model: TrainedModel, limits: Limits) -> Sampling:
    """The request as `inkwash sample` would make it, with the sampler of the model's recipe where nothing is asked.

    Raises UsageError for what is above a limit or does not fit the model. Builds the plan, and no more.
    """
    given = {name: getattr(asked, name) for name in ("solver", "steps", "eta", "spacing", "limit", "variance", "scale")}
    sampler: Sampler = model.run.default_sampler.over(**given)
    interval = None if asked.interval is None else (asked.interval[0], asked.interval[1])
    sampling = Sampling(
        **vars(sampler), n=asked.n, seed=asked.seed, label=asked.label, text=texts(asked.text), interval=interval,
        rescale=asked.rescale, stretch=model.run.stretch,
    )  # fmt: skip
    for name in ("n", "steps"):
        if getattr(sampling, name) > getattr(limits, name):
            raise UsageError(f"`{name}` is at most {getattr(limits, name)} here (got {getattr(sampling, name)}).")
    channels, height, width = model.shape
    values = sampling.n * sampling.steps * channels * height * width
    if values > limits.values:
        raise UsageError(
            f"{sampling.n} images of {sampling.steps} steps are {values:,} values, above the {limits.values:,} of one "
            "request; ask for fewer images or steps."
        )
    build.plan(sampling, model.schedule)
    return sampling


def as_command(sampling: Sampling, model: TrainedModel, run: str) -> str:
    """The command line that draws the same pictures."""
    words = ["inkwash", "sample", run]
    for name, value in _asked(sampling, model).items():
        each = value if name == "text" else (value,)
        words += [word for one in each for word in ("-n" if name == "n" else f"--{name}", _shell(one))]
    return " ".join([_quoted(words[2]) if i == 2 else word for i, word in enumerate(words)])


def as_python(sampling: Sampling, model: TrainedModel, run: str) -> str:
    """Python that draws the same pictures."""
    given = _asked(sampling, model)
    arguments = [str(given.pop("n"))] + [f"{name}={value!r}" for name, value in given.items()]
    return f"import inkwash\n\nrun = inkwash.load({run!r})\nrun.sample({', '.join(arguments)}).save('samples.png')\n"


def _asked(sampling: Sampling, model: TrainedModel) -> dict[str, Any]:
    """All that must be said: the sampler whole, since defaults depend on the solver, and the rest where it differs."""
    usual = Sampling()
    always = ("n", "seed", "solver", "steps")
    values = {name: getattr(sampling, name) for name in (*always, "label", "text", "eta", "spacing", "variance")}
    values |= {name: getattr(sampling, name) for name in ("limit", "scale", "interval", "rescale")}
    values["spacing"] = build.spacing(sampling)
    return {name: value for name, value in values.items() if name in always or value != getattr(usual, name)}


def _shell(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(f"{each:g}" for each in value)
    return _quoted(f"{value!r}" if isinstance(value, float) else str(value))


def _quoted(word: str) -> str:
    return shlex.quote(word)
