"""Many clients of one server: python benchmarks/serve.py --clients 50 --seconds 180.

Each asks for images of mixed sizes, one request after the other, and compares each answer with the picture drawn alone.
Printed: requests, images a second beside those of one client that asks for 64 at a time, refusals, wrong pictures, the
slowest answer, and the growth of memory.
"""

import argparse
import io
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import requests

from inkwash import load

ROWS = "inkwash_network_rows_total"

KINDS: list[dict[str, Any]] = [
    {"n": n, "label": label, "steps": steps, "solver": solver, "seed": seed}
    for n, label, steps, solver, seed in (
        (1, "7", 20, "ddim", 0), (4, "3", 10, "ddpm", 1), (16, "all", 20, "dpmpp2m", 2), (2, "0", 50, "ddim", 3),
        (8, "5", 5, "heun", 4), (3, "9", 12, "dpmpp2m", 5),
    )
]  # fmt: skip


def memory(pid: int) -> float:
    """MiB in memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def counters(at: str) -> dict[str, float]:
    """The server's metrics by name."""
    lines = requests.get(f"{at}/metrics", timeout=30).text.splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def main(clients: int, seconds: float, queue: int) -> None:
    line = [sys.executable, "-m", "inkwash", "play", "--no-open", "--port", "0", "--queue", str(queue)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        site = server.stdout.readline().strip().rstrip("/")
        while True:
            try:
                requests.get(f"{site}/health", timeout=5)
                break
            except requests.RequestException:
                time.sleep(0.2)
        try:
            measure(site, server.pid, clients, seconds)
        finally:
            server.terminate()


def measure(site: str, pid: int, clients: int, seconds: float) -> None:
    at = f"{site}/v1/images"
    run = load("mnist-class", device="cpu")
    alone = []
    for kind in KINDS:
        given = {name: value for name, value in kind.items() if name != "n"}
        if kind["solver"] == "heun":
            given["spacing"] = "karras"
        alone.append(np.asarray(run.sample(kind["n"], **given, progress=False)))
    began = time.perf_counter()
    requests.post(at, json={"n": 64, "label": "7", "steps": 20, "format": "npz"}, timeout=300)
    alone_speed = counters(site)[ROWS] / (time.perf_counter() - began)
    totals = {"answers": 0, "images": 0, "refused": 0, "wrong": 0, "lost": 0, "slowest": 0.0}
    lock, end, before = threading.Lock(), time.perf_counter() + seconds, memory(pid)
    marks = [before]

    def client(number: int) -> None:
        chance = random.Random(number)
        while time.perf_counter() < end:
            i = chance.randrange(len(KINDS))
            asked = time.perf_counter()
            try:
                answer = requests.post(at, json={**KINDS[i], "format": "npz"}, timeout=300)
            except requests.RequestException:
                with lock:
                    totals["lost"] += 1
                continue
            if answer.status_code == 429:
                with lock:
                    totals["refused"] += 1
                time.sleep(min(5, int(answer.headers["retry-after"])))
                continue
            same = answer.status_code == 200 and bool(
                np.array_equal(np.load(io.BytesIO(answer.content))["images"], alone[i])
            )
            with lock:
                totals["answers"] += 1
                totals["images"] += KINDS[i]["n"]
                totals["wrong"] += not same
                totals["slowest"] = max(totals["slowest"], time.perf_counter() - asked)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    state = counters(site)
    began = time.perf_counter()
    for each in threads:
        each.start()
    while any(each.is_alive() for each in threads):
        time.sleep(1)
        marks.append(memory(pid))
    took, after = time.perf_counter() - began, counters(site)
    evaluated, padding = (after[name] - state[name] for name in (ROWS, "inkwash_network_padding_total"))
    print(totals)
    print(f"rows a second: {evaluated / took:.0f}, of one client alone {alone_speed:.0f}")
    print(f"padding: {padding / (evaluated + padding):.0%} of all rows")
    print(f"memory: {before:.0f} MiB before, {marks[len(marks) // 3]:.0f} after a third, {marks[-1]:.0f} at the end")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--queue", type=int, default=64)
    main(**vars(parser.parse_args()))
