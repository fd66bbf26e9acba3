"""Signals that wait, and the processes that are started meanwhile."""

import os
import signal
import subprocess
import sys
from threading import Thread

import pytest

from inkwash.signals import postponing


def test_a_signal_waits_for_the_end() -> None:
    done = []

    def work() -> None:
        with postponing(signal.SIGINT):
            os.kill(os.getpid(), signal.SIGINT)
            done.append("went on")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["went on"]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)  # as before


def test_without_a_signal_nothing_happens() -> None:
    before = signal.getsignal(signal.SIGINT), signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with postponing(signal.SIGINT):
        pass
    assert (signal.getsignal(signal.SIGINT), signal.pthread_sigmask(signal.SIG_BLOCK, [])) == before


def test_one_that_another_thread_receives_waits_too() -> None:
    """As with torch's threads, which do not block it."""

    done = []

    def receive() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        os.kill(os.getpid(), signal.SIGINT)

    def work() -> None:
        with postponing(signal.SIGINT):
            thread = Thread(target=receive)
            thread.start()
            thread.join()
            done.append("went on")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["went on"]


def test_an_error_inside_is_not_hidden() -> None:
    with pytest.raises(ValueError, match="mine"), postponing(signal.SIGINT):
        raise ValueError("mine")


def test_a_process_that_is_started_inside_does_not_get_it() -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGINT); print('alive')"
    with postponing(signal.SIGINT):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "alive\n"
