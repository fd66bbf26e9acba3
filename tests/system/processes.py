"""The command line as a person meets it: one process a command."""

import os
import subprocess
import sys
from pathlib import Path

Done = subprocess.CompletedProcess[str]

# a network of some thousand parameters, so that a step takes milliseconds
TINY = ("--channels", "8", "--batch-size", "16", "--precision", "float32", "--device", "cpu")


def start(*args: object, torchrun: int = 0) -> subprocess.Popen[str]:
    """`inkwash ARGS` begun, in a process group of its own."""
    before = [str(Path(sys.executable).with_name("torchrun")), "--nproc-per-node", str(torchrun)] if torchrun else []
    line = [*(before or [sys.executable]), "-m", "inkwash", *map(str, args)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )


def finish(process: subprocess.Popen[str]) -> Done:
    out, err = process.communicate(timeout=240)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)
