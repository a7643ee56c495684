"""Several workers: started, watched, replaced and stopped; each is a sentence of docs/explanation/reliability.md."""

import os
import shutil
import signal
import socket
import statistics
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
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

_ATTEMPTS = 3


@pytest.fixture(scope="module")
def pair() -> Iterator[Service]:
    """A service with two workers, which several tests share; each leaves it with two that run."""
    with serve(workers=2) as service:
        yield service
        assert service.stop() == 0


def _read_slot(pid: int) -> bytes:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return words[words.index(b"fashion_api.server.worker_process") + 1]


@pytest.mark.parametrize(
    ("signum", "end"),
    [
        (signal.SIGKILL, r"by signal 9 \(SIGKILL\)"),
        (signal.SIGSEGV, r"by signal 11 \(SIGSEGV\)"),
        (signal.SIGABRT, r"by signal 6 \(SIGABRT\)"),
        (signal.SIGTERM, "with status 0"),
    ],
)
def test_end_of_a_worker_is_one_line_and_it_is_replaced(pair: Service, signum: int, end: str) -> None:
    """However a worker ends, one line says so, with its pid, status and age, and its slot gets another worker."""
    ends, starts = len(pair.log.find("ended")), len(pair.log.find("is ready after"))
    pid = pair.find_workers()[0]
    slot = int(_read_slot(pid))
    os.kill(pid, signum)
    pair.wait_until_ready(times=starts + 1)
    assert len(pair.log.find(rf"worker {slot} \(pid {pid}\) ended {end} after \d+\.\d s")) == 1
    assert len(pair.log.find("ended")) == ends + 1
    assert sorted(map(_read_slot, pair.find_workers())) == [b"0", b"1"]
    assert get(pair.port).startswith(b"HTTP/1.1 200 ")


def test_start_may_take_longer_than_the_event_loop_may_stand_still() -> None:
    """A worker that starts is not held against the limit of the hang check."""
    with serve(workers=2, FAULT_START_S="4", FASHION_WORKER_HANG_TIMEOUT_S="1") as service:
        assert not service.log.find("ended")


def test_worker_that_does_not_become_ready_is_replaced() -> None:
    """A start beyond its own limit is ended, with the reason in the line of its end."""
    with serve(workers=2, is_ready=False, FAULT_START_S="3600", FASHION_WORKER_START_TIMEOUT_S="0.5") as service:
        service.log.wait_for(
            r"ended by signal 9 \(SIGKILL\) after .*: it was not ready in FASHION_WORKER_START_TIMEOUT_S \(0\.5 s\)",
            times=3,
        )
        service.send(signal.SIGTERM)
        assert service.wait() == 0


@pytest.mark.parametrize("signum", [signal.SIGUSR1, signal.SIGSTOP], ids=["event loop", "process"])
def test_worker_that_stands_still_is_replaced(signum: int) -> None:
    """A worker whose event loop stands still is replaced, though its threads run; so is one that is stopped."""
    with serve(workers=2, FASHION_WORKER_HANG_TIMEOUT_S="1") as service:
        pid = service.find_workers()[1]
        os.kill(pid, signum)
        service.log.wait_for(
            rf"worker 1 \(pid {pid}\) ended .*: its event loop stood still for FASHION_WORKER_HANG_TIMEOUT_S \(1 s\)"
        )
        service.wait_until_ready(times=3)


def test_liveness_fails_where_the_event_loop_stands_still() -> None:
    """Without a supervisor nothing answers /livez then: a probe's own time limit is what tells."""
    with serve() as service, connect(service.port) as connection:
        assert ask(connection, "/livez").startswith(b"HTTP/1.1 200 ")
        service.send(signal.SIGUSR1)
        connection.settimeout(1)
        with pytest.raises(TimeoutError):
            ask(connection, "/livez")


def test_other_worker_answers_while_one_stands_still(pair: Service) -> None:
    """New connections go to the worker that runs, also beyond its share."""
    worker = pair.find_workers()[0]
    os.kill(worker, signal.SIGSTOP)
    try:
        for _ in range(20):
            assert get(pair.port, "/livez").startswith(b"HTTP/1.1 200 ")
    finally:
        os.kill(worker, signal.SIGCONT)


def test_five_ends_within_a_minute_slow_the_restarts_down() -> None:
    """A worker that ends all the time is started less and less often."""
    with serve(workers=2) as service:
        for number in range(6):
            os.kill(service.find_workers()[0], signal.SIGKILL)
            service.wait_until_ready(times=3 + number)
        pauses = [match[1] for match in service.log.find(r"the next starts in (\d+) s")]
        assert pauses == ["1", "2"]


