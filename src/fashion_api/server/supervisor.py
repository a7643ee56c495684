"""Several workers: started, watched, replaced when they end, and stopped."""

import contextlib
import logging
import pickle
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from fashion_api.server.accepting import ConnectionTable
from fashion_api.server.log_queue import exit_at_once, reopen_log_files
from fashion_api.server.metrics import SharedMetrics
from fashion_api.server.signals import HELD_SIGNALS, SIGHUP, hold_signals, pass_over_hangups
from fashion_api.server.worker_process import STARTUP_FAILURE
from fashion_api.settings import Settings

logger = logging.getLogger(__name__)

_CHECK_S = 0.5
_WINDOW_S = 60.0
_MANY_ENDS = 5
_LONGEST_PAUSE_S = 30.0
_STOP_MARGIN_S = 15.0
_STOP_EARLY_S = 1.0  # for a worker that is not ready yet
_EXIT_S = 5.0  # from the end of the link to that of the process


class _WorkerProcess:
    """A worker process, as its supervisor sees it."""

    def __init__(self, slot: int, slots: int, *, settings: Settings, listener: int, table: int) -> None:
        self.slot = slot
        self.link, theirs = socket.socketpair()
        self.is_ready = False
        self.waited_s = 0.0
        """Since its start while it is not ready, since it was last heard of, or since it was told to stop."""
        self.reason = ""
        """Why it was killed."""
        self._started_at = time.monotonic()
        arguments = (slot, slots, listener, table, theirs.fileno())
        with theirs, hold_signals():
            self.process = subprocess.Popen(  # noqa: S603  # our own command
                [sys.executable, "-P", "-m", "fashion_api.server.worker_process", *map(str, arguments)],
                stdin=subprocess.PIPE,
                pass_fds=arguments[2:],
            )
        with contextlib.suppress(BrokenPipeError):  # it has ended already, as its link will say
            assert self.process.stdin is not None  # noqa: S101  # for the type checker
            with self.process.stdin as stdin:
                pickle.dump(settings, stdin)

    def hear(self) -> bool:
        """Read what it has sent; gives whether it is still there."""
        try:
            heard = self.link.recv(4096)
        except ConnectionError:
            heard = b""
        if heard and not self.is_ready:
            self.is_ready = True
            logger.info("%s is ready after %.1f s", self, time.monotonic() - self._started_at)
        if heard:
            self.waited_s = 0.0
        return bool(heard)

    def __str__(self) -> str:
        return f"worker {self.slot} (pid {self.process.pid})"

    def kill(self, reason: str) -> None:
        """End it by force; its link will say so."""
        self.reason = self.reason or f": {reason}"
        self.process.kill()

    def finish(self) -> int:
        """Wait for the end of a process whose link has ended; gives its exit status, negative for a signal."""
        self.link.close()
        try:
            return self.process.wait(_EXIT_S)
        except subprocess.TimeoutExpired:
            self.kill("it did not end by itself")
            return self.process.wait()

    def name_end(self, status: int) -> str:
        """Name in one word how it ended."""
        if self.reason:
            return "killed"
        return "exit" if status >= 0 else signal.Signals(-status).name

    def describe_end(self, status: int) -> str:
        """Say in one line how it ended."""
        how = f"with status {status}" if status >= 0 else f"by signal {-status} ({signal.Signals(-status).name})"
        age_s = time.monotonic() - self._started_at
        return f"{self} ended {how} after {age_s:.1f} s{self.reason}"


