"""Devices, number formats and compilers for networks on this machine."""

import os
from shutil import which

import torch
from torch import nn

from inkwash import settings
from inkwash.checked import references
from inkwash.errors import UsageError

BUSY = 0.7  # load from which other programs count
WORTH = 16_384  # pixels of a batch from which its parts are worth a thread each (8×8 and batches of 128 lost a third)


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


def sharing_note(device: torch.device) -> str | None:
    """A sentence if other programs keep a core busy that this one would compute on; None if all are free.

    The threads of one operation wait for the slowest of them, so a thread that shares its core slows all: with one of
    two cores taken, two threads trained at 43 % of their fair share and one thread at 97 % (benchmarks/busy.py). The
    number of threads changes the last bits of sums, so it is not changed here.
    """
    threads = torch.get_num_threads()
    try:
        load = os.getloadavg()[0]  # runnable threads, a mean over the last minute
    except (OSError, AttributeError):  # there is none on this system
        return None
    free = max(1, round((os.cpu_count() or 1) - load))
    if device.type != "cpu" or load < BUSY or threads <= free:
        return None
    return (
        f"other programs keep about {load:.1f} of {os.cpu_count()} cores busy, and {threads} threads that share cores "
        f"wait for one another; if they go on, this is faster with OMP_NUM_THREADS={free} before the command."
    )


def divisible(run: settings.RunSettings, net: nn.Module, height: int, width: int, device: torch.device) -> bool:
    """Whether threads compute parts of a batch at the same time: see `training.parts.Parts`.

    They may on a CPU, if the network treats each image alone and draws no random numbers, and no code of the user's
    own takes part. torch.compile and `recompute` keep whole batches, and so do small images, where Python's part of
    the time, which threads cannot share, would be the larger one.
    """
    training = run.training
    if device.type != "cpu" or training.compile != "no" or training.recompute or not run.network.per_image:
        return False
    if training.batch_size * height * width < WORTH:
        return False
    return not references(run) and not any(isinstance(part, nn.Dropout) and part.p for part in net.modules())


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
