"""Where log lines are written: a stream, and files that are rotated, opened anew, and outlast a full disk."""

import logging
import sys
import time
from logging.handlers import RotatingFileHandler, WatchedFileHandler
from pathlib import Path
from typing import TextIO

from fashion_api.settings import Settings

logger = logging.getLogger(__name__)

_REPORT_S = 60.0


def count_lines(record: logging.LogRecord) -> int:
    """Count the lines that a record is written as: requests that were logged together are a line each."""
    return max(1, len(getattr(record, "requests", ())))


class _Enduring(logging.Handler):
    """Counts the lines that cannot be written, and reports them once a minute and when lines can be written again."""

    name_in_log: str
    _lost = 0
    _report_at = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        lost = self._lost
        super().emit(record)
        if lost and self._lost == lost:
            self._lost, self._report_at = 0, 0.0
            logger.warning("%s can be written again; %d log lines were lost", self.name_in_log, lost)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's own name
        """Count a record that could not be written."""
        error = sys.exc_info()[1]
        self._lost += count_lines(record)
        self.close_stream()
        if time.monotonic() >= self._report_at:
            self._report_at = time.monotonic() + _REPORT_S
            reason = (error.strerror if isinstance(error, OSError) else None) or repr(error)
            logger.error("%s cannot be written: %s (log lines lost: %d)", self.name_in_log, reason, self._lost)

    def close_stream(self) -> None:
        """Close the file, if it is one, so that the next line opens it anew."""


class LogStream(_Enduring, logging.StreamHandler[TextIO]):
    """Writes to a stream, mostly standard error."""

    name_in_log = "standard error"


class _LogFile(_Enduring, logging.FileHandler):
    """What both kinds of log file have in common."""

    def __init__(self, path: Path, settings: Settings) -> None:
        super().__init__(  # type: ignore[call-arg]  # those of the rotating handlers
            path,
            maxBytes=settings.log_file_max_bytes,
            backupCount=settings.log_file_backups,
            encoding="utf-8",
        )
        self.name_in_log = f"the log file {path}"

    def emit(self, record: logging.LogRecord) -> None:
        try:
            Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
            self.reopen_if_moved()
        except OSError:
            self.handleError(record)
            return
        super().emit(record)

    def reopen_if_moved(self) -> None:
        """Open the file anew where it was moved or removed."""

    def close_stream(self) -> None:
        stream, self.stream = self.stream, None
        if stream is not None:
            try:
                stream.close()
            except OSError:  # the disk is full: what the stream holds back is lost
                return


class LogFile(_LogFile, RotatingFileHandler, WatchedFileHandler):
    """A log file of one process."""

    dev = ino = -1  # of the file that is open; the first line sets them

    def reopen_if_moved(self) -> None:
        """Compare the open file with the one of its name, as the standard library does it."""
        self.reopenIfNeeded()


def open_log_file(path: Path, settings: Settings) -> logging.Handler:
    """Open a log file; where there are several workers, one that processes share, which takes a lock for each line.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if settings.workers == 1:
        return LogFile(path, settings)
    from concurrent_log_handler import ConcurrentRotatingFileHandler  # noqa: PLC0415  # most services do not need it

    class SharedLogFile(_LogFile, ConcurrentRotatingFileHandler):  # type: ignore[misc]  # ships no types
        """A log file of several processes; it finds by itself that the file was moved."""

    return SharedLogFile(path, settings)
