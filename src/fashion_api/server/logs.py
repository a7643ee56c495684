"""Where log lines go and how they are written."""

import json
import logging
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import numpy as np

from fashion_api.errors import SettingsError
from fashion_api.server.log_destinations import LogStream, open_log_file
from fashion_api.service.events import RequestEvent, Work
from fashion_api.settings import Settings

_MINUTE_S = 60.0
_DATE_FORMAT = "%Y-%m-%dT%H:%M:%S"
_CONTROL_CHARACTERS = {code: f"\\x{code:02x}" for code in (*range(32), 127) if chr(code) not in "\n\t"}


class _TextFormatter(logging.Formatter):
    """One line a record, in UTC; control characters are written out, so that no caller can forge or colour a line.

    A record with `requests`, a list of `RequestEvent`, is a line for each of them.
    """

    def __init__(self, worker: int | None) -> None:
        self._worker = "" if worker is None else f" worker={worker}"
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)-8s %(name)s: %(message)s", _DATE_FORMAT)
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        events: list[RequestEvent] = getattr(record, "requests", [])
        if events:
            source = f"{record.levelname:<8} {record.name}:"
            times = _format_times([event.ended_at_s for event in events])
            return "\n".join([self._format_request(at, source, event) for at, event in zip(times, events, strict=True)])
        line = super().format(record)
        return line if line.isprintable() else line.translate(_CONTROL_CHARACTERS)

    def _format_request(self, at: str, source: str, event: RequestEvent) -> str:
        work, worker = event.work, self._worker
        return (
            f"{at} {source} {event.method} {event.route or '(no route)'} {event.status} {event.duration_ms:.1f} ms "
            f"{event.request_id}{worker}{'' if work is None else _write_work(work)}"
            f"{'' if event.key_name is None else f' key_name={event.key_name}'}"
            f"{'' if event.trace is None else f' trace_id={event.trace.trace_id}'}"
        )


class _JsonFormatter(logging.Formatter):
    """One JSON object a line, in UTC; a record with `requests` is a line for each of them."""

    def __init__(self, worker: int | None) -> None:
        super().__init__()
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        events: list[RequestEvent] = getattr(record, "requests", [])
        if events:
            times = _format_times([event.ended_at_s for event in events])
            described = map(self._describe, events)
            return "\n".join([_write_json(record, at, fields) for at, fields in zip(times, described, strict=True)])
        fields: dict[str, object] = {"message": record.getMessage()}
        if (request_id := getattr(record, "request_id", None)) is not None:
            fields["request_id"] = request_id
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            fields["exc_info"] = record.exc_text
        (at,) = _format_times([record.created])
        return _write_json(record, at, fields)

    def _describe(self, event: RequestEvent) -> dict[str, object]:
        return {
            "message": "request",
            "method": event.method,
            "route": event.route,
            "status": event.status,
            "duration_ms": round(event.duration_ms, 3),
            "request_id": event.request_id,
            **_describe_more(event, self._worker),
        }


def _write_work(work: Work) -> str:
    return f" images={work.images} queue_ms={work.queue_s * 1e3:.2f} compute_ms={work.compute_s * 1e3:.2f}"


def _describe_more(event: RequestEvent, worker: int | None) -> dict[str, object]:
    """Give what there is to say of a request beyond what every request has."""
    described: dict[str, object] = {} if worker is None else {"worker": worker}
    if event.work is not None:
        described["images"] = event.work.images
        described["queue_ms"] = round(event.work.queue_s * 1e3, 2)
        described["compute_ms"] = round(event.work.compute_s * 1e3, 2)
    if event.key_name is not None:
        described["key_name"] = event.key_name
    if event.trace is not None:
        described["trace_id"] = event.trace.trace_id
    return described


def _write_json(record: logging.LogRecord, at: str, fields: dict[str, object]) -> str:
    return json.dumps({"time": at, "level": record.levelname, "logger": record.name, **fields})


def _format_times(times_s: Sequence[float]) -> list[str]:
    """Write times, in seconds since 1970, in UTC; all at once, for one at a time they took a third of a line's time."""
    times = (np.array(times_s) * 1e3).astype("datetime64[ms]")
    written: list[str] = np.datetime_as_string(times, timezone="UTC").tolist()
    return written


class _OneAMinute(logging.Filter):
    """Lets one record a minute of a logger and those below it through: a collector that is away fails all the time."""

    _next_at = -math.inf

    def filter(self, record: logging.LogRecord) -> bool:
        if not super().filter(record):
            return True
        is_due = record.created >= self._next_at
        if is_due:
            self._next_at = record.created + _MINUTE_S
        return is_due


class _DropTwiceTold(logging.Filter):
    """Drops what uvicorn says of a failed start: the app has said why in one line."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        return not message.startswith("Traceback (most recent call last)") and "startup failed" not in message


def configure_logging(settings: Settings, *, stream: TextIO | None = None, worker: int | None = None) -> None:
    """Log to standard error, or `stream`, and to the settings' file if there is one; replaces what was set up before.

    Args:
        settings: the level, the form and the file.
        stream: in place of standard error.
        worker: the slot of this process among several, for the lines of requests.

    Raises:
        SettingsError: the log file cannot be written.
    """
    handlers: list[logging.Handler] = [LogStream(stream or sys.stderr)]
    if settings.log_file is not None:
        handlers.append(_open_log_file(settings.log_file, settings))
    formatter = _TextFormatter(worker) if settings.log_format == "text" else _JsonFormatter(worker)
    for handler in handlers:
        handler.setFormatter(formatter)
        handler.addFilter(_OneAMinute("opentelemetry"))
    logging.basicConfig(level=settings.log_level.upper(), handlers=handlers, force=True)
    logging.captureWarnings(capture=True)
    uvicorn_logger = logging.getLogger("uvicorn.error")
    uvicorn_logger.setLevel(logging.WARNING)  # its notices of normal events repeat the app's own
    uvicorn_logger.filters = [_DropTwiceTold()]
    for noisy in ("h5py", "matplotlib", "PIL", "asyncio", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # The last three warn of callers' mistakes.
    for noisier in ("absl", "tensorflow", "multipart", "python_multipart", "opentelemetry.trace.span"):
        logging.getLogger(noisier).setLevel(logging.ERROR)


def _open_log_file(path: Path, settings: Settings) -> logging.Handler:
    try:
        return open_log_file(path, settings)
    except OSError as error:
        raise SettingsError(f"FASHION_LOG_FILE: {path} cannot be written: {error.strerror}") from error
