"""What serves in a process: uvicorn with our own accepting, signals and stopping."""

import asyncio
import contextlib
import functools
import logging
import signal
import socket
import ssl
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn
from prometheus_client import CollectorRegistry

from fashion_api.errors import SettingsError
from fashion_api.rest.app import create_app
from fashion_api.server.accepting import Acceptor, ConnectionTable, Tls, name_address
from fashion_api.server.connection import App, Connections, make_protocol, track_answers
from fashion_api.server.grpc_port import CAN_SHARE, serve_calls
from fashion_api.server.log_queue import exit_at_once, reopen_log_files
from fashion_api.server.process import spare_collections
from fashion_api.server.signals import HELD_SIGNALS, SIGHUP, pass_over_hangups
from fashion_api.server.tls import SHUTDOWN_TIMEOUT_S, reload_certificate
from fashion_api.service.following import ModelFollower
from fashion_api.settings import Settings

if TYPE_CHECKING:
    from fashion_api.rpc.server import CallServer

logger = logging.getLogger(__name__)

_BEAT_S = 1.0
_LAST_ACCEPTED_S = 0.1  # for the requests of connections that were accepted last, and of those that were idle
_OVERDUE_S = 10.0  # beyond the time that requests have to finish


@dataclass(frozen=True)
class Seat:
    """What ties one of several workers to the others."""

    slot: int
    """Its number, from 0 on; the worker that replaces it has the same."""
    table: ConnectionTable
    link: socket.socket
    """To the supervisor: a byte a second from the event loop says that this runs; its end says that the supervisor
    has gone."""


