"""Where do a training step and a sampling step spend their time, and how far is that from what the machine can do?

    python benchmarks/profile.py [recipe …] [--device cuda] [--precision float32] [--batch 128] [--rounds 5]

For each recipe two tables, of a step of training and of a step of DPM++2M (16 images on a CPU, as `inkwash sample`
draws them; guided halves count as well). Time is that of torch's profiler, operations within others taken out of these,
the median of several steps; arithmetic and bytes are those of the operands of each call, every one touched once. The
least time of a call is the longer of its arithmetic at the fastest rate measured here and its bytes at the rate of a
copy from memory; "ceiling" is the least time of a row's calls over the time they took, and after it stands which of the
two bound. A row of little data may pass 100 %: caches are faster than memory. Ceilings are the best of several, so the
figures of a busy machine are low, by as much as the time of a step exceeds that of the processor. A third table has the
convolutions at the network's own shapes, each alone.

Conditions are made up; captions are read by the recipe's own encoder, which must be here. A step is that of
`inkwash train` without its log: batch, chance, forward, backward, clipping, optimiser and average.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    sys.path.append(sys.path.pop(0))  # this folder last, for what imports the standard library's `profile`

    import argparse
    import statistics
    import time
    from collections import Counter, defaultdict
    from collections.abc import Callable, Iterable
    from typing import Any

    import torch
    from common import PHASE, Call, Steps, best, copying, gemm, ledger, medians, seconds, shape_of, synchronise
    from torch._C._autograd import DeviceType
    from torch.profiler import ProfilerActivity, profile
    from torch.utils.flop_counter import FlopCounterMode

    from inkwash import recipes
    from inkwash.runs import machine

_GROUPS = {  # the first group with a word that the operation's name contains
    "convolution": ("conv",),
    "attention": ("bmm", "softmax", "scaled_dot_product", "flash_attention"),
    "matrix products": ("linear", "mm", "matmul", "dot"),
    "norms": ("_norm", "norm_"),
    "activations": ("silu", "gelu", "relu", "mish", "sigmoid", "tanh"),
    "resampling": ("upsample", "pixel_", "pad"),
    "concatenation": ("cat", "stack"),
    "copies and casts": ("copy", "clone", "contiguous", "::to", "reshape"),
    "sums and products": (
        "::add", "::mul", "::sub", "::div", "::sum", "::mean", "::neg", "::pow", "::rsub", "::where", "::lerp",
        "::clamp", "::square", "::sqrt", "::reciprocal", "::abs",
    ),
}  # fmt: skip
_NEUTRAL = {  # what these are for, what they are called from says
    "empty", "empty_like", "empty_strided", "resize_", "as_strided", "view", "_unsafe_view", "fill_", "zero_", "zeros",
    "zeros_like", "t", "transpose", "select", "permute", "expand", "slice", "narrow", "unsqueeze", "squeeze", "flatten",
}  # fmt: skip
_ENGINE = "autograd::engine::evaluate_function"
_HOST = "Python and autograd itself"
_REST = "the rest"
_PHASES = ("forward", "backward")  # those whose rows are operations; of others the phase is the row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=["mnist"])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    device = machine.device(asked.device)
    peaks = {dtype: gemm(dtype, device) for dtype in (torch.float32, torch.bfloat16)}
    memory = copying(device)
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads, batch {asked.batch}\n")
    print(f"Ceilings: matrix products {peaks[torch.float32] / 1e9:,.0f} GFLOP/s in float32 and", end=" ")
    print(f"{peaks[torch.bfloat16] / 1e9:,.0f} in bfloat16; copying {memory / 1e9:.1f} GB/s.")
    for name in asked.recipes:
        run = recipes.find(name)
        wanted = run.training.precision if asked.precision == "auto" else asked.precision
        precision = {"float32": torch.float32, "bfloat16": torch.bfloat16}.get(wanted)
        precision = precision or machine.precision(run.training, device)
        lanes = 16 if device.type == "cpu" else 64
        steps = Steps(run, shape_of(run), precision, device, asked.batch, lanes)
        print(f"\n## {name}: {steps.parameters:,} parameters, {steps.shape}, {str(precision).removeprefix('torch.')}")
        calls = ledger(steps.train)
        checked(calls, steps)
        shown = convolutions(calls, precision, device)
        fastest = {**peaks, precision: max([peaks[precision], *(each.forward for each in shown)])}
        for title, work in (("A step of training", steps.train), (f"A step of sampling, {lanes} images", steps.edge())):
            table(title, work, device, asked.rounds, fastest, memory)
        alone(shown)


def checked(calls: list[Call], steps: Steps) -> None:
    """Raises SystemExit unless torch's own counter, and a formula for convolutions, count the same arithmetic."""
    with FlopCounterMode(display=False) as counter:
        steps.train()
    total = sum(call.flop for call in calls)
    ours = sum(call.flop for call in calls if call.args)
    formula = 0
    for call in calls:
        if call.args:
            (B, _, height, width), (out, within, *kernel), stride, padding, *_ = call.args
            down, across = (
                (n + 2 * p - k) // s + 1 for n, p, k, s in zip((height, width), padding, kernel, stride, strict=True)
            )
            formula += 2 * B * down * across * out * within * kernel[0] * kernel[1]
    if counter.get_total_flops() != total or ours != formula:
        sys.exit(f"arithmetic is counted wrongly: {total}, {counter.get_total_flops()}; {ours}, {formula}")


