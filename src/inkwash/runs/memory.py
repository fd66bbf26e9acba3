"""What a request needs at the least, and what this machine has: what cannot fit is refused before it is begun."""

import contextlib
import os
from pathlib import Path

import torch

from inkwash.errors import UsageError

_CGROUP = Path("/sys/fs/cgroup/memory.max")


def check(needed: int, device: torch.device, what: str, advice: str) -> None:
    """Raises UsageError if `what` needs more bytes than the device has in all, even if nothing else used it.

    `needed` is a lower bound, so nothing is refused that could be computed.
    """
    there = total(device)
    if there is not None and needed > there:
        raise UsageError(
            f"at least {_size(needed)} of memory are needed for {what}, and this "
            f"{'machine' if device.type == 'cpu' else 'GPU'} has {_size(there)}; {advice}."
        )


def total(device: torch.device) -> int | None:
    """The memory of a device in bytes, for this process; None if it is not known."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    found = []
    if hasattr(os, "sysconf") and {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= os.sysconf_names.keys():
        found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with contextlib.suppress(OSError, ValueError):  # outside of a container; "max" is no number, and no limit
        found.append(int(_CGROUP.read_text(encoding="ascii")))
    return min(found, default=None)


def _size(count: int) -> str:
    return f"{count / 2**30:,.3g} GiB" if count < 2**50 else f"{count / 2**40:,.0f} TiB"
