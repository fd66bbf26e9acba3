"""Devices, number formats and compilers for networks on this machine."""

import os
from shutil import which

import torch
from torch import nn

from inkwash import settings
from inkwash.errors import UsageError


def precision(training: settings.Training, device: torch.device) -> torch.dtype:
    """float32, or bfloat16 if requested or if "auto" finds that the processor supports it."""
    if training.precision != "auto":
        return torch.bfloat16 if training.precision == "bfloat16" else torch.float32
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    has = device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if has else torch.float32


def device(wanted: str) -> torch.device:
    """The device called `name`, or the fastest one for "auto". Raises UsageError if it is not available."""
    there = devices()
    if wanted != "auto" and wanted not in there:
        found = ", ".join(there)
        raise UsageError(f"this machine has no {wanted} that torch can use (found: {found}); choose `device='auto'`.")
    return torch.device(there[0] if wanted == "auto" else wanted)


def devices() -> list[str]:
    """The devices available to torch, the fastest first."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return [name for name, found in there.items() if found]


def cast_weights(net: nn.Module, precision: torch.dtype) -> None:
    """Casts the weights that autocast would cast at every call to `precision` once. For sampling; results are equal."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.to(precision)


def compile_network(net: nn.Module, compiled: settings.Compile, device: torch.device) -> None:
    """Compiles a network in place, if requested, without renaming its weights. The first call takes a minute or more.

    Raises UsageError if CUDA graphs are requested without CUDA, or if there is no compiler for the CPU.
    """
    if compiled == "no":
        return
    if compiled == "graphs" and device.type != "cuda":
        raise UsageError(f"`compile='graphs'` needs a CUDA device (this is {device.type}); take `compile='yes'`.")
    if device.type == "cpu" and not any(which(name) for name in (os.environ.get("CXX", ""), "g++", "clang++", "cl")):
        raise UsageError("torch.compile on a CPU needs a C++ compiler, such as g++; install one, or leave it out.")
    net.compile(mode="reduce-overhead" if compiled == "graphs" else "default")
