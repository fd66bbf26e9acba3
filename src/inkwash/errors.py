"""The errors a user may meet: each says what was given, what was expected, and what to do next.

A message names an argument in backticks, as a Python caller gives it: "`batch_size` must be at least 1 (got 0).",
"take `device='cpu'`.". The command line prints such names as flags: --batch-size, --device cpu.
"""


class InkwashError(Exception):
    """A request in order failed on the way. The command line prints the sentence and exits with 1."""

    exit_code = 1


class Stopped(InkwashError):
    """The work was interrupted, and what was finished is on disk: the same request goes on from there.

    The command line adds the line to type.
    """


class UsageError(InkwashError):
    """The request cannot be carried out as it was made. The command line prints the sentence and exits with 2."""

    exit_code = 2
