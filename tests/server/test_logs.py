"""Log lines: where they go and how they are written."""

import contextlib
import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.trace import TraceState

from fashion_api.errors import InvalidRequestError, SettingsError
from fashion_api.server.logs import configure_logging
from fashion_api.service.events import RequestEvent, TraceContext, Work
from fashion_api.settings import Settings
from fashion_api.wire.uploads import read_form_files
from tests.fakes import fake_model


@pytest.fixture(autouse=True)
def _own_handlers(_restore_logging: None) -> Iterator[None]:
    root = logging.getLogger()
    root.handlers = []
    yield
    for handler in root.handlers:
        handler.close()


def log_once(settings: Settings, message: str = "hello", **extra: object) -> str:
    """What one message looks like."""
    stream = io.StringIO()
    configure_logging(settings, stream=stream)
    logging.getLogger("fashion_api.test").info(message, extra=extra)
    return stream.getvalue()


def test_text_line_is_for_people(settings: Settings) -> None:
    """A line of text has the time in UTC, the level, who says it, and what."""
    pattern = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO     fashion_api\.test: hello\n"
    assert re.fullmatch(pattern, log_once(settings))


def test_json_line_is_for_machines(settings: Settings) -> None:
    """A line of JSON has the same as fields, and the request's id where there is one."""
    record = json.loads(log_once(settings.model_copy(update={"log_format": "json"}), request_id="abc"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record.pop("time"))
    assert record == {
        "level": "INFO",
        "logger": "fashion_api.test",
        "message": "hello",
        "request_id": "abc",
    }


def test_error_in_json_has_its_traceback(settings: Settings) -> None:
    """An error that is logged as JSON has its traceback as a field of the one line."""
    stream = io.StringIO()
    configure_logging(settings.model_copy(update={"log_format": "json"}), stream=stream)
    logging.getLogger("fashion_api.test").error("failed", exc_info=ZeroDivisionError("a bug"))
    record = json.loads(stream.getvalue())
    assert (record["message"], "ZeroDivisionError: a bug" in record["exc_info"]) == ("failed", True)


EVENTS = [
    RequestEvent(1_800_000_000.25, "GET", "/livez", 200, 1.25, "abc"),
    RequestEvent(1_800_000_001.0, "POST", None, 404, 0.5, "def"),
]


def test_each_request_is_a_line_of_text(settings: Settings) -> None:
    """Requests that are logged together are still a line each, with the time at which each was over."""
    assert log_once(settings, requests=EVENTS).splitlines() == [
        "2027-01-15T08:00:00.250Z INFO     fashion_api.test: GET /livez 200 1.2 ms abc",
        "2027-01-15T08:00:01.000Z INFO     fashion_api.test: POST (no route) 404 0.5 ms def",
    ]


def test_each_request_is_a_line_of_json(settings: Settings) -> None:
    """The same as JSON: an object a line, with a field for each part."""
    lines = log_once(settings.model_copy(update={"log_format": "json"}), requests=EVENTS).splitlines()
    assert len(lines) == 2
    assert json.loads(lines[0]) == {
        "time": "2027-01-15T08:00:00.250Z",
        "level": "INFO",
        "logger": "fashion_api.test",
        "message": "request",
        "method": "GET",
        "route": "/livez",
        "status": 200,
        "duration_ms": 1.25,
        "request_id": "abc",
    }


WORK = Work(fake_model(), 2, None, 0.0005, 0.001, 0.0025, 0.004, 0.0)
TRACE = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", 1, "vendor=its-own")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_line_of_a_prediction_says_what_was_done(settings: Settings, log_format: str) -> None:
    """It has the worker, the images, the waiting and the computing, the key's name and the trace; and no pixel."""
    stream = io.StringIO()
    configure_logging(settings.model_copy(update={"log_format": log_format}), stream=stream, worker=3)
    event = EVENTS[0]._replace(work=WORK, trace=TRACE, key_name="shop")
    logging.getLogger("fashion_api.test").info("", extra={"requests": [event]})
    line = stream.getvalue()
    if log_format == "json":
        line = (
            " ".join(
                f"{name}={value:.2f}" if isinstance(value, float) else f"{name}={value}"
                for name, value in json.loads(line).items()
            )
            + "\n"
        )
    assert line.endswith(
        "worker=3 images=2 queue_ms=2.50 compute_ms=4.00 key_name=shop trace_id=4bf92f3577b34da6a3ce929d0e0e4736\n"
    )


@pytest.mark.parametrize(("after_s", "lines"), [(59.0, 1), (60.0, 2)], ids=["within a minute", "a minute later"])
def test_exporter_that_fails_is_one_line_a_minute(settings: Settings, after_s: float, lines: int) -> None:
    """Whatever OpenTelemetry has to say is one line a minute; what others say is not held back."""
    stream = io.StringIO()
    configure_logging(settings, stream=stream)
    for name in ("opentelemetry.exporter.otlp", "opentelemetry.sdk", "fashion_api.test"):
        for created in (1000.0, 1000.0 + after_s):
            record = logging.makeLogRecord({"name": name, "levelno": logging.WARNING, "msg": "away"})
            record.created = created
            logging.getLogger(name).handle(record)
    written = stream.getvalue().splitlines()
    assert len([line for line in written if "opentelemetry" in line]) == lines
    assert len([line for line in written if "fashion_api.test" in line]) == 2


def test_trace_state_that_is_wrong_is_no_line(settings: Settings) -> None:
    """What a caller has written into `tracestate` is not in the log, also where OpenTelemetry would warn of it."""
    stream = io.StringIO()
    configure_logging(settings, stream=stream)
    assert not TraceState.from_header(["no state"])
    assert stream.getvalue() == ""


def test_control_characters_are_written_out(settings: Settings) -> None:
    """What a caller sent cannot colour the terminal or go back in the line."""
    assert r"a\x1b[31mb\x0dc" in log_once(settings, "a\x1b[31mb\rc")


@pytest.mark.parametrize(
    "body", [b"no form", b"--x\r\n\xff: y\r\n\r\n", b"--x\r\nA: b\rc", b"--x--\r\n" + bytes(70_000)], ids=range(4)
)
def test_form_that_cannot_be_read_is_no_line_of_its_own(settings: Settings, body: bytes) -> None:
    """What is wrong with a caller's form is in the answer, and not in the log."""
    stream = io.StringIO()
    configure_logging(settings, stream=stream)
    with contextlib.suppress(InvalidRequestError):
        list(read_form_files(body, "multipart/form-data; boundary=x", max_files=1))
    assert stream.getvalue() == ""


def test_level_is_kept(settings: Settings) -> None:
    """Below the level that is set, nothing is written."""
    assert log_once(settings.model_copy(update={"log_level": "warning"})) == ""


@pytest.mark.parametrize("workers", [1, 2], ids=["one process", "several"])
def test_file_gets_the_lines_too_and_is_rotated(settings: Settings, tmp_path: Path, workers: int) -> None:
    """With a log file, lines go there as well; it is rotated when it is full, and the oldest are dropped."""
    path = tmp_path / "logs" / "service.log"
    limits = {"log_file": path, "log_file_max_bytes": 1024, "log_file_backups": 2, "workers": workers}
    stream = io.StringIO()
    configure_logging(settings.model_copy(update=limits), stream=stream)
    for number in range(100):
        logging.getLogger("fashion_api.test").info("line %d", number)
    names = sorted(file.name for file in path.parent.iterdir() if not file.name.startswith("."))
    assert names == ["service.log", "service.log.1", "service.log.2"]
    assert "line 99" in path.read_text()
    assert "line 0\n" in stream.getvalue()


def test_log_file_that_cannot_be_written_stops_the_start(settings: Settings, tmp_path: Path) -> None:
    """A log file that cannot be opened is an error that names the setting."""
    with pytest.raises(SettingsError, match="FASHION_LOG_FILE"):
        configure_logging(settings.model_copy(update={"log_file": tmp_path}))


@pytest.mark.parametrize("message", ["Traceback (most recent call last):\n…", "Application startup failed. Exiting."])
def test_failed_start_is_told_once(settings: Settings, message: str) -> None:
    """uvicorn's words on a failed start are dropped: the app has told the reason."""
    stream = io.StringIO()
    configure_logging(settings, stream=stream)
    logging.getLogger("uvicorn.error").error(message)
    assert stream.getvalue() == ""


def test_uvicorns_errors_are_kept(settings: Settings) -> None:
    """uvicorn's other errors are logged as everyone's."""
    stream = io.StringIO()
    configure_logging(settings, stream=stream)
    logging.getLogger("uvicorn.error").error("Invalid HTTP request received.")
    assert "Invalid HTTP request" in stream.getvalue()
