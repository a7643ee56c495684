"""The service in one process, or in several: its socket, and how it ends."""

import logging
import os
import signal
import socket
import sys
from ipaddress import ip_address

from fashion_api.errors import SettingsError
from fashion_api.server.accepting import name_address
from fashion_api.server.grpc_port import bind, find_address, hold_port
from fashion_api.server.log_queue import flush_log_queues, queue_log_lines
from fashion_api.server.tls import check_certificate
from fashion_api.service.keys import ApiKeys
from fashion_api.service.tracing import check_tracing
from fashion_api.settings import Settings

logger = logging.getLogger(__name__)


def run_server(settings: Settings) -> bool:
    """Serve until SIGTERM or SIGINT, and finish what is under way.

    Returns:
        False where the service could not start; the reason is logged.

    Raises:
        SettingsError: the address cannot be listened on, or a file that the settings name is broken.
        KeyboardInterrupt: Ctrl-C stopped it.
    """
    if settings.workers > 1 and sys.platform == "win32":
        raise SettingsError("FASHION_WORKERS: several workers cannot share a socket on Windows; run one")
    check_tracing(settings)  # here, and not in each worker
    ApiKeys(settings)  # so that a broken file is one line here, and not one of each worker
    check_certificate(settings)
    with hold_port(settings) as held, listen(settings.host, settings.port) as sock:
        _warn_of_strangers(settings, sock)
        queue_log_lines()
        documentation = " (documentation: /docs)" if settings.docs else ""
        calls = "" if held.grpc_port is None else f", and gRPC on {find_address(held)},"
        logger.info(
            "will serve on %s%s%s once the model is loaded",
            name_address(sock, scheme=settings.scheme),
            documentation,
            calls,
        )
        has_started, stop_signal = _run_workers(held, sock) if settings.workers > 1 else _run_here(held, sock)
    if has_started:
        logger.info("stopped")
    is_interrupted = stop_signal == signal.SIGINT
    if not flush_log_queues():  # nobody reads standard error; whoever writes to it now would wait for ever
        os._exit(128 + signal.SIGINT if is_interrupted else int(not has_started))
    if is_interrupted:
        raise KeyboardInterrupt
    return has_started


def _warn_of_strangers(settings: Settings, sock: socket.socket) -> None:
    """Warn where others than this machine's own users can reach the service, and none of them needs a key."""
    host = sock.getsockname()[0].partition("%")[0]  # the scope of an address of IPv6
    if not settings.needs_key and not ip_address(host).is_loopback:
        logger.warning(
            "everybody who can reach %s can use the service: neither FASHION_API_KEYS nor FASHION_API_KEYS_FILE is set",
            host,
        )


def _run_here(settings: Settings, sock: socket.socket) -> tuple[bool, int | None]:
    from fashion_api.server.metrics import serve_metrics  # noqa: PLC0415  # see below
    from fashion_api.server.worker import Worker  # noqa: PLC0415  # a supervisor needs nothing of it

    worker = Worker(settings, sock)
    with serve_metrics(settings, worker.find_registry):
        return worker.run_until_stopped(), worker.stop_signal


def _run_workers(settings: Settings, sock: socket.socket) -> tuple[bool, int | None]:
    from fashion_api.server.metrics import find_shared_registry, serve_metrics  # noqa: PLC0415  # see above
    from fashion_api.server.supervisor import Supervisor  # noqa: PLC0415  # one worker needs none

    supervisor = Supervisor(settings, sock)
    with serve_metrics(settings, find_shared_registry):
        return supervisor.run(), supervisor.stop_signal


def listen(host: str, port: int) -> socket.socket:
    """Take the address, before the model is loaded; connections are refused until a worker listens.

    Raises:
        SettingsError: it is in use, or is none of this machine's.
    """
    try:
        return bind(host, port)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {host} port {port}: {error.strerror}; choose another with --port or FASHION_PORT, "
            "--host or FASHION_HOST"
        ) from error
