"""The program: `inkwash`, and python -m inkwash, for torchrun."""

import os
import signal
import sys
from types import FrameType


def main() -> None:
    """Runs the command line. A Ctrl-C at any moment, also while packages are imported, ends it with one line."""
    came: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        came.append(number)
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored, or handled by a caller
        signal.signal(signal.SIGINT, interrupt)
    try:
        from inkwash.cli import main as run

        run()
    except BaseException as error:
        # packages turn a KeyboardInterrupt in the middle of their import into errors of many kinds
        if not came or isinstance(error, SystemExit):
            raise
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.stderr.write("\ninkwash: stopped.\n")
        sys.stderr.flush()
        os._exit(130)  # what was imported by half may fail in its own ways if the interpreter ends in order


if __name__ == "__main__":  # processes that a study starts import this file too
    main()
