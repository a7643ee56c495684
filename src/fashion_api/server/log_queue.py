"""Logging that keeps no one waiting: lines go through a bounded queue to a thread that writes them."""

import atexit
import copy
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from logging.handlers import QueueHandler, QueueListener
from queue import SimpleQueue

from fashion_api.server.log_destinations import count_lines

logger = logging.getLogger(__name__)

MAX_WAITING_LINES = 20_000
_FORMATTER = logging.Formatter()
_FLUSH_S = 1.0
_REPORT_S = 60.0  # between two reports of dropped lines, while lines are dropped all the time


class LogQueue(QueueHandler):
    """A bounded queue in front of one destination; what does not fit is dropped, counted, and reported there.

    Each destination has a queue of its own, so that one which stands still holds up no other.
    """

    def __init__(self, destination: logging.Handler, *, max_lines: int = MAX_WAITING_LINES) -> None:
        items: SimpleQueue[object] = SimpleQueue()  # a signal handler may log too, which other queues do not allow
        super().__init__(items)
        self._items = items
        self._destination = destination
        self._max_lines = max_lines
        self._taken = 0  # counts up under this handler's lock, and the others in one thread each: no further lock
        self._dropped = 0
        self._writer = _Writer(items, destination, self._report)
        self._reported = 0
        self._reported_at = -_REPORT_S
        self._writer.start()

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Copy a record, with its arguments and its traceback written out: they may change until it is written."""
        record = copy.copy(record)
        record.msg, record.args = record.getMessage(), None
        if record.exc_info:
            record.exc_text, record.exc_info = _FORMATTER.formatException(record.exc_info), None
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Take a record in, or drop it where too many lines wait."""
        lines = count_lines(record)
        if self._taken - self._writer.written + lines > self._max_lines:
            self._dropped += lines
            return
        self._taken += lines
        self._items.put(record)

    def call(self, action: Callable[[], object]) -> None:
        """Have the writing thread call `action` once all that was taken in is written."""
        self._items.put(action)

    def reopen(self) -> None:
        """Have the destination opened anew, where it is a file."""
        close = getattr(self._destination, "close_stream", None)
        if close is not None:
            self.call(close)

    def _report(self) -> None:
        """Log how many lines were dropped, as soon as there is room again; called after each record."""
        dropped, now = self._dropped, time.monotonic()
        has_room = self._writer.written == self._taken
        if dropped == self._reported or not (has_room or now >= self._reported_at + _REPORT_S):
            return
        message = "%d log lines were dropped: they could not be written as fast as they came"
        arguments = (dropped - self._reported,)
        self._reported, self._reported_at = dropped, now
        record = logger.makeRecord(logger.name, logging.WARNING, __file__, 0, message, arguments, None)
        self._destination.handle(record)


class _Writer(QueueListener):
    """Writes what comes out of a queue, and calls what is callable."""

    def __init__(self, items: SimpleQueue[object], destination: logging.Handler, report: Callable[[], None]) -> None:
        super().__init__(items, destination)
        self.written = 0
        self._report = report

    def handle(self, item: object) -> None:
        if not isinstance(item, logging.LogRecord):
            if callable(item):
                item()
            return
        super().handle(item)
        self.written += count_lines(item)
        vars(item).pop("requests", None)  # the base class keeps a record until the next one
        self._report()


def queue_log_lines(*, max_lines: int = MAX_WAITING_LINES) -> None:
    """Put a queue in front of each of the root logger's handlers; doing it twice changes nothing.

    The queues are flushed when the process ends. Where that is impossible, since nobody reads standard error, the
    process ends with status 1.
    """
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if not isinstance(handler, LogQueue):
            root.removeHandler(handler)
            root.addHandler(LogQueue(handler, max_lines=max_lines))
    atexit.unregister(_flush_at_exit)
    atexit.register(_flush_at_exit)


def reopen_log_files() -> None:
    """Have the log files opened anew; returns at once."""
    for queue in _find_queues():
        queue.reopen()


def flush_log_queues(timeout_s: float = _FLUSH_S) -> bool:
    """Wait until all lines are written, and what writing them gave rise to; gives whether they are."""
    deadline = time.monotonic() + timeout_s
    for _ in range(2):
        written = []
        for queue in _find_queues():
            event = threading.Event()
            queue.call(event.set)
            written.append(event)
        if not all(event.wait(max(0.0, deadline - time.monotonic())) for event in written):
            return False
    return True


def exit_at_once(status: int) -> None:
    """End the process without waiting for any thread; what was logged is written first, if that takes no second."""
    flush_log_queues(_FLUSH_S / 4)
    os._exit(status)


def _flush_at_exit() -> None:
    if not flush_log_queues():
        os._exit(1)  # else Python would wait for the stream that the writing thread waits for
    _give_up_unwritten()


def _give_up_unwritten() -> None:
    """Send what standard error does not take to nowhere; Python would end with status 120 for it."""
    try:
        sys.stderr.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stderr.fileno())
        os.close(nowhere)


def _find_queues() -> list[LogQueue]:
    return [handler for handler in logging.getLogger().handlers if isinstance(handler, LogQueue)]
