"""Signals while the process starts and ends."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

SIGHUP: signal.Signals | None = getattr(signal, "SIGHUP", None)
"""`None` on Windows."""
HELD_SIGNALS = {signal.SIGTERM, signal.SIGINT, *([SIGHUP] if SIGHUP else [])}
"""Those that mean something to the service."""


def obey_early_signals() -> None:
    """Obey SIGTERM and pass over SIGHUP until the server handles them: importing it takes most of a second."""
    pass_over_hangups()
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))


def pass_over_hangups() -> None:
    """Pass over SIGHUP; at the end of a process too, for Python takes its handlers away before it has ended."""
    if SIGHUP is not None:
        signal.signal(SIGHUP, signal.SIG_IGN)


@contextmanager
def hold_signals() -> Iterator[None]:
    """Keep back the signals that mean something, here and in a process that is started meanwhile.

    Here they come when the block ends; there when the process is ready to handle them.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
