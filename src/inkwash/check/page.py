"""A page as Python has it: imported, its classes made with a network in them, and its errors told with their lines."""

import ast
import inspect
import sys
import traceback
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from inkwash.check.call import Exact
from inkwash.check.case import SIDE
from inkwash.core import linear
from inkwash.errors import UsageError

MODES = {
    "pred_noise": "eps", "epsilon": "eps", "eps": "eps", "noise": "eps",
    "pred_x_start": "x0", "pred_x0": "x0", "x_start": "x0", "x0": "x0", "sample": "x0",
    "v": "v", "v_prediction": "v", "pred_v": "v", "velocity": "v",
}  # fmt: skip
OBJECTIVES = ("objective", "prediction", "prediction_type", "parameterization", "pred_type")


def load(path: Path) -> ModuleType:
    """Imports the page; its own folder is searched for what it imports. Raises UsageError if it cannot be."""
    spec = spec_from_file_location(f"inkwash_checked_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is no Python file; give one that ends in .py.")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    sys.path.insert(0, str(path.parent.resolve()))
    before = set(sys.modules)
    try:
        spec.loader.exec_module(module)
    except SystemExit as error:
        raise UsageError(
            f"{path} ended the program when it was imported (exit code {error.code}); put what runs under "
            "`if __name__ == '__main__':`."
        ) from error
    except SyntaxError as error:
        raise UsageError(f"{error.filename}, line {error.lineno}: SyntaxError: {error.msg}.") from error
    except Exception as error:
        raise UsageError(f"{path} cannot be imported: {told(error, path)}") from error
    finally:
        sys.path.remove(str(path.parent.resolve()))
        sys.modules.pop(spec.name, None)
        for name in set(sys.modules) - before:  # plain names, such as unet, that another page may have too
            if Path(getattr(sys.modules[name], "__file__", None) or "/").parent == path.parent.resolve():
                del sys.modules[name]
    return module


def modes_of(cls: type, path: Path) -> list[tuple[str, str]]:
    """What a network of the class may predict: (the constructor's word, eps, x0 or v), its default first."""
    parameters = inspect.signature(cls).parameters
    name = next((name for name in OBJECTIVES if name in parameters), None)
    if name is None:
        return [("", "eps")]
    default = parameters[name].default
    words = _distinguished(ast.parse(path.read_text(encoding="utf-8")))
    modes: dict[str, str] = {}
    for word in [default, *words]:
        if isinstance(word, str) and word in MODES and MODES[word] not in modes.values():
            modes[word] = MODES[word]
    return list(modes.items()) or [("", "eps")]


def _distinguished(tree: ast.AST) -> list[str]:
    """The strings that a page compares with, looks up in a dict or matches, in its order."""
    places: list[ast.AST | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            places += [node.left, *node.comparators]
        elif isinstance(node, ast.Dict):
            places += node.keys
        elif isinstance(node, ast.MatchValue):
            places.append(node.value)
    parts = [each for place in places if place is not None for each in (place, *getattr(place, "elts", ()))]
    return [each.value for each in parts if isinstance(each, ast.Constant) and isinstance(each.value, str)]


def make(cls: type, network: Exact, mode: str) -> Any:
    """An object of the class, with the exact network where it takes one."""
    offered: dict[str, Any] = {"image_size": SIDE, "channels": SIDE, "image_channels": SIDE, "device": "cpu"}
    offered |= {"img_size": (SIDE, SIDE), "img_channels": SIDE, "num_classes": 10, "betas": linear(1000).betas.numpy()}
    offered |= dict.fromkeys(("model", "network", "net", "unet", "eps_model", "denoise_fn", "denoiser"), network)
    offered |= dict.fromkeys(("timesteps", "n_steps", "num_timesteps", "T", "steps", "num_train_timesteps"), 1000)
    given: dict[str, Any] = {}
    for name, each in inspect.signature(cls).parameters.items():
        if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            continue
        if name in OBJECTIVES and mode:
            given[name] = mode
        elif name == "device" or (each.default in (each.empty, None) and name in offered):
            given[name] = offered[name]
        elif each.default is each.empty:
            raise TypeError(f"its argument {name} is not understood; give it a default")
    made = cls(**given)
    return made.eval() if isinstance(made, torch.nn.Module) else made


def told(error: BaseException, path: Path) -> str:
    """The error with the last line of the page that it passed."""
    if isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error):
        return "the memory ran out."
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__)
             if Path(frame.f_code.co_filename).name == path.name]  # fmt: skip
    first = next(iter(str(error).strip().splitlines()), "").rstrip(".")[:300]
    where = f"line {lines[-1]}: " if lines else ""
    return f"{where}{type(error).__name__}{f': {first}' if first else ''}."
