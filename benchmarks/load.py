"""What `inkwash.load` adds to importing torch: medians over fresh processes, in turn.

python benchmarks/load.py RUN [repeats]
"""

import statistics
import subprocess
import sys
import time

REPEATS = 5


def seconds(code: str) -> float:
    """How long a fresh Python takes for this."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - began


def main(run: str, repeats: int) -> None:
    """Prints the medians."""
    codes = {
        "import inkwash": "import inkwash",
        "import torch": "import torch",
        "import torch, inkwash; inkwash.load(RUN)": f"import torch, inkwash; inkwash.load({run!r}, device='cpu')",
    }
    found: dict[str, list[float]] = {name: [] for name in codes}
    for _ in range(repeats):
        for name, code in codes.items():
            found[name].append(seconds(code))
    medians = {name: statistics.median(times) for name, times in found.items()}
    for name, median in medians.items():
        print(f"{name:44} {median:.3f} s")
    torch, load = list(medians.values())[1:]
    print(f"{'what load adds':44} {load - torch:.3f} s")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else REPEATS)
