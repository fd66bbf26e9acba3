"""User-defined networks passed from Python, and the references by which a run rebuilds them when it is opened."""

import copy
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from inkwash import choices, own
from inkwash.errors import UsageError
from inkwash.networks import Inputs, OwnNetwork
from inkwash.runs.record import described
from inkwash.training.checkpoint import LAST, facts

Own = nn.Module | Callable[..., nn.Module]


def is_own(thing: Any) -> bool:
    """Whether `thing` is a network: a module, or a class or function that builds one."""
    return isinstance(thing, nn.Module) or callable(thing)


def settings_for(network: Own | str, inputs: Inputs) -> tuple[OwnNetwork, str]:
    """Returns the settings for a network, and the reason why the command line cannot build it ("" if it can).

    This process then builds the network for these settings. Raises UsageError if no module can be built.
    """
    if isinstance(network, str):
        own.allow([network])
        return OwnNetwork(network), ""
    make = _maker(network)
    built = _tried(make, inputs)
    reference, why = _reference(network, inputs, built)
    own.provide(reference, make)
    return OwnNetwork(reference), why


def provide_for(folder: Path, network: Own | str) -> None:
    """Allows this process to open a run that was trained with a user-defined network.

    Raises UsageError if the run has a built-in network or recorded another reference.
    """
    found = described(folder / LAST, facts(folder / LAST)).network
    if not isinstance(found, OwnNetwork):
        raise UsageError(f"{folder} is of inkwash's own {type(found).__name__}; leave out `network`.")
    if not isinstance(network, str):
        own.provide(found.reference, _maker(network))
    elif network == found.reference:
        own.allow([network])
    else:
        raise UsageError(
            f"{folder} was trained with {found.reference} (got {network}); give that, or the class itself."
        )


def _maker(network: Own) -> Callable[..., nn.Module]:
    if isinstance(network, nn.Module):
        return lambda: copy.deepcopy(network)  # train a copy, initialised with the module's weights
    return network


def _name(network: Own) -> str:
    of = type(network) if isinstance(network, nn.Module) else network
    return getattr(of, "__qualname__", type(of).__qualname__)


def _built(make: Callable[..., nn.Module], inputs: Inputs) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        built: nn.Module = choices.call(make, **inputs._asdict())
    return built


def _tried(make: Callable[..., nn.Module], inputs: Inputs) -> nn.Module:
    """Builds the network. Raises UsageError if that fails or the result is not a module."""
    name = _name(make)
    try:
        built = _built(make, inputs)
    except TypeError as error:
        raise UsageError(
            f"{name} cannot be built: {error}. It is called with those of {', '.join(Inputs._fields)} that it takes; "
            "give its other arguments defaults, or pass an instance."
        ) from error
    if not isinstance(built, nn.Module):
        raise UsageError(f"{name} makes a {type(built).__name__}; a torch.nn.Module is expected.")
    return built


def _reference(network: Own, inputs: Inputs, built: nn.Module) -> tuple[str, str]:
    """Returns a reference that rebuilds a network, and ""; or a placeholder and the reason why there is none."""
    of = type(network) if isinstance(network, nn.Module) else network
    name = _name(network)
    nowhere = f"__main__:{name.rpartition('.')[2] if name.rpartition('.')[2].isidentifier() else 'network'}"
    module = getattr(of, "__module__", "__main__")
    if "<" in name:
        return nowhere, f"{name.rpartition('.')[2]} was defined inside a function"
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None or not file.endswith(".py") or not _is_in(of, module, name):
        return nowhere, f"{name} was defined in an interactive session"
    reference = f"{module}:{name}"
    if module == "__main__" or not _is_found(reference, file):
        reference = f"{os.path.abspath(file)}:{name}"  # noqa: PTH100 pathlib would resolve links too
    if not own.is_reference(reference):
        return nowhere, f"{name} has no name that a command could find it by"
    if isinstance(network, nn.Module) and not _builds_same(type(network), inputs, built):
        return (
            nowhere,
            f"{name} was built with arguments that no command knows (a function that builds it would do)",
        )
    return reference, ""


def _is_in(of: Any, module: str, name: str) -> bool:
    """Whether a module has this object under this name."""
    found: Any = sys.modules[module]
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is of


def _is_found(reference: str, file: str) -> bool:
    try:
        return own.path_of(reference).samefile(file)
    except UsageError:
        return False


def _builds_same(make: Callable[..., nn.Module], inputs: Inputs, built: nn.Module) -> bool:
    """Whether a class, called as the command line calls it, builds a network with the same state dict layout."""

    def shapes(of: nn.Module) -> dict[str, torch.Size]:
        return {name: tensor.shape for name, tensor in of.state_dict().items()}

    try:
        return shapes(_built(make, inputs)) == shapes(built)
    except Exception:  # noqa: BLE001 it is the user's code
        return False