class Row:
    """What a group of operations took in one step: seconds, and by the ledger arithmetic, bytes and least time."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.flop = self.bytes = 0
        self.least = self.by_flop = 0.0


def table(
    title: str,
    work: Callable[[], None],
    device: torch.device,
    rounds: int,
    peaks: dict[torch.dtype, float],
    memory: float,
) -> None:
    """Prints where a step's time goes."""
    wall, cpu = plain(work, device, rounds)
    rows: dict[str, Row] = defaultdict(Row)
    for i in range(rounds + 1):
        taken = profiled(work, device)
        for group, took in taken.items() if i else ():
            rows[group].seconds.append(took)
    for call in ledger(work):
        row = rows[group_of(call.name, call.phase) or labelled(_REST, call.phase)]
        by_flop, by_bytes = call.flop / peaks[call.dtype if call.dtype in peaks else torch.float32], call.bytes / memory
        row.flop, row.bytes = row.flop + call.flop, row.bytes + call.bytes
        row.least, row.by_flop = row.least + max(by_flop, by_bytes), row.by_flop + by_flop * (by_flop > by_bytes)
    times = {group: statistics.median(row.seconds) if row.seconds else 0.0 for group, row in rows.items()}
    total = sum(times.values())
    print(f"\n{title}: {wall * 1e3:.1f} ms ({cpu * 1e3:.1f} ms of CPU); {total * 1e3:.1f} ms under the profiler\n")
    print("| operations | ms | share | GFLOP | GB | GFLOP/s | GB/s | ceiling | bound by |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|---|")
    whole = Row()
    for group in sorted(rows, key=lambda group: -times[group]):
        show(group, rows[group], times[group], total)
        whole.flop, whole.bytes = whole.flop + rows[group].flop, whole.bytes + rows[group].bytes
        whole.least, whole.by_flop = whole.least + rows[group].least, whole.by_flop + rows[group].by_flop
    show("**all**", whole, total, total)


def show(name: str, row: Row, took: float, total: float) -> None:
    took = max(took, 1e-9)
    figures = [f"{took * 1e3:.1f}", f"{took / total:.1%}", f"{row.flop / 1e9:.2f}", f"{row.bytes / 1e9:.3f}"]
    figures += [f"{row.flop / took / 1e9:,.0f}" if row.flop else "", f"{row.bytes / took / 1e9:.1f}"]
    bound = "arithmetic" if row.by_flop > row.least / 2 else "memory"
    figures += [f"{row.least / took:.0%}", bound] if row.least else ["", ""]
    print(f"| {name} | " + " | ".join(figures) + " |")


def plain(work: Callable[[], None], device: torch.device, rounds: int) -> tuple[float, float]:
    """Median seconds of a step without the profiler, and of the processor's own time in it."""
    own: list[float] = []

    def timed() -> None:
        began = time.process_time()
        work()
        own.append(time.process_time() - began)

    (wall,) = medians([timed], device, rounds)
    return wall, statistics.median(own[-rounds:])


def profiled(work: Callable[[], None], device: torch.device) -> dict[str, float]:
    """Seconds of each group of operations in one step."""
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=activities, acc_events=True) as recorded:
        wall = seconds(work, device)
    taken: dict[str, float] = defaultdict(float)
    for event in recorded.events():
        if event.device_type != DeviceType.CPU:
            continue
        own = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        group = attributed(event)
        if own > 0 and group is not None:
            taken[group] += own / 1e6
    if on_gpu:
        taken["the GPU waits"] = max(0.0, wall - sum(taken.values()))
    return taken