class Supervisor:
    """Keeps as many workers running as the settings say, on one listening socket.

    - A worker that ends is replaced, and its end is one line in the log. After five ends in a minute, the next start
      waits for a second, then two, four and so on, up to half a minute.
    - A worker that is not ready in time, or whose event loop stands still, is killed, and so replaced.
    - SIGTERM and SIGINT are passed on to the workers, which drain. The second one kills them.
    - SIGHUP is passed on too. The log files are opened anew, the workers follow the model's file, and nothing ends or
      is restarted.
    - Where the first workers cannot start, the service ends. Later, when one has been ready, starting is tried again.
    """

    def __init__(self, settings: Settings, sock: socket.socket) -> None:
        self._settings = settings
        self._sock = sock
        self._table_descriptor = ConnectionTable.create(settings.workers)
        self._table = ConnectionTable(self._table_descriptor, settings.workers)
        self._metrics = SharedMetrics()
        self._selector = selectors.DefaultSelector()
        self._workers: dict[int, _WorkerProcess] = {}
        self._ends: deque[float] = deque()
        self._start_at = 0.0
        self._check_at = 0.0
        self._has_served = False
        self._has_failed = False
        self._is_forced = False
        self.stop_signal: int | None = None
        """The signal that it obeyed."""

    def run(self) -> bool:
        """Run the workers until a signal; gives whether the service could start."""
        with self._metrics, self._selector, self._catch_signals():
            while self.stop_signal is None or self._workers:
                if self.stop_signal is None:
                    self._start_missing()
                for key, _ in self._selector.select(max(0.0, self._check_at - time.monotonic())):
                    if isinstance(key.data, _WorkerProcess):
                        self._hear(key.data)
                    else:
                        self._handle_signals(key.data)
                self._check_limits()
        if self._is_forced:
            exit_at_once(0 if self.stop_signal == signal.SIGTERM else 128 + self.stop_signal)
        return not self._has_failed

    @contextmanager
    def _catch_signals(self) -> Iterator[None]:
        """Have signals wake the selector, which then reads their numbers from a socket."""
        reader, writer = socket.socketpair()
        with reader, writer:
            writer.setblocking(False)  # noqa: FBT003  # the socket's own interface
            self._selector.register(reader, selectors.EVENT_READ, reader)
            signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
            for signum in HELD_SIGNALS:
                signal.signal(signum, lambda *_: None)
            try:
                yield
            finally:
                signal.set_wakeup_fd(-1)
                pass_over_hangups()

    def _handle_signals(self, reader: socket.socket) -> None:
        for signum in reader.recv(4096):
            if signum == SIGHUP:
                reopen_log_files()
                self._signal_all(signum)
            elif self.stop_signal is None:
                self._stop(signum)
            else:
                self._is_forced = True
                for worker in self._workers.values():
                    worker.kill("a second signal came")

    def _stop(self, signum: int) -> None:
        self.stop_signal = signum
        self._sock.close()  # the workers have it too, and empty its backlog
        for worker in self._workers.values():
            worker.waited_s = 0.0
        self._signal_all(signum)

    def _signal_all(self, signum: int) -> None:
        for worker in self._workers.values():
            worker.process.send_signal(signum)

    def _start_missing(self) -> None:
        for slot in range(self._settings.workers):
            if slot not in self._workers and time.monotonic() >= self._start_at:
                worker = self._workers[slot] = _WorkerProcess(
                    slot,
                    self._settings.workers,
                    settings=self._settings,
                    listener=self._sock.fileno(),
                    table=self._table_descriptor,
                )
                self._selector.register(worker.link, selectors.EVENT_READ, worker)

    def _hear(self, worker: _WorkerProcess) -> None:
        if worker.hear():
            self._has_served = True
            return
        self._selector.unregister(worker.link)
        del self._workers[worker.slot]
        status = worker.finish()
        self._table.leave(worker.slot)
        is_wanted = self.stop_signal is not None and status in (0, -signal.SIGTERM)  # the latter during its start
        self._metrics.count_end(worker.slot, worker.name_end(status))
        logger.log(logging.INFO if is_wanted else logging.WARNING, worker.describe_end(status))
        if self.stop_signal is None:
            self._slow_down()
            if status == STARTUP_FAILURE and not self._has_served:
                self._has_failed = True
                self._stop(signal.SIGTERM)

    def _slow_down(self) -> None:
        """Put off the next start, where many workers have ended within a minute."""
        now = time.monotonic()
        self._ends.append(now)
        while self._ends[0] < now - _WINDOW_S:
            self._ends.popleft()
        excess = len(self._ends) - _MANY_ENDS
        if excess >= 0:
            pause_s = min(2.0**excess, _LONGEST_PAUSE_S)
            self._start_at = now + pause_s
            logger.error("%d workers have ended within a minute: the next starts in %g s", len(self._ends), pause_s)

    def _check_limits(self) -> None:
        """Kill workers that are not heard of in time; what passes while this process stands still does not count."""
        if time.monotonic() < self._check_at:
            return
        self._check_at = time.monotonic() + _CHECK_S
        ready = sum(worker.is_ready for worker in self._workers.values())
        self._metrics.workers.set_workers(ready=ready, starting=len(self._workers) - ready)
        settings = self._settings
        for worker in self._workers.values():
            worker.waited_s += _CHECK_S
            if self.stop_signal is not None:
                drain_s = settings.drain_delay_s + settings.drain_timeout_s + _STOP_MARGIN_S
                limit_s, reason = drain_s if worker.is_ready else _STOP_EARLY_S, "it did not stop in time"
            elif worker.is_ready:
                limit_s, reason = (
                    settings.worker_hang_timeout_s,
                    "its event loop stood still for FASHION_WORKER_HANG_TIMEOUT_S",
                )
            else:
                limit_s, reason = settings.worker_start_timeout_s, "it was not ready in FASHION_WORKER_START_TIMEOUT_S"
            if worker.waited_s > limit_s:
                worker.kill(f"{reason} ({limit_s:g} s)")