class Worker(uvicorn.Server):
    """Serves until a signal, or until its supervisor has gone; then it drains.

    SIGTERM is obeyed after the drain delay, SIGINT (Ctrl-C) at once. Before the service is ready, either ends the
    process on the spot: nothing was taken in, and a thread that loads a model cannot be stopped. So does the second
    signal, except for one of several workers: its supervisor decides, and process managers signal a whole group.

    Args:
        settings: all that an operator may set.
        sock: is bound, and listens when the service is ready.
        seat: what ties it to other workers; `None` where it is the only one.
        make_app: makes the app, as `create_app` does.
    """

    def __init__(
        self,
        settings: Settings,
        sock: socket.socket,
        *,
        seat: Seat | None = None,
        make_app: Callable[..., App] = create_app,
    ) -> None:
        self._connections = Connections(settings)
        super().__init__(
            make_config(settings, self._connections, functools.partial(make_app, settings, lifespan=self._hold))
        )
        self._settings = settings
        self._sock = sock
        self._seat = seat
        self._follower: ModelFollower | None = None
        self._calls: CallServer | None = None
        self._on_hangup: list[Callable[[], None]] = [reopen_log_files]
        """What SIGHUP has done, on the event loop."""
        self._is_hung_up = False
        """Whether SIGHUP came during the start, which has read some files before and adds to what SIGHUP has done."""
        self.stop_signal: int | None = None
        """The signal that it obeyed."""
        self.is_alone = False
        """Whether its supervisor has gone."""

    def run_until_stopped(self) -> bool:
        """Serve; gives whether it could start."""
        with contextlib.suppress(SystemExit):  # how uvicorn says that the lifespan hook has failed
            self.run(sockets=[])  # it is to listen on nothing: the acceptor does
        return self.started

    def find_registry(self) -> CollectorRegistry | None:
        """Give what it has counted; `None` before it is ready."""
        return None if self._follower is None else self._follower.service.metrics.registry

    @asynccontextmanager
    async def _hold(self, follower: ModelFollower) -> AsyncIterator[None]:
        spare_collections()
        self._follower = follower
        service = follower.service
        service.slot = 0 if self._seat is None else self._seat.slot
        service.count_connections = lambda: len(self._connections.open)
        self._on_hangup += [service.keys.reload, follower.look_again]
        self._connections.count_refusal = service.metrics.count_refused_connection
        del service  # it must not outlive its successor
        async with serve_calls(follower, shares_port=CAN_SHARE) as self._calls:
            yield

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals our way; uvicorn enters this on the event loop before anything else."""
        self._loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self.handle_exit)
        if SIGHUP is not None:
            signal.signal(SIGHUP, self._handle_hangup)
        if self._seat is not None:
            self._loop.add_reader(self._seat.link, self._notice_end_of_supervisor)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_SIGNALS)
        try:
            yield
        finally:
            pass_over_hangups()

    def _handle_hangup(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._hang_up)

    def _hang_up(self) -> None:
        """Read anew what may change while the service runs, as SIGHUP asks for; it ends and restarts nothing."""
        self._is_hung_up = not self.started
        for act in self._on_hangup:
            try:
                act()
            except SettingsError as error:
                logger.error("SIGHUP: what was in force stays: %s", error)  # noqa: TRY400  # the message has all

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  # a signal handler's
        """Obey SIGTERM or SIGINT."""
        is_first, self.stop_signal = self.stop_signal is None, self.stop_signal or sig
        if not self.started or not (is_first or self._seat):
            logger.info("stopped%s", "" if is_first else " at once: a second signal came")
            exit_at_once(0 if self.stop_signal == signal.SIGTERM else 128 + self.stop_signal)
        elif is_first:
            delay_s = self._settings.drain_delay_s if sig == signal.SIGTERM else 0.0
            self._loop.call_soon_threadsafe(self._drain, delay_s)

    def _drain(self, delay_s: float) -> None:
        if self._follower is not None:
            self._follower.service.drain()
        self._loop.call_later(delay_s, self._finish)
        overdue = threading.Timer(delay_s + self._settings.drain_timeout_s + _OVERDUE_S, self._give_up)
        overdue.daemon = True
        overdue.start()

    def _finish(self) -> None:
        self.should_exit = True

    @staticmethod
    def _give_up() -> None:
        logger.error("stopped: a thread did not end in time")
        exit_at_once(1)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Load the model, and accept connections."""
        await super().startup(sockets)
        seat = self._seat
        self._acceptor = Acceptor(
            self._sock,
            self._make_protocol,
            lambda: len(self.server_state.connections),
            self._connections.limit,
            table=None if seat is None else seat.table,
            slot=0 if seat is None else seat.slot,
            tls=self._make_tls(),
        )
        if self._is_hung_up:
            self._hang_up()
        self._acceptor.start(self.config.backlog)
        calls = "" if self._calls is None else f" and gRPC on {self._calls.address}"
        logger.info("ready: %s/%s", name_address(self._sock, scheme=self._settings.scheme), calls)
        if seat is not None:
            self._beat(seat.link)

    def _make_tls(self) -> Tls | None:
        context = self.config.ssl
        if context is None:
            return None
        self._on_hangup.append(functools.partial(self._reload_certificate, context))
        return Tls(context, self._settings.header_timeout_s, SHUTDOWN_TIMEOUT_S)

    def _reload_certificate(self, context: ssl.SSLContext) -> None:
        reload_certificate(context, self._settings)
        if self._calls is not None:
            self._calls.reload_certificate()

    def _make_protocol(self) -> asyncio.Protocol:
        make: Callable[..., asyncio.Protocol] = self.config.http_protocol_class  # what `http=` takes
        return make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Empty the backlog, close idle connections, and finish the requests that were taken in."""
        self._connections.held.release_all()  # one may have a request that was not read
        self._acceptor.close()
        await asyncio.sleep(_LAST_ACCEPTED_S)
        # At once, for calls have the same time to finish as requests; the lifespan hook waits for them after these.
        calls = None if self._calls is None else asyncio.create_task(self._calls.stop())
        await super().shutdown(sockets)
        if calls is not None:
            await calls

    def _beat(self, link: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the supervisor stands still, or has gone
            link.send(b".")
        self._acceptor.publish()
        self._loop.call_later(_BEAT_S, self._beat, link)

    def _notice_end_of_supervisor(self) -> None:
        if self._seat is not None:  # it never sends anything: its end is all that there is to read
            self._loop.remove_reader(self._seat.link)
            logger.error("the supervisor has gone: stopping")
            self.is_alone = True
            self.handle_exit(signal.SIGTERM, None)


def make_config(settings: Settings, connections: Connections, make_app: Callable[[], App]) -> uvicorn.Config:
    """Make uvicorn's configuration; the app is made in the process that serves it."""
    return uvicorn.Config(
        lambda: track_answers(make_app()),
        factory=True,
        http=make_protocol(connections),
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        timeout_keep_alive=settings.keep_alive_s,
        # The default on Windows cannot watch a listening socket.
        loop="asyncio:SelectorEventLoop" if sys.platform == "win32" else "auto",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # rest/middleware/forwarded.py reads them, under every server
        server_header=False,
        timeout_graceful_shutdown=round(settings.drain_timeout_s),
    )
