"""Log lines never keep anyone waiting, and outlast whatever happens to their destination."""

import io
import logging
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

import pytest

from fashion_api.server.log_destinations import LogStream
from fashion_api.server.log_queue import flush_log_queues, queue_log_lines, reopen_log_files
from fashion_api.server.logs import configure_logging
from fashion_api.service.events import RequestEvent
from fashion_api.settings import Settings
from tests.raw_http import LIMIT_S
from tests.server.service_process import ServiceProcess, connect, get, serve

pytestmark = pytest.mark.services

logger = logging.getLogger("fashion_api.test")
_PAUSE_S = 0.005
"""Between two looks at what a service has done."""
EVENT = RequestEvent(1_800_000_000.0, "GET", "/predict", 200, 1.0, "abc")


@pytest.fixture(autouse=True)
def _own_handlers(_restore_logging: None) -> Iterator[None]:
    root = logging.getLogger()
    root.handlers = []
    yield
    flush_log_queues()


class StuckStream(io.StringIO):
    """A stream that takes nothing until it is released, as a pipe that nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.is_tried = threading.Event()
        self.is_released = threading.Event()

    def write(self, text: str) -> int:
        self.is_tried.set()
        self.is_released.wait()
        return super().write(text)


class PassingStream(io.StringIO):
    """A stream that passes each line on to the test."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: Queue[str] = Queue()

    def write(self, text: str) -> int:
        self.lines.put(text)
        return len(text)


def start_queue(stream: io.StringIO, *, max_lines: int = 10) -> None:
    """Log to a stream, through a queue."""
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    root.addHandler(LogStream(stream))
    queue_log_lines(max_lines=max_lines)


def test_lines_beyond_the_bound_are_dropped_counted_and_reported() -> None:
    """While nothing can be written, logging returns at once; later the log says how many lines are missing."""
    stream = StuckStream()
    start_queue(stream)
    for number in range(25):
        logger.info("line %d", number)
    assert not flush_log_queues(0.01)
    stream.is_released.set()
    assert flush_log_queues()
    lines = stream.getvalue().splitlines()
    assert [line for line in lines if line.startswith("line")] == [f"line {number}" for number in range(10)]
    assert count_dropped(lines) == 15


def count_dropped(lines: list[str]) -> int:
    """Add up what a log says is missing from it."""
    return sum(int(line.split()[0]) for line in lines if "log lines were dropped" in line)


def test_requests_that_are_logged_together_count_as_a_line_each() -> None:
    """The bound is one of lines, so that it is one of memory."""
    stream = StuckStream()
    start_queue(stream)
    logger.info("requests", extra={"requests": [EVENT] * 8})
    logger.info("requests", extra={"requests": [EVENT] * 8})
    logger.info("alone")
    stream.is_released.set()
    assert flush_log_queues()
    lines = stream.getvalue().splitlines()
    assert "alone" in lines
    assert count_dropped(lines) == 8


class Requests(list[RequestEvent]):
    """Requests that are logged together, of which a test sees when they are let go of."""


def test_requests_are_let_go_of_once_written() -> None:
    """What is written takes no memory until the next line: requests hold their predictions."""
    start_queue(io.StringIO())
    requests, are_gone = Requests([EVENT]), threading.Event()
    weakref.finalize(requests, are_gone.set)
    logger.info("requests", extra={"requests": requests})
    del requests
    assert are_gone.wait(LIMIT_S)


def test_destination_that_stands_still_holds_up_no_other() -> None:
    """Lines reach the log file while nobody reads standard error."""
    stuck, other = StuckStream(), PassingStream()
    logging.getLogger().addHandler(LogStream(other))
    start_queue(stuck)
    for number in range(100):
        logger.info("line %d", number)
        assert other.lines.get(timeout=LIMIT_S) == f"line {number}\n"
    stuck.is_released.set()


