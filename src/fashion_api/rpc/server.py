"""The gRPC server, on the event loop of the process that serves."""

import asyncio
import functools
from typing import Any, Final

import grpc

from fashion_api.rpc import open_inference, tensorflow_serving
from fashion_api.rpc.calls import Calls
from fashion_api.rpc.health import SERVICE as HEALTH
from fashion_api.rpc.health import Health
from fashion_api.rpc.method_server import MethodServer
from fashion_api.rpc.open_calls import OpenCalls
from fashion_api.rpc.reflection import make_reflection
from fashion_api.service.events import RequestEvent
from fashion_api.service.following import ModelFollower
from fashion_api.service.request_log import LEAST_LOGGED, RequestLog
from fashion_api.settings import Settings

_LAST_ANSWERS_S = 1.0
"""How long the last answers may take to be sent."""
_MOST = 2**31 - 1
"""gRPC's options are C's `int`."""
_LEAST_PING_MS = 5000
"""Clients that send pings in order to keep a connection may send one in so many milliseconds."""
_SERVICES = (open_inference.SERVICE, tensorflow_serving.PREDICTION_SERVICE, tensorflow_serving.MODEL_SERVICE)


class CallServer:
    """Answers the calls of gRPC's clients from the service that is in force.

    Args:
        follower: has the service in force.
        address: a host's address and a port, as in `127.0.0.1:9000` or `[::1]:9000`.
        max_connections: the most that there may be.
        shares_port: whether other processes listen on the same port.
        last_calls_s: how long calls may be on their way, and the message to clients that the server ends.
    """

    def __init__(
        self,
        follower: ModelFollower,
        address: str,
        *,
        max_connections: int,
        shares_port: bool = False,
        last_calls_s: float = 0.1,
    ) -> None:
        service = follower.service
        settings = service.settings
        self._follower = follower
        self._settings = settings
        self._health = Health([each.full_name for each in _SERVICES])
        self._log = RequestLog(self._count, least_status=LEAST_LOGGED[settings.log_requests])
        methods = [
            *open_inference.METHODS,
            *tensorflow_serving.METHODS,
            *self._health.methods,
            *make_reflection((*_SERVICES, HEALTH)),
        ]
        self._last_calls_s = last_calls_s
        self._open_calls = OpenCalls(settings, self._reset)
        self._calls = Calls(follower, methods, self._log, self._open_calls)
        self.options: Final = (
            ("grpc.max_receive_message_length", min(settings.max_upload_bytes, _MOST)),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", int(shares_port)),
            ("grpc.max_allowed_incoming_connections", max_connections),
            ("grpc.max_connection_idle_ms", settings.keep_alive_s * 1000),
            ("grpc.server_handshake_timeout_ms", int(settings.header_timeout_s * 1000)),
            ("grpc.http2.min_ping_interval_without_data_ms", _LEAST_PING_MS),
            ("grpc.http2.min_recv_ping_interval_without_data_ms", _LEAST_PING_MS),
            ("grpc.keepalive_permit_without_calls", 1),
        )
        """Those of gRPC's servers (https://grpc.github.io/grpc/core/group__grpc__arg__keys.html)."""
        self._server = MethodServer(self._calls.handlers, self._calls.unknown, self.options)
        self._certificate = _read_certificate(settings)
        self._stopping: asyncio.Task[None] | None = None
        loop = asyncio.get_running_loop()
        service.on_drain.append(functools.partial(loop.call_soon_threadsafe, self._health.stop))
        self.address = address
        """The address that it listens on; before it has started, its port may be 0, for a free one."""

    def _reset(self, task: asyncio.Task[Any]) -> None:
        self._server.reset(task)

    def _count(self, events: list[RequestEvent]) -> None:
        self._follower.service.count(events)

    async def start(self) -> None:
        """Listen, and answer calls from now on.

        Raises:
            SettingsError: the address cannot be listened on.
        """
        address, server = self.address.encode(), self._server
        if self._certificate is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, self._make_credentials(self._certificate))
        if not port:
            reason = f"cannot listen on {self.address}: it is in use, or none of this machine's"
            raise self._settings.make_error("grpc_port", reason)
        self.address = f"{self.address.rpartition(':')[0]}:{port}"
        await server.start()

    def reload_certificate(self) -> None:
        """Have new connections use the certificate's files as they are now.

        Raises:
            SettingsError: they are broken.
        """
        self._certificate = _read_certificate(self._settings)

    def _make_credentials(self, first: grpc.ServerCertificateConfiguration) -> grpc.ServerCredentials:
        known: grpc.ServerCertificateConfiguration | None = first

        def find_new() -> Any:  # noqa: ANN401  # `None` where there is none, which the types know nothing of
            nonlocal known  # gRPC calls this in its threads, at each handshake
            before, known = known, self._certificate
            return None if known is before else known

        return grpc.dynamic_ssl_server_credentials(first, find_new)

    async def stop(self) -> None:
        """Take no more calls, and finish those under way, within the drain limit; may be called again."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop())
        await asyncio.shield(self._stopping)

    async def _stop(self) -> None:
        self._health.stop()
        await self._open_calls.finish(self._settings.drain_timeout_s)
        # From the moment that gRPC's server begins to stop, it resets calls that arrive. So those of clients that wait
        # for each answer are let in before, and answered when their connections know that the server ends.
        await asyncio.sleep(self._last_calls_s)
        shutdown = asyncio.create_task(self._server.shutdown(_LAST_ANSWERS_S))
        await asyncio.sleep(self._last_calls_s)
        self._open_calls.end_all()
        await shutdown
        self._log.flush()


def _read_certificate(settings: Settings) -> grpc.ServerCertificateConfiguration | None:
    certificate, key = settings.tls_cert, settings.tls_key
    if certificate is None or key is None:
        return None
    try:
        return grpc.ssl_server_certificate_configuration([(key.read_bytes(), certificate.read_bytes())])
    except OSError as error:
        raise settings.make_error("tls_cert", f"{error.filename}: {error.strerror}") from error
