"""What the importers share: reading a foreign checkpoint without running code, and writing the run."""

import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from inkwash import core
from inkwash.data.regular import open_regular
from inkwash.denoise import Denoiser
from inkwash.errors import InkwashError, UsageError
from inkwash.hub import unpickled
from inkwash.lock import holding
from inkwash.settings import RunSettings
from inkwash.training.checkpoint import LAST, TEXTS, Checkpoint, save

_LARGEST, _LARGEST_JSON = 2**33, 2**24  # bytes
_PREFIXES = ("module.", "_orig_mod.")  # of DistributedDataParallel and of torch.compile


def read(path: Path, advice: str) -> dict[str, Any]:
    """The dictionary that torch.save wrote to a file. Only tensors and numbers are loaded, so no code is run.

    `advice` ends the errors: UsageError for a file that holds something else, InkwashError for a damaged one.
    """
    if not path.is_file():
        raise UsageError(f"there is no file {path}; {advice}.")
    try:
        with open_regular(path, _LARGEST) as file:
            saved = unpickled(file.read())
    except pickle.UnpicklingError as error:
        raise UsageError(
            f"{path} is no checkpoint, or holds more than tensors and numbers, so that opening it may run code; "
            f"it was not opened: {advice}, or the state_dict() of the network."
        ) from error
    except Exception as error:  # a damaged pickle may raise anything
        reason = f" ({error})" if isinstance(error, ValueError) else ""
        raise InkwashError(f"{path} is damaged or no checkpoint of torch{reason}; {advice}.") from error
    if not isinstance(saved, dict):
        raise UsageError(f"{path} holds a {type(saved).__name__} and no checkpoint; {advice}.")
    return saved


def tensors(state: Mapping[Any, Any]) -> dict[str, Tensor]:
    """The tensors of a state dict by name, without what wrappers put before the names of all."""
    found = {key: value for key, value in state.items() if isinstance(key, str) and isinstance(value, Tensor)}
    while found and (prefix := next((p for p in _PREFIXES if all(key.startswith(p) for key in found)), None)):
        found = {key.removeprefix(prefix): value for key, value in found.items()}
    return found


def read_safetensors(path: Path, advice: str) -> dict[str, Tensor]:
    """The tensors of a safetensors file. `advice` ends the errors: UsageError without one, InkwashError if damaged."""
    if not path.is_file():
        raise UsageError(f"there is no file {path}; {advice}.")
    try:
        with open_regular(path, _LARGEST) as file:
            found: dict[str, Tensor] = safetensors.torch.load(file.read())
    except (OSError, SafetensorError, ValueError, KeyError) as error:  # KeyError: a type that torch lacks
        raise InkwashError(f"{path} is damaged or no safetensors file ({error}); {advice}.") from error
    return found


def read_json(path: Path, advice: str) -> dict[str, Any]:
    """The object in a JSON file. `advice` ends the errors: UsageError without a file, InkwashError if damaged."""
    if not path.is_file():
        raise UsageError(f"there is no file {path}; {advice}.")
    try:
        with open_regular(path, _LARGEST_JSON) as file:
            found = json.loads(file.read())
    except (OSError, ValueError, RecursionError) as error:
        raise InkwashError(f"{path} is damaged or no JSON ({error}); {advice}.") from error
    if not isinstance(found, dict):
        raise UsageError(f"{path} holds a {type(found).__name__} where an object was expected; {advice}.")
    return found


def check_layers(wanted: Mapping[str, Sequence[int]], weights: Mapping[str, Tensor], path: Path, what: str) -> None:
    """Raises UsageError, naming the layers that differ, unless the weights have the wanted names and shapes."""
    absent = [name for name in wanted if name not in weights]
    extra = [name for name in weights if name not in wanted]
    other = [name for name in wanted if name in weights and [*weights[name].shape] != [*wanted[name]]]
    if absent or extra or other:
        told = [
            *(f"{name} is {list(weights[name].shape)} and not {list(wanted[name])}" for name in other),
            *(f"{name} is missing" for name in absent),
            *(f"{name} is not in it" for name in extra),
        ]
        more = f"; and {len(told) - 3} more" if len(told) > 3 else ""
        raise UsageError(f"{path} holds another network than {what}: {'; '.join(told[:3])}{more}.")


def fill(network: nn.Module, weights: Mapping[str, Tensor], path: Path, what: str) -> None:
    """Loads weights into a network. Raises UsageError, naming the layers that differ, and InkwashError for nan."""
    wanted = network.state_dict()
    check_layers({name: tensor.shape for name, tensor in wanted.items()}, weights, path, what)
    if bad := [name for name, tensor in weights.items() if not bool(tensor.isfinite().all())]:
        raise InkwashError(f"{path} holds weights that are no numbers ({bad[0]}): its training had failed.")
    network.load_state_dict({name: tensor.to(wanted[name].dtype) for name, tensor in weights.items()})


def write_run(
    run: RunSettings, denoiser: Denoiser, shape: Sequence[int], out: Path, origin: str, step: int = 0,
    classes: Sequence[str] = (), texts: dict[str, Tensor] | None = None,
) -> None:  # fmt: skip
    """Writes a run of these weights to `out`. Raises UsageError if there is one already.

    `origin` says where the images came from, which are not known here. `texts` are the tensors of a `text.Table`.
    """
    with holding(out, "an import"):
        if (out / LAST).exists():
            raise UsageError(f"{out} already holds a run; choose another `out`.")
        facts = {
            "run": asdict(run), "shape": list(shape), "classes": list(classes), "images": 0, "fingerprint": origin,
            "precision": "float32", "data_dir": None, "images_seen": 0, "step": step, "steps": step, "seconds": 0.0,
            "history": [], "held_out": [], "best": None,
        }  # fmt: skip
        known = {TEXTS: texts} if texts else {}
        save(out / LAST, Checkpoint({"ema": denoiser.state_dict(), **known}, facts))  # sampling reads "ema"


def linear_ends(betas: Tensor, path: Path) -> tuple[int, float, float]:
    """T and the first and last β of a linear schedule's betas [T]. Raises UsageError for another schedule."""
    low, high = (float(f"{float(end):.7g}") for end in (betas[0], betas[-1]))  # undoes the rounding to float32
    straight = torch.linspace(low, high, len(betas), dtype=torch.float64)
    if len(betas) < 2 or not torch.allclose(betas.double(), straight, rtol=1e-3, atol=0):
        raise UsageError(f"{path} was trained with {len(betas)} betas that do not rise in a line; it cannot be a run.")
    return len(betas), low, high


def schedule_of(betas: Tensor, path: Path) -> tuple[str, tuple[float, float] | None]:
    """The name of the schedule with these β [T], and their ends if its ends are free.

    Raises UsageError for β of no schedule that inkwash has by name.
    """
    given, count = betas.double(), len(betas)
    low, high = (float(f"{float(end):.7g}") for end in (given[0], given[-1]))  # undoes the rounding to float32
    known = {"cosine": core.cosine(count), "sigmoid": core.sigmoid(count)}
    if 0 < low < 1 and 0 < high < 1:
        known |= {"linear": core.linear(count, low, high), "scaled-linear": core.scaled_linear(count, low, high)}
    for name, table in known.items():
        if torch.allclose(table.betas, given, rtol=1e-3, atol=1e-7):
            return name, (low, high) if "linear" in name else None
    raise UsageError(
        f"{path} has {count} betas from {low:g} to {high:g} that are of no schedule which inkwash has "
        f"({', '.join(known)}); it cannot be a run."
    )
