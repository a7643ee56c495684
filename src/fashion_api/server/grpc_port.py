"""The port for gRPC: taken before the model is loaded, and served beside HTTP, on the same event loop.

gRPC binds its port itself. Several workers can then share it by SO_REUSEPORT, but so could another service, unnoticed;
so the port is bound here first, without that option, and held by a socket that never listens.
"""

import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING

from fashion_api.errors import SettingsError
from fashion_api.service.following import ModelFollower
from fashion_api.settings import Settings

if TYPE_CHECKING:
    from fashion_api.rpc.server import CallServer

logger = logging.getLogger(__name__)

INSTALL_GRPC = "pip install 'grpcio>=1.85,<1.86' grpcio-health-checking grpcio-reflection"
"""What installs the extra `grpc`."""
_MODULES = ("grpc", "grpc_health", "grpc_reflection")
_SHARE_OF_FILES = 4
CAN_SHARE = hasattr(socket, "SO_REUSEPORT")
"""Whether several processes can listen on one port; on Windows they cannot."""


@contextmanager
def hold_port(settings: Settings) -> Iterator[Settings]:
    """Hold the port for gRPC, if the settings name one; gives settings that have its number.

    Raises:
        SettingsError: gRPC is not installed, or the port is in use, or each of several workers would pick another one.
    """
    port = settings.grpc_port
    if port is None:
        yield settings
        return
    check_installed(settings)
    if port == 0 and settings.workers > 1:
        raise settings.make_error("grpc_port", "0 picks a free port, but several workers share one: name it")
    try:
        sock = bind(settings.host, port)
    except OSError as error:
        raise settings.make_error(
            "grpc_port", f"cannot listen on {settings.host} port {port}: {error.strerror}; choose another port"
        ) from error
    with sock:
        if CAN_SHARE:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # for the workers
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)  # which lets others in while nobody listens
        found = settings.model_copy(update={"grpc_port": sock.getsockname()[1]})
        if not CAN_SHARE:
            sock.close()
        yield found


def check_installed(settings: Settings) -> None:
    """Check that what gRPC needs is installed.

    Raises:
        SettingsError: it is not.
    """
    if any(find_spec(module) is None for module in _MODULES):
        raise settings.make_error("grpc_port", f"gRPC, the extra `grpc`, is not installed: {INSTALL_GRPC}")


def bind(host: str, port: int) -> socket.socket:
    """Make a socket that is bound to an address, and does not listen.

    Raises:
        OSError: the address is in use, or is none of this machine's.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


def find_address(settings: Settings) -> str:
    """Give the address for gRPC, as in `127.0.0.1:9000` or `[::1]:9000`.

    Raises:
        OSError: there is no such host.
    """
    host = socket.getaddrinfo(settings.host, None, type=socket.SOCK_STREAM)[0][4][0]
    return f"[{host}]:{settings.grpc_port}" if ":" in str(host) else f"{host}:{settings.grpc_port}"


def find_max_connections(settings: Settings) -> int:
    """Give how many connections there may be to the port for gRPC; each takes many calls, and a file of the process.

    It is no more than a quarter of the files that the process may open, for HTTP needs them too.
    """
    if settings.grpc_port is None:
        return 0
    if sys.platform == "win32":  # which has no such limit
        return settings.max_connections
    import resource  # noqa: PLC0415  # Windows has none

    open_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if open_files == resource.RLIM_INFINITY:
        return settings.max_connections
    return min(settings.max_connections, max(1, open_files // _SHARE_OF_FILES))


@contextmanager
def _start_threads_politely() -> Iterator[None]:
    """Have threads that begin in the block not interrupt others when they wake, as Linux otherwise lets them.

    gRPC reads from its connections in threads. Each packet woke one in the middle of what the event loop was doing,
    and the loop went on with cold caches: on one core, a call took a quarter more.
    """
    if sys.platform != "linux" or os.sched_getscheduler(0) != os.SCHED_OTHER:
        yield
        return
    nothing = os.sched_param(0)
    with suppress(OSError):  # a sandbox may not allow it
        os.sched_setscheduler(0, os.SCHED_BATCH, nothing)
    try:
        yield
    finally:
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_OTHER, nothing)


@asynccontextmanager
async def serve_calls(follower: ModelFollower, *, shares_port: bool) -> AsyncIterator["CallServer | None"]:
    """Answer calls while the block runs, and finish those under way; `None` where the settings name no port.

    Raises:
        SettingsError: the port cannot be listened on.
    """
    settings = follower.service.settings
    if settings.grpc_port is None:
        yield None
        return
    check_installed(settings)
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # else gRPC's core writes of what callers send, in its own form

    from fashion_api.rpc.server import CallServer  # noqa: PLC0415  # only where it is used

    # It logs what callers send, keys too, where that is not UTF-8. What goes wrong with a call, rpc/ logs itself.
    logging.getLogger("grpc").setLevel(logging.CRITICAL)
    most = find_max_connections(settings)
    try:
        with _start_threads_politely():
            calls = CallServer(follower, find_address(settings), max_connections=most, shares_port=shares_port)
            await calls.start()
    except SettingsError as error:
        logger.critical("cannot start: %s", error)
        raise
    try:
        yield calls
    finally:
        await calls.stop()
