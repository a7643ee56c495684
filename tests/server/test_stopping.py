"""Signals, to a service with one worker and with two: it stops on two of them, and reads anew what
has changed on a third.
"""

import json
import os
import shutil
import signal
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.server.service_process import (
    Service,
    ask,
    begin_request,
    connect,
    finish_request,
    get,
    read_answer,
    serve,
)
from tests.servers import ROOT

pytestmark = [pytest.mark.services, pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")]

WORKERS = pytest.mark.parametrize("workers", [1, 2], ids=["one worker", "two workers"])
_PAUSE_S = 0.005
"""Between two looks at what a service has done."""
STATUSES = pytest.mark.parametrize(
    ("signum", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"]
)


@WORKERS
@STATUSES
def test_exit_status_names_the_signal(workers: int, signum: int, status: int) -> None:
    """SIGTERM ends the service with status 0, Ctrl-C with 130, and no process is left."""
    with serve(workers=workers) as service:
        service.send(signum)
        assert service.wait() == status
        service.log.wait_for_end()
        assert len(service.log.find("processes: stopped")) == 1
        assert not service.log.find("Traceback|interrupted")


@WORKERS
@STATUSES
def test_signal_is_obeyed_while_the_model_loads(workers: int, signum: int, status: int) -> None:
    """A start that takes for ever, here since the model's file cannot be read to its end, is ended at once."""
    model = ROOT / "models" / "fashion_mnist.h5"
    with serve(workers=workers, is_ready=False, FASHION_MODEL_PATH=str(model), FAULT_OPEN=str(model)) as service:
        service.log.wait_for("the file is opened", times=workers)
        service.send(signum)
        assert service.wait() == status
        service.log.wait_for_end()


def _wait_for_handler(pid: int) -> None:
    """Wait until a process handles SIGTERM."""
    while not _handles(pid, signal.SIGTERM):
        time.sleep(_PAUSE_S)


def _handles(pid: int, signum: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    (caught,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")]
    return bool(int(caught, 16) >> (signum - 1) & 1)


@WORKERS
def test_signal_in_the_first_milliseconds_is_obeyed(workers: int) -> None:
    """SIGTERM is obeyed as soon as our first line has run, before anything else is imported."""
    with serve(workers=workers, is_ready=False) as service:
        _wait_for_handler(service.pid)
        service.send(signal.SIGTERM)
        assert service.wait() == 0
        service.log.wait_for_end()


@pytest.mark.tensorflow
@WORKERS
def test_signal_is_obeyed_while_the_model_is_compiled(tmp_path: Path, workers: int) -> None:
    """The first start, which compiles the model for a minute, is ended at once."""
    with serve(workers=workers, is_ready=False, FASHION_CACHE_DIR=str(tmp_path)) as service:
        service.log.wait_for("compiling the model")
        service.send(signal.SIGTERM)
        assert service.wait() == 0
        assert not service.log.find("compiled in")


@WORKERS
@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        (signal.SIGTERM, signal.SIGTERM, 0),
        (signal.SIGINT, signal.SIGINT, 130),
        (signal.SIGTERM, signal.SIGINT, 0),
        (signal.SIGINT, signal.SIGTERM, 130),
    ],
    ids=["SIGTERM twice", "SIGINT twice", "SIGTERM, SIGINT", "SIGINT, SIGTERM"],
)
def test_second_signal_ends_it_at_once(workers: int, first: int, second: int, status: int) -> None:
    """A second signal ends the service though a request is under way that has an hour left."""
    with (
        serve(workers=workers, FASHION_DRAIN_TIMEOUT_S="3600", FASHION_REQUEST_TIMEOUT_S="3600") as service,
        connect(service.port) as connection,
    ):
        begin_request(connection)
        service.send(first)
        _wait_until_draining(service)
        service.send(second)
        assert service.wait() == status
        service.log.wait_for_end()


def _wait_until_draining(service: Service) -> None:
    """Wait until the service is not ready, or accepts no connection any more."""
    with suppress(ConnectionError):
        while get(service.port).startswith(b"HTTP/1.1 200 "):
            pass


@WORKERS
def test_signal_to_all_processes_is_one_signal(workers: int) -> None:
    """A process manager that signals each process of the service cuts no request off."""
    with serve(workers=workers, FASHION_DRAIN_DELAY_S="1") as service, connect(service.port) as connection:
        begin_request(connection)
        os.killpg(service.pid, signal.SIGTERM)
        _wait_until_draining(service)
        assert finish_request(connection).startswith(b"HTTP/1.1 200 ")
        assert service.wait() == 0


@WORKERS
def test_draining_answers_ask_for_a_new_connection(workers: int) -> None:
    """While the delay runs, each answer ends its connection; connections that are idle end with the delay."""
    with serve(workers=workers, FASHION_DRAIN_DELAY_S="2") as service, ExitStack() as stack:
        under_way, used, idle = (stack.enter_context(connect(service.port)) for _ in range(3))
        for connection in (under_way, used, idle):
            assert b"connection: close" not in ask(connection)
        begin_request(under_way)
        service.send(signal.SIGTERM)
        _wait_until_draining(service)
        for answer in (finish_request(under_way), ask(used, "/livez"), get(service.port, "/livez")):
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"\r\nconnection: close\r\n" in answer
        assert ask(idle) == b"" or idle.recv(1) == b""
        assert service.wait() == 0


def test_request_on_a_connection_that_is_held_is_answered() -> None:
    """When the service stops, what was sent behind a request that was refused for overload is read and answered."""
    image = json.dumps([[0] * 28] * 28)
    body = f'{{"images": [{", ".join([image] * 4)}]}}'  # classified 404 times
    head = f"Host: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with (
        serve(FASHION_MAX_CONCURRENT_REQUESTS="1") as service,
        connect(service.port) as busy,
        connect(service.port) as connection,
    ):
        busy.sendall(f"POST /api/v1/explanations HTTP/1.1\r\n{head}{body}".encode())
        while not ask(connection, "/api/v1/model").startswith(b"HTTP/1.1 503 "):  # it has not come yet
            pass
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        service.send(signal.SIGTERM)
        answer = read_answer(connection)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"\r\nconnection: close\r\n" in answer
        assert service.wait() == 0


@WORKERS
def test_hangup_ends_and_restarts_nothing(tmp_path: Path, workers: int) -> None:
    """SIGHUP leaves every process as it is, and opens the log file anew."""
    file, moved = tmp_path / "service.log", tmp_path / "moved.log"
    with serve(workers=workers, FASHION_LOG_FILE=str(file)) as service:
        processes = [service.pid, *service.find_workers()]
        file.rename(moved)
        service.send(signal.SIGHUP)
        for _ in range(20):
            assert get(service.port, "/api/v1/model").startswith(b"HTTP/1.1 200 ")
        assert [service.pid, *service.find_workers()] == processes
        assert service.stop() == 0
        assert file.read_text().count("GET /api/v1/model 200") == 20


@WORKERS
def test_hangup_has_the_model_followed(tmp_path: Path, workers: int) -> None:
    """On SIGHUP, every worker takes over the model to which the link leads by then."""
    link = tmp_path / "served.h5"
    for name in ("a", "b"):
        path = tmp_path / name / "model.h5"
        path.parent.mkdir()
        shutil.copy(ROOT / "models" / "fashion_mnist.h5", path)
        manifest = json.loads((ROOT / "models" / "fashion_mnist.json").read_text()) | {"name": name}
        path.with_suffix(".json").write_text(json.dumps(manifest))
    link.symlink_to(tmp_path / "a" / "model.h5")
    with serve(workers=workers, FASHION_MODEL_PATH=str(link), FASHION_MODEL_POLL_S="0") as service:
        processes = [service.pid, *service.find_workers()]
        link.unlink()
        link.symlink_to(tmp_path / "b" / "model.h5")
        service.send(signal.SIGHUP)
        service.log.wait_for("the model is now b ", times=workers)
        assert b'"name":"b"' in get(service.port, "/api/v1/model")
        assert [service.pid, *service.find_workers()] == processes


@WORKERS
def test_hangup_during_the_start_ends_nothing(workers: int) -> None:
    """SIGHUP while the service starts does not end it; nor does one to all of its processes."""
    with serve(workers=workers, is_ready=False) as service:
        _wait_for_handler(service.pid)
        while not service.log.find(": ready: http"):
            os.killpg(service.pid, signal.SIGHUP)
            time.sleep(_PAUSE_S)
        service.wait_until_ready(times=workers)
        assert not service.log.find("ended")


def _has_ended(pid: int) -> bool:
    """Tell whether a process of this one has ended, without asking for its status."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


@WORKERS
def test_hangup_during_the_stop_changes_nothing(workers: int) -> None:
    """The exit status is that of the stop, however late SIGHUP comes, and to whichever of the processes."""
    with serve(workers=workers, is_ready=False) as service:
        service.wait_until_ready(times=workers)
        service.send(signal.SIGTERM)
        with suppress(ProcessLookupError):
            while not _has_ended(service.pid):
                os.killpg(service.pid, signal.SIGHUP)
        assert service.wait() == 0
        service.log.wait_for_end()
        assert not service.log.find("ended by signal")