def test_worker_that_cannot_start_any_more_does_not_end_the_others(tmp_path: Path) -> None:
    """Where the model's file has gone, the worker that is left goes on, and the start is tried again."""
    model = tmp_path / "model.h5"
    for suffix in (".h5", ".json"):
        shutil.copy(ROOT / "models" / f"fashion_mnist{suffix}", model.with_suffix(suffix))
    with serve(workers=2, FASHION_MODEL_PATH=str(model)) as service:
        away = model.rename(tmp_path / "away.h5")
        os.kill(service.find_workers()[0], signal.SIGKILL)
        service.log.wait_for("worker 0 .* ended with status 3", times=2)
        assert get(service.port).startswith(b"HTTP/1.1 200 ")
        away.rename(model)
        service.wait_until_ready(times=3)


@pytest.mark.parametrize("delay_s", ["0", "0.5"])
def test_workers_drain_and_end_when_their_supervisor_has_gone(tmp_path: Path, delay_s: str) -> None:
    """After `kill -9` of the supervisor, requests under way are finished, all workers end, and the port is free.

    No temporary file stays.
    """
    with serve(workers=2, FASHION_DRAIN_DELAY_S=delay_s, TMPDIR=str(tmp_path)) as service:
        assert list(tmp_path.iterdir())
        with connect(service.port) as connection:
            begin_request(connection)
            service.send(signal.SIGKILL)
            service.log.wait_for("the supervisor has gone: stopping", times=2)
            assert finish_request(connection).startswith(b"HTTP/1.1 200 ")
        service.log.wait_for_end()
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", service.port))
        assert not list(tmp_path.iterdir())


def test_worker_that_starts_ends_when_its_supervisor_has_gone() -> None:
    """A worker whose supervisor ends before it is ready does not begin to serve."""
    with serve(workers=2, is_ready=False, FAULT_START_S="1") as service:
        service.log.wait_for("will serve")
        service.send(signal.SIGKILL)
        service.log.wait_for_end()
        assert not service.log.find(": ready: http")


def test_one_worker_has_no_supervisor() -> None:
    """With one worker there is one process."""
    with serve() as service:
        assert service.find_children() == []


@pytest.mark.parametrize("connections", [16, 64])
def test_connections_are_shared_out(pair: Service, connections: int) -> None:
    """Over 20 trials no worker has all connections, and the busier one's median share is at most 0.65.

    Where the machine keeps one of them from running for a while, as it may, the other has more: hence the attempts.
    """
    for _ in range(_ATTEMPTS):
        shares = [_measure_share(pair, connections) for _ in range(20)]
        if max(shares) < 1 and statistics.median(shares) <= 0.65:
            return
    raise AssertionError(shares)


def _measure_share(service: Service, connections: int) -> float:
    """Open connections; gives the busier worker's share of them."""
    with ExitStack() as stack:
        opened = [stack.enter_context(connect(service.port)) for _ in range(connections)]
        for connection in opened:
            assert ask(connection).startswith(b"HTTP/1.1 200 ")
        held = _count_connections(service.port, service.find_workers())
        return max(held.values()) / connections


def _count_connections(port: int, workers: list[int]) -> Counter[int]:
    """Count the connections to a port that each worker holds."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "01"}
    return Counter(pid for pid in workers for file in Path(f"/proc/{pid}/fd").iterdir() if _read_link(file) in sockets)


def _read_link(file: Path) -> str:
    try:
        return str(file.readlink())
    except FileNotFoundError:  # the descriptor was closed meanwhile
        return ""


@pytest.mark.parametrize("workers", [1, 2])
def test_backlog_is_emptied_when_the_service_stops(workers: int) -> None:
    """Connections that nobody has accepted when the service is told to stop are accepted and answered."""
    with serve(workers=workers) as service, _fill_backlog(service) as waiting:
        service.send(signal.SIGTERM)
        _continue_all(service)
        assert [read_answer(connection)[:13] for connection in waiting] == [b"HTTP/1.1 200 "] * len(waiting)
        assert service.wait() == 0


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_backlog_outlives_a_worker(signum: int) -> None:
    """Connections that nobody has accepted when a worker ends, however it ends, are answered by another."""
    with serve(workers=2) as service, _fill_backlog(service) as waiting:
        os.kill(service.find_workers()[0], signum)
        _continue_all(service)
        assert [read_answer(connection)[:13] for connection in waiting] == [b"HTTP/1.1 200 "] * len(waiting)


@contextmanager
def _fill_backlog(service: Service) -> Iterator[list[socket.socket]]:
    """Stop what accepts, and give connections that wait with a request each."""
    for pid in service.find_workers() or [service.pid]:
        os.kill(pid, signal.SIGSTOP)
    with ExitStack() as stack:
        waiting = [stack.enter_context(connect(service.port)) for _ in range(20)]
        for connection in waiting:
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        yield waiting


def _continue_all(service: Service) -> None:
    for pid in service.find_workers() or [service.pid]:
        with suppress(ProcessLookupError):  # it was killed just now
            os.kill(pid, signal.SIGCONT)


def test_nothing_in_the_current_folder_is_imported(pair: Service) -> None:
    """A worker does not import what lies where the service was started."""
    for pid in pair.find_workers():
        assert Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[1] == b"-P"