def attributed(event: Any) -> str | None:
    """The group of an event: that of its own name or of the nearest above it that has one; None outside a step."""
    above = [event]
    while above[-1].cpu_parent is not None:
        above.append(above[-1].cpu_parent)
    names = [each.name for each in above]
    phase = next((name.removeprefix(PHASE) for name in names if name.startswith(PHASE)), "")
    if any(name.startswith(_ENGINE) for name in names):
        phase = "backward"  # on a GPU it has a thread of its own
    if not phase:
        return None
    if phase in _PHASES and (names[0].startswith((PHASE, _ENGINE)) or "Backward" in names[0]):
        return labelled(_HOST, phase)
    for name in names:
        group = group_of(name, phase)
        if group is not None:
            return group
        if name.removeprefix("aten::") not in _NEUTRAL:
            break
    return labelled(_REST, phase)


def group_of(name: str, phase: str) -> str | None:
    """The group that an operation's name says; None if it says none."""
    if phase not in _PHASES:
        return phase or None
    if not name.startswith("aten::"):
        return None
    for group, words in _GROUPS.items():
        if any(word in name for word in words):
            return labelled(group, phase)
    return None


def labelled(group: str, phase: str) -> str:
    if phase not in _PHASES:
        return phase or group
    return f"{group}, {phase}"


class Alone:
    """A convolution by itself: how often a step has it, its arithmetic, and FLOP/s of it and of its gradient."""

    def __init__(self, args: tuple[Any, ...], calls: int, flop: int, forward: float, gradient: float) -> None:
        self.args, self.calls, self.flop, self.forward, self.gradient = args, calls, flop, forward, gradient


def convolutions(calls: Iterable[Call], precision: torch.dtype, device: torch.device) -> list[Alone]:
    """The convolutions of a step, each measured alone in channels_last."""
    counted = Counter((call.args, call.flop) for call in calls if call.args)
    return [measured(args, count, flop, precision, device) for (args, flop), count in counted.items()]


def measured(args: tuple[Any, ...], count: int, flop: int, precision: torch.dtype, device: torch.device) -> Alone:
    within, kernel, stride, padding, dilation, *_ = args
    x, weight = (
        torch.randn(sides, dtype=precision, device=device).contiguous(memory_format=torch.channels_last)
        for sides in (within, kernel)
    )
    bias, groups = torch.zeros(kernel[0], dtype=precision, device=device), within[1] // kernel[1]
    with torch.no_grad():
        y = torch.convolution(x, weight, bias, stride, padding, dilation, False, [0, 0], groups)
        forward = best(
            lambda: torch.convolution(x, weight, bias, stride, padding, dilation, False, [0, 0], groups), device, 5
        )
        gradient = best(
            lambda: torch.ops.aten.convolution_backward(
                y, x, weight, [kernel[0]], stride, padding, dilation, False, [0, 0], groups, [True, True, True]
            ),
            device,
            5,
        )
    synchronise(device)
    return Alone(args, count, flop, flop / forward, 2 * flop / gradient)


def alone(shown: list[Alone]) -> None:
    """Prints the convolutions by themselves."""
    print("\n| convolution | calls | GFLOP | GFLOP/s alone | its gradient's |\n|---|--:|--:|--:|--:|")
    for each in sorted(shown, key=lambda each: -each.calls * each.flop):
        (B, C, height, width), (out, _, k, _), stride, *_ = each.args
        name = f"{B}×{C}×{height}×{width} → {out}, {k}×{k}" + (f", stride {stride[0]}" if stride[0] > 1 else "")
        print(f"| {name} | {each.calls} | {each.flop / 1e9:.2f}", end="")
        print(f" | {each.forward / 1e9:,.0f} | {each.gradient / 1e9:,.0f} |")
    forward = sum(each.calls * each.flop / each.forward for each in shown)
    gradient = sum(each.calls * 2 * each.flop / each.gradient for each in shown)
    print(f"\nAll by themselves: {forward * 1e3:.1f} ms forward, {gradient * 1e3:.1f} ms for the gradients.")


if __name__ == "__main__":
    main()
else:  # a script beside this one imports cProfile, which imports the standard library's `profile`
    import importlib.util
    import sysconfig

    found = importlib.util.spec_from_file_location(__name__, sysconfig.get_path("stdlib") + "/profile.py")
    assert found is not None
    assert found.loader is not None
    sys.modules[__name__] = importlib.util.module_from_spec(found)
    found.loader.exec_module(sys.modules[__name__])
