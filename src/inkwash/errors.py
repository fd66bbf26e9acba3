"""The errors a user may meet: each says what was given, what was expected, and what to do next."""


class InkwashError(Exception):
    """The work was asked for rightly and failed. The command line prints the sentence and exits with 1."""

    exit_code = 1


class UsageError(InkwashError):
    """What was asked cannot be done as asked. The command line prints the sentence and exits with 2."""

    exit_code = 2
