"""Calls a student's function with the arguments it asks for, whatever it calls them."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from inkwash.check.case import Case
from inkwash.check.chance import Chance
from inkwash.check.flow_case import FlowCase
from inkwash.check.kinds import Kind

FLOATS = (int, "int", "float", float)


class Unfit(Exception):
    """A function cannot be checked; the message says why."""


class Blank(Unfit):
    """A function that is still to be written."""


class Exact(nn.Module):
    """The network that a page is given: the exact answer for Gaussian data, whatever else it is called with."""

    def __init__(self, case: Case | FlowCase | None = None) -> None:
        super().__init__()
        self.case = case
        self.weight = nn.Parameter(torch.zeros(1))  # some pages ask the network for its device
        self.calls = 0

    def __deepcopy__(self, memo: Any) -> "Exact":
        return self  # an average of the weights answers alike

    def forward(self, x: Tensor, t: Any, *others: Any, **more: Any) -> Tensor:
        """The output for x [B,C,H,W] and t, a number or [B], in the type of x."""
        if self.case is None:
            raise Unfit("the network was called before the check began.")
        self.calls += 1
        times = torch.as_tensor(t).reshape(-1)
        if len(times) not in (1, len(x)):
            raise ValueError(f"the network was given {len(times)} times for {len(x)} images.")
        times = times.expand(len(x)).cpu()
        if isinstance(self.case, Case):
            times = times.long()
        return self.case.network(x.double(), times).to(x.dtype)


@dataclass(frozen=True)
class Target:
    """A function of the page, and the roles of its parameters."""

    label: str
    function: Callable[..., Any]
    kind: Kind
    roles: Mapping[str, str]  # parameter -> role
    network: Exact
    integral: bool | None = None  # whether t is annotated as a number; None where nothing is said
    owner: Any = None

    def call(self, values: Mapping[str, Any]) -> Any:
        """Calls the function; tensors are given as float32. Raises Blank where it returns nothing."""
        args = {name: _given(values[role]) for name, role in self.roles.items() if role in values}
        with torch.no_grad():
            found = self.function(**args)
        if found is None or found is ... or (isinstance(found, tuple) and any(each is None for each in found)):
            raise Blank("a blank is left: it returns nothing.")
        return found


def fit(
    label: str, function: Callable[..., Any], kind: Kind, network: Exact, forced: bool, owner: Any = None
) -> Target | None:
    """The target, or None if the function is another thing than its name says. `forced` functions were named by --as.

    Raises Unfit if an argument is not understood.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    named = [each for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    roles = _match([each.name for each in named], kind)
    rest = [each for each in named if each.name not in roles]
    required = [each for each in rest if each.default is each.empty]
    free = [role for role in kind.roles if role not in roles.values() and role != "extra"]
    if required and forced and len(required) <= len(free):
        roles |= {each.name: role for each, role in zip(required, free, strict=False)}
        required = []
    needs = {*kind.needs, *({"eps"} if label.endswith("forward") and kind.name == "add_noise" else ())}
    if missing := [role for role in kind.roles if role in needs and role not in roles.values()]:
        if not forced:
            return None
        raise Unfit(f"{kind.name} needs arguments that stand for {', '.join(missing)}; it has {_names(named)}.")
    if required:
        if kind.name == "p_sample" and any(each.name in kind_words("denoise") for each in required):
            return None
        raise Unfit(
            f"the argument {required[0].name} is not understood; call its arguments {', '.join(kind.roles)}, or give "
            "this one a default."
        )
    time = next((each for each in named if roles.get(each.name) == "t"), None)
    integral = None if time is None or time.annotation is time.empty else _is_integral(time.annotation)
    return Target(label, function, kind, roles, network, integral, owner)


def kind_words(name: str) -> set[str]:
    """All argument names of a kind."""
    from inkwash.check.kinds import BY_NAME

    return {word for words in BY_NAME[name].roles.values() for word in words.split()}


def _match(names: list[str], kind: Kind) -> dict[str, str]:
    roles: dict[str, str] = {}
    for role, words in kind.roles.items():
        found = next((word for word in words.split() if word in names and word not in roles), None)
        if found is not None:
            roles[found] = role
    return {name: roles[name] for name in names if name in roles}


def _is_integral(annotation: Any) -> bool | None:
    if annotation in (int, float, "int", "float"):
        return True
    return False if annotation in (Tensor, "Tensor", "torch.Tensor", "torch.LongTensor") else None


def _names(parameters: list[inspect.Parameter]) -> str:
    return ", ".join(each.name for each in parameters) or "none"


def _given(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value


# ---- what a function returns for a case


def observe(target: Target, case: Any, chance: Chance) -> tuple[Tensor, ...]:
    """What the function returns, in float64: a tensor for each part of the kind's formula."""
    target.network.case = case
    return _WAYS[target.kind.observed](target, case, chance)


def _values(target: Target, case: Any) -> dict[str, Any]:
    if isinstance(case, FlowCase):
        values = {"noise": case.noise, "data": case.data, "x": case.x, "dt": case.dt, "t": case.times}
    else:
        values = {"x0": case.x0, "eps": case.eps, "x": case.x, "t": case.t, "s": case.s, "eta": case.eta, "w": case.w}
        if "output" in target.roles.values():
            values["output"] = case.output
    return values | {"model": target.network, "extra": {}}


def _value(target: Target, case: Any, chance: Chance) -> tuple[Tensor, ...]:
    noise = case.noise if isinstance(case, FlowCase) else case.eps
    chance.say(noise)
    values = _values(target, case)
    if target.kind.name == "normalize":
        values["x"] = (case.x0 + 1) / 2
    elif target.kind.name == "unnormalize":
        values["x"] = case.x0
    return (_first(_by_row_or_whole(target, values)),)


def _step(target: Target, case: Case, chance: Chance) -> tuple[Tensor, ...]:
    values, found = _values(target, case), []
    for z in (torch.zeros_like(case.z), torch.zeros_like(case.z), case.z):
        chance.say(z)
        found.append(_first(_by_row_or_whole(target, values)))
    if not torch.equal(found[0].nan_to_num(), found[1].nan_to_num()):
        raise Unfit("it draws random numbers otherwise than by torch.randn or torch.randn_like; use one of them.")
    return found[0], found[2] - found[0]


def _pair(target: Target, case: Case, chance: Chance) -> tuple[Tensor, ...]:
    values, none = _values(target, case), torch.zeros_like(case.x0)
    of_x0, of_x = (_by_row_or_whole(target, {**values, other: none}) for other in ("x", "x0"))
    if not isinstance(of_x0, tuple) or len(of_x0) < 2:
        raise Unfit("it returns no pair (mean, standard deviation).")
    std = torch.as_tensor(of_x0[1]).double()
    std = std.sqrt() if len(of_x0) == 3 else std  # three are mean, variance, and its logarithm
    return of_x0[0].double(), of_x[0].double(), std


def _loss(target: Target, case: Any, chance: Chance) -> tuple[Tensor, ...]:
    values = _values(target, case)
    if isinstance(case, FlowCase):
        chance.say(case.noise, uniform=case.times)
    else:
        chance.say(case.eps, case.z, rows=case.t)
        values["x0"] = (case.x0 + 1) / 2 if _unit(target) else case.x0
    found = target.call(values)
    if isinstance(found, dict):
        found = found.get("loss", found)
    if not isinstance(found, Tensor | float):
        raise Unfit(f"it returns a {type(found).__name__}; a loss is a number.")
    return (torch.as_tensor(found).double().mean().view(1),)


def _unit(target: Target) -> bool:
    """Whether the loss is given images in [0, 1]: where the page has a method that normalizes them, and the loss is not
    called by another function that has drawn t, and normalized.
    """
    return hasattr(target.owner, "normalize") and "t" not in target.roles.values()


def _cfg(target: Target, case: Case, chance: Chance) -> tuple[Tensor, ...]:
    text = torch.ones(len(case.x0), 512)
    wanted = {"text_emb": text, "cfg_scale": case.w}

    def forward(x: Tensor, t: Any, model_kwargs: Any = None, *others: Any, **more: Any) -> Tensor:
        given = {**(model_kwargs or {}), **more}.get("text_emb")
        return (case.eps if given is None or not bool(given.any()) else case.x0).float()

    target.owner.forward = forward
    return (_first(target.call({**_values(target, case), "extra": wanted})),)


_WAYS = {"value": _value, "step": _step, "pair": _pair, "loss": _loss, "cfg": _cfg}


def _by_row_or_whole(target: Target, values: dict[str, Any]) -> Any:
    """One call for the batch, or one for each image where t is a number."""
    if "t" not in target.roles.values():
        return target.call(values)
    numbers = target.kind.by_row if target.integral is None else target.integral
    try:
        return _rows(target, values) if numbers else target.call(values)
    except (Blank, NotImplementedError):
        raise
    except Exception:
        if target.integral is not None or not target.kind.by_row:
            raise
        return target.call(values)


def _rows(target: Target, values: dict[str, Any]) -> Any:
    found = []
    for i, t in enumerate(values["t"].tolist()):
        other = {"s": int(values["s"][i])} if "s" in values else {}
        found.append(_row(target.call({**values, "t": t, **other}), i, len(values["t"])))
    return tuple(torch.stack(parts) for parts in zip(*found, strict=True))


def _row(found: Any, i: int, batch: int) -> tuple[Tensor, ...]:
    parts = found if isinstance(found, tuple) else (found,)
    return tuple(
        part[i].double() if part.ndim and len(part) == batch else part.double()
        for part in (torch.as_tensor(part) for part in parts)
    )


def _first(found: Any) -> Tensor:
    found = found[0] if isinstance(found, tuple | list) and found else found
    if not isinstance(found, Tensor):
        raise Unfit(f"it returns a {type(found).__name__}; a tensor is expected.")
    return found.double()
