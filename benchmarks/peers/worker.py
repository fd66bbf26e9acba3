"""One system in a process of its own: holds its network, and computes only when told to.

    python worker.py '{"system": …}'

Runs in the system's own environment. Answers each line of JSON on stdin with one on stdout; whatever else is printed
goes to stderr. Each `with_*.py` has a `System(asked)` with

    network               what trains
    sampled()             what `draw` asks, whose calls are counted
    evaluate(x, device)   one forward pass, for its arithmetic
    train(steps)          trains so many steps or a few more -> images
    draw(n, steps)        uint8 [n,H,W], from the averaged weights
"""

import importlib
import importlib.metadata
import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # peers may print what they like
    asked = json.loads(sys.argv[1])
    torch.set_num_threads(asked["threads"])
    torch.manual_seed(0)
    standin = asked["standin"] and importlib.util.find_spec("torchvision") is None
    if standin:
        sys.path.append(str(Path(__file__).parent / "standin"))
    system = importlib.import_module(f"with_{asked['system'].replace('-', '_')}").System(asked)
    say(answers, {**facts(system, asked), "standin": standin})
    for line in sys.stdin:
        say(answers, obey(system, json.loads(line)))


def say(answers: Any, told: dict[str, Any]) -> None:
    answers.write(json.dumps(told) + "\n")
    answers.flush()


def facts(system: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """Parameters, floating-point operations of one image's forward pass, and versions."""
    device = next(system.network.parameters()).device
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        system.evaluate(torch.zeros(1, 1, 28, 28, device=device), device)
    parameters = sum(parameter.numel() for parameter in system.network.parameters())
    named = [package.partition("==")[0] for package in asked["packages"]]
    versions = {name: importlib.metadata.version(name) for name in named}
    return {
        "parameters": parameters, "flops": counter.get_total_flops(), "versions": versions,
        "torch": torch.__version__, "device": str(device), "precision": getattr(system, "precision", None),
    }  # fmt: skip


def obey(system: Any, command: dict[str, Any]) -> dict[str, Any]:
    """What a command did, with the seconds that it took and the cores that this process had meanwhile."""
    cpu, wall = time.process_time(), time.perf_counter()
    told = done(system, command)
    return {**told, "cores": (time.process_time() - cpu) / (time.perf_counter() - wall)}


def done(system: Any, command: dict[str, Any]) -> dict[str, Any]:
    if command["do"] == "draw":
        return draw(system, **{name: value for name, value in command.items() if name != "do"})
    wait()
    began, images, steps = time.perf_counter(), 0, 0
    if command["do"] == "train":
        images, steps = system.train(command["steps"]), command["steps"]
    else:
        while time.perf_counter() - began < command["seconds"]:
            images, steps = images + system.train(1), steps + 1
    wait()
    return {"images": images, "steps": steps, "seconds": time.perf_counter() - began}


def draw(system: Any, n: int, steps: int, batch: int, out: str | None = None) -> dict[str, Any]:
    """Draws n images in batches, counts what the network was asked for, and keeps the images in `out`."""
    seen: list[int] = []
    handle = system.sampled().register_forward_hook(lambda module, args, output: seen.append(len(args[0])))
    wait()
    began = time.perf_counter()
    drawn = [system.draw(min(batch, n - start), steps) for start in range(0, n, batch)]
    wait()
    seconds = time.perf_counter() - began
    handle.remove()
    if out is not None:
        np.savez_compressed(out, images=np.concatenate(drawn)[..., None])
    return {"images": n, "seconds": seconds, "evaluations": sum(seen) / n}


def wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def to_uint8(images: Any) -> Any:
    """[N,1,H,W] of torch in [0, 1] -> uint8 [N,H,W] of numpy."""
    return (images[:, 0].float().clamp(0, 1) * 255).round().byte().cpu().numpy()


if __name__ == "__main__":
    main()
