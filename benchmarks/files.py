"""Through how many of inkwash's files a command runs: those in which a function is called, importing apart.

python benchmarks/files.py sample runs/demo --steps 10
"""

import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import inkwash

ROOT = str(Path(inkwash.__file__).parent)


class Called:
    """Notes the files of inkwash in which functions are called."""

    def __init__(self) -> None:
        self.files: set[str] = set()

    def __call__(self, frame: FrameType, event: str, arg: Any) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(ROOT) and file not in self.files and not _importing(frame):
            self.files.add(file)


def _importing(frame: FrameType | None) -> bool:
    """Whether a frame is, or was called by, the body of one of inkwash's modules, as it is imported."""
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_code.co_filename.startswith(ROOT):
            return True
        frame = frame.f_back
    return False


def main(args: list[str]) -> None:
    """Runs the command, then prints the files and their number."""
    called = Called()
    threading.setprofile(called)
    sys.setprofile(called)
    from inkwash.cli import main as command

    try:
        command(args)
    except SystemExit as ended:
        if ended.code:
            raise
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    for file in sorted(called.files):
        print(Path(file).relative_to(ROOT))
    print(f"{len(called.files)} files")


if __name__ == "__main__":
    main(sys.argv[1:])
