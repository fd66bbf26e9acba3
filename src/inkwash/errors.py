"""The errors a user may meet: each says what was given, what was expected, and what to do next.

A message names an argument in backticks, as a Python caller gives it: "`batch_size` must be at least 1 (got 0).",
"take `device='cpu'`.". The command line prints such names as flags: --batch-size, --device cpu.
"""


class InkwashError(Exception):
    """A valid request failed while it was carried out. The command line prints the message and exits with 1."""

    exit_code = 1


class Stopped(InkwashError):
    """The work was interrupted. Its finished parts are on disk, and the same request continues from there.

    The command line adds the command that continues.
    """


class UsageError(InkwashError):
    """The request is invalid. The command line prints the message and exits with 2."""

    exit_code = 2
