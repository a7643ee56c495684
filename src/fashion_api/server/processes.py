"""The service under uvicorn: its socket, its worker processes, and how it stops."""

import contextlib
import functools
import logging
import signal
import socket

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from fashion_api.errors import SettingsError
from fashion_api.rest.app import create_app
from fashion_api.server.connection import App, Connections, make_protocol, track_answers
from fashion_api.server.logs import configure_logging
from fashion_api.server.process import own_process
from fashion_api.settings import Settings

logger = logging.getLogger(__name__)


def run_server(settings: Settings) -> bool:
    """Serve until SIGTERM or SIGINT, and finish what is under way.

    Returns:
        False where the service could not start; the reason is logged.

    Raises:
        SettingsError: the address cannot be listened on.
        KeyboardInterrupt: Ctrl-C stopped it.
    """
    sock = bind(settings.host, settings.port)
    config = make_config(settings)
    host, port = sock.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    logger.info("will serve on http://%s:%d (documentation: /docs) once the model is loaded", shown, port)
    # uvicorn raises the signal that ended it once more when it is done.
    signal.signal(signal.SIGTERM, lambda *_: None)
    with sock:
        try:
            has_started = _run_workers(config, sock) if settings.workers > 1 else _run_here(config, sock)
        except KeyboardInterrupt:  # uvicorn has stopped as it does on SIGTERM
            logger.info("stopped")
            raise
    if has_started:
        logger.info("stopped")
    return has_started


def _run_here(config: uvicorn.Config, sock: socket.socket) -> bool:
    server = uvicorn.Server(config)
    with contextlib.suppress(SystemExit):  # how uvicorn says that the lifespan hook has failed
        server.run(sockets=[sock])
    return server.started


def _run_workers(config: uvicorn.Config, sock: socket.socket) -> bool:
    supervisor = Multiprocess(config, sockets=[sock])
    supervisor.run()
    return all(process.exitcode != STARTUP_FAILURE for process in supervisor.processes)


def make_config(settings: Settings) -> uvicorn.Config:
    """Make uvicorn's configuration; the app is made in the process that serves it."""
    return uvicorn.Config(
        functools.partial(make_app, settings),
        factory=True,
        http=make_protocol(Connections(settings)),
        timeout_keep_alive=settings.keep_alive_s,
        workers=settings.workers,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # rest/middleware/forwarded.py reads them, under every server
        server_header=False,
        timeout_graceful_shutdown=round(settings.drain_timeout_s),
    )


def make_app(settings: Settings) -> App:
    """Make the app in the process that serves it."""
    configure_logging(settings)
    return track_answers(create_app(settings, lifespan=own_process))


def bind(host: str, port: int) -> socket.socket:
    """Take the address, before the model is loaded; connections are refused until uvicorn listens.

    Raises:
        SettingsError: it is in use, or is none of this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
        except OSError:
            sock.close()
            raise
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {host} port {port}: {error.strerror}; choose another with FASHION_HOST and FASHION_PORT"
        ) from error
    sock.set_inheritable(True)
    return sock