def test_line_says_what_was_true_when_it_was_logged() -> None:
    """What a line is about may change before it is written; a traceback is kept."""
    stream = StuckStream()
    start_queue(stream)
    values = [1]
    logger.info("values: %s", values)
    values.append(2)
    try:
        raise ValueError("no")  # noqa: TRY301  # to have a traceback
    except ValueError as error:
        logger.exception("failed")
        error.__cause__ = KeyError("later")
    stream.is_released.set()
    assert flush_log_queues()
    assert stream.getvalue().startswith("values: [1]\nfailed\nTraceback")
    assert "later" not in stream.getvalue()


class FullDisk(io.StringIO):
    """A stream on a disk that is full until there is room."""

    has_room = False

    def write(self, text: str) -> int:
        if not self.has_room:
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_full_disk_is_one_line_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be written is counted; the other destination says so once, and again when it can be written."""
    full, other = FullDisk(), io.StringIO()
    logging.getLogger().addHandler(LogStream(other))
    start_queue(full, max_lines=1000)
    for number in range(50):
        logger.info("line %d", number)
    assert flush_log_queues()
    complaints = [line for line in other.getvalue().splitlines() if "cannot be written" in line]
    assert complaints == ["standard error cannot be written: No space left on device (log lines lost: 1)"]
    full.has_room = True
    logger.info("at last")
    assert flush_log_queues()
    assert "standard error can be written again; 51 log lines were lost" in other.getvalue()
    assert "at last" in full.getvalue()
    assert capsys.readouterr().err == ""


def remove(file: Path) -> None:
    """As an operator would."""
    file.unlink()


def move(file: Path) -> None:
    """As logrotate does."""
    file.rename(file.with_suffix(".moved"))


def exchange(file: Path) -> None:
    """As logrotate does with `create`."""
    move(file)
    file.touch()


def remove_folder(file: Path) -> None:
    """With all that is in it."""
    for other in file.parent.iterdir():
        other.unlink()
    file.parent.rmdir()


def truncate(file: Path) -> None:
    """As logrotate does with `copytruncate`."""
    file.write_text("")


@pytest.mark.parametrize("workers", [1, 2], ids=["one process", "several"])
@pytest.mark.parametrize("change", [remove, move, exchange, remove_folder, truncate])
def test_log_file_that_was_changed_is_opened_anew(
    settings: Settings, tmp_path: Path, change: Callable[[Path], None], workers: int
) -> None:
    """Whatever was done to the file, the next line is in the file of that name, and it alone."""
    file = tmp_path / "logs" / "service.log"
    configure_logging(settings.model_copy(update={"log_file": file, "workers": workers}), stream=io.StringIO())
    queue_log_lines()
    for text in ("first", "second"):
        logger.info(text)
    assert flush_log_queues()
    change(file)
    logger.info("third")
    assert flush_log_queues()
    assert [line.split(": ")[1] for line in file.read_text().splitlines()] == ["third"]


@pytest.mark.parametrize("workers", [1, 2], ids=["one process", "several"])
def test_log_file_is_opened_anew_on_demand(settings: Settings, tmp_path: Path, workers: int) -> None:
    """Reopening loses no line, and lets go of the file."""
    file = tmp_path / "service.log"
    configure_logging(settings.model_copy(update={"log_file": file, "workers": workers}), stream=io.StringIO())
    queue_log_lines()
    logger.info("before")
    reopen_log_files()
    assert flush_log_queues()
    opened = [link for link in Path("/proc/self/fd").iterdir() if link.exists() and link.resolve() == file]
    assert opened == []
    logger.info("after")
    assert flush_log_queues()
    assert [line.split(": ")[1] for line in file.read_text().splitlines()] == ["before", "after"]


WORKERS = pytest.mark.parametrize("workers", [1, 2], ids=["one worker", "two workers"])


def _wait_until_ready(file: Path, workers: int) -> None:
    while not (file.exists() and file.read_text().count(": ready: ") == workers):
        time.sleep(_PAUSE_S)


@contextmanager
def serve_unread(file: Path, workers: int, **environment: str) -> Iterator[tuple[ServiceProcess, int]]:
    """A service, and its port, whose standard error is a pipe that nobody reads; it logs to a file as well."""
    settings = {"FASHION_WORKERS": str(workers), "FASHION_LOG_FILE": str(file), **environment}
    service = ServiceProcess(settings, is_forked=True)
    try:
        _wait_until_ready(file, workers)
        yield service, int(file.read_text().split("will serve on http://127.0.0.1:")[1].split()[0])
    finally:
        service.end()


def ask_for_nothing(port: int, *, times: int) -> None:
    """Have requests answered that find nothing, a hundred at a time."""
    with connect(port) as connection:
        for _ in range(times // 100):
            connection.sendall(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
            received = b""
            while received.count(b"HTTP/1.1 404 ") < 100 or not received.endswith(b"}"):
                received += connection.recv(1 << 20)


@WORKERS
def test_standard_error_that_nobody_reads_hangs_nothing(tmp_path: Path, workers: int) -> None:
    """The service answers, writes its log file and stops, long after standard error took its last line."""
    file = tmp_path / "service.log"
    with serve_unread(file, workers) as (service, port):
        ask_for_nothing(port, times=4000)
        assert get(port, "/livez").startswith(b"HTTP/1.1 200 ")
        service.send(signal.SIGTERM)
        assert service.wait() == 0
    assert file.read_text().count("(no route) 404") == 4000


@WORKERS
def test_second_signal_ends_it_though_nobody_reads_standard_error(tmp_path: Path, workers: int) -> None:
    """Neither the drain delay nor the lines that cannot be written keep the service from its end."""
    file = tmp_path / "service.log"
    with serve_unread(file, workers, FASHION_DRAIN_DELAY_S="3600") as (service, port):
        ask_for_nothing(port, times=4000)
        service.send(signal.SIGTERM)
        while get(port).startswith(b"HTTP/1.1 200 "):
            pass
        service.send(signal.SIGTERM)
        assert service.wait() == 0


@WORKERS
def test_standard_error_whose_reader_has_gone_ends_nothing(tmp_path: Path, workers: int) -> None:
    """A broken pipe is one line in the log file for each process, and no more."""
    file = tmp_path / "service.log"
    with serve_unread(file, workers) as (service, port):
        assert service.process.stderr is not None
        service.process.stderr.close()
        for _ in range(10):
            ask_for_nothing(port, times=100)
        service.send(signal.SIGTERM)
        assert service.wait() == 0
    assert file.read_text().count("(no route) 404") == 1000
    assert 1 <= file.read_text().count("standard error cannot be written: Broken pipe") <= 1 + workers


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
@WORKERS
def test_full_log_disk_is_one_line_for_each_process(tmp_path: Path, workers: int) -> None:
    """A log file that cannot be written costs no answer, and a line on standard error for each process."""
    file = tmp_path / "service.log"
    file.symlink_to("/dev/full")
    with serve(workers=workers, FASHION_LOG_FILE=str(file)) as service:
        for _ in range(10):
            ask_for_nothing(service.port, times=100)
        assert service.stop() == 0
        complaints = service.log.find("the log file .* cannot be written: No space left on device")
        assert 1 <= len(complaints) <= 1 + workers
        assert not service.log.find("Traceback")
        assert len(service.log.find(r"\(no route\) 404")) == 1000


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
@WORKERS
def test_standard_error_on_a_full_disk_ends_nothing(tmp_path: Path, workers: int) -> None:
    """The same the other way round: the log file says that standard error cannot be written."""
    file = tmp_path / "service.log"
    with open("/dev/full", "w") as full:  # noqa: PTH123  # no path of a file
        service = ServiceProcess({"FASHION_WORKERS": str(workers), "FASHION_LOG_FILE": str(file)}, stderr=full.fileno())
    try:
        _wait_until_ready(file, workers)
        service.send(signal.SIGTERM)
        assert service.wait() == 0
    finally:
        service.end()
    assert file.read_text().count("standard error cannot be written: No space left on device") >= 1
