"""Silence where libraries would talk to the user."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Inside, what transformers logs, warns of and shows, also while it is imported, is kept from the user.

    Raises ImportError where it is not installed.
    """
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import transformers

            theirs = transformers.utils.logging
            bars = theirs.is_progress_bar_enabled()
            theirs.disable_progress_bar()
            try:
                yield
            finally:
                if bars:
                    theirs.enable_progress_bar()
    finally:
        logging.disable(before)
