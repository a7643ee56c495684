"""What ASGI cannot see of a connection: heads that do not end, silence, upgrade offers, bytes that are no HTTP.

A connection whose request was refused for overload is not read for a while, so that TCP holds up its caller.

`GuardedConnection` stands between the transport and the server's own protocol. It hands requests on once their heads
are whole and valid, and knows bytes, timers and counts, but no request's meaning. It relies on:

- the methods of `asyncio.Protocol` and `asyncio.Transport`;
- uvicorn's parameter `http=`, and that uvicorn makes its protocols with keywords, among them `app_state`;
- the `state` of an ASGI scope, which has all that `app_state` has. By it `track_answers` finds a request's connection.

Under other ASGI servers none of this is in force; docs/explanation/security.md says which limits are theirs.
"""

import asyncio
import functools
import logging
import math
import re
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from fashion_api.errors import FashionError, HeadTimeoutError, OverloadedError
from fashion_api.rest.problems import explain, is_overload, write_problem
from fashion_api.rest.scope import REFUSAL_KEY, Refusal
from fashion_api.server.accepting import MAX_HANDSHAKES
from fashion_api.server.framing import Body, ChunkedBody, Head, SizedBody, drop_offers, read_head
from fashion_api.server.gathering import GatheringTransport
from fashion_api.server.grpc_port import find_max_connections
from fashion_api.server.held_connections import HeldConnections
from fashion_api.service.request_log import make_request_id
from fashion_api.settings import Settings
from fashion_api.wire.operation import Reply

logger = logging.getLogger(__name__)

HEALTH_PATHS = ("/livez", "/readyz", "/v2/health/live", "/v2/health/ready")
MAX_GUESTS = 32
"""The most connections beyond the limit; they may ask for health."""
_RESERVED_FILES = MAX_GUESTS + 64
_GUEST_TIMEOUT_S = 1.0
_LINGER_S = 2.0
"""How long a caller may go on sending after a refusal; a connection closed earlier is reset, and the refusal lost."""
_WARN_EVERY_S = 60.0
_NEVER = 2**62

_STATE_KEY = "fashion_api.connection"
_PATH = re.compile(rb"[A-Z]+ (/[!->@-~]*)")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Connections:
    """The open connections of a process: their limits, their counts, and a clock that they share.

    The clock counts turns of a timer. After the event loop was stuck it has moved on by one, so that no connection is
    closed for the time in which the service did not read.

    Beyond the limit there is room for `MAX_GUESTS` more: a guest is closed after one answer or one second, and only
    requests for health are let through; all others are refused. When there is no room for a guest either, the one that
    has been silent for longest is closed. A probe sends its request as it connects, and is answered before that.
    """

    def __init__(self, settings: Settings) -> None:
        self.open: set[GuardedConnection] = set()
        """All of them, guests too."""
        self.guests: dict[GuardedConnection, None] = {}
        """Those beyond the limit, the oldest first."""
        self.count_refusal: Callable[[int, str], None] = lambda _status, _kind: None
        """Counts a refusal by its status and its kind of problem."""
        handshakes = 0 if settings.tls_cert is None else MAX_HANDSHAKES
        reserved = _RESERVED_FILES + handshakes + find_max_connections(settings)
        self.limit = _fit_open_files(settings.max_connections, reserved)
        self.head_timeout_s = settings.header_timeout_s
        self.body_timeout_s = settings.request_timeout_s + settings.header_timeout_s
        """More than the app takes to answer that a body is late."""
        self.held = HeldConnections(min(settings.keep_alive_s, self.body_timeout_s))
        """Those that are not read for now."""
        self.keep_alive_s = float(settings.keep_alive_s)
        """How long a connection may be idle, or its caller read nothing."""
        self._root_path = settings.root_path
        self._health_targets = {f"{root}{path}".encode() for root in ("", settings.root_path) for path in HEALTH_PATHS}
        self._turn_s = min(1.0, settings.header_timeout_s / 4)
        self._turns = 0
        self._timer: asyncio.TimerHandle | None = None
        self._warned_at_s = -math.inf

    def add(self, connection: "GuardedConnection") -> bool:
        """Take in a new connection; gives whether it is a guest."""
        is_guest = len(self.open) - len(self.guests) >= self.limit
        self.open.add(connection)
        if is_guest:
            self.guests[connection] = None
            self._warn()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._turn_s, self._turn)
        return is_guest

    def discard(self, connection: "GuardedConnection") -> None:
        """Forget a connection that is over."""
        self.open.discard(connection)
        self.guests.pop(connection, None)
        self.held.discard(connection)

    def make_room(self) -> None:
        """Close the guest that has been silent for longest, or else the newest, where there are too many."""
        if len(self.guests) > MAX_GUESTS:
            silent = (guest for guest in self.guests if not guest.is_busy)
            next(silent, next(reversed(self.guests))).turn_away()

    def is_for_health(self, target: bytes) -> bool:
        """Tell whether guests may ask for it."""
        return target.partition(b"?")[0] in self._health_targets

    def write_refusal(self, error: FashionError, head: bytes, count: Callable[[int, str], None]) -> bytes:
        """Write the answer to a request that is refused; `head` is as much of it as is known."""
        request_id = make_request_id()
        found = _PATH.match(head)
        path = found[1].decode() if found else ""
        problem = explain(error, request_id=request_id)
        of_route = path.partition("?")[0].removeprefix(self._root_path)
        reply = write_problem(problem, path=of_route, instance=path, request_id=request_id)
        count(reply.status, problem.kind.name)
        logger.debug("refused with %d: %s (%s)", reply.status, problem.detail, request_id)
        return _write_reply(reply, request_id, is_for_head=head.startswith(b"HEAD "))

    def after(self, seconds: float) -> int:
        """Give the turn of the clock at which so much time has passed."""
        return self._turns + math.ceil(seconds / self._turn_s) + 1

    def _turn(self) -> None:
        self._turns += 1
        self._timer = asyncio.get_running_loop().call_later(self._turn_s, self._turn) if self.open else None
        for connection in tuple(self.open):
            connection.check(self._turns)

    def _warn(self) -> None:
        now_s = time.monotonic()
        if now_s - self._warned_at_s >= _WARN_EVERY_S:
            self._warned_at_s = now_s
            message = "%d connections are open (FASHION_MAX_CONNECTIONS): on new ones only health is answered"
            logger.warning(message, self.limit)


class GuardedConnection(asyncio.Protocol):
    """One connection, in front of the server's own protocol.

    That has one request at a time: what comes behind it waits until the app has answered. So a refusal is written when
    every request before it has been answered, and ends the connection.

    Args:
        connections: those of the process.
        app_state: what the server puts into each scope's `state`.
        inner: makes the server's own protocol.
        options: what else that is made with.
    """

    def __init__(
        self,
        connections: Connections,
        *,
        app_state: dict[str, Any],
        inner: Callable[..., asyncio.Protocol],
        **options: object,
    ) -> None:
        self._connections = connections
        self._refusals: list[Refusal] = []
        """The refusal of a request that the app has begun with."""
        self._inner = inner(app_state={**app_state, _STATE_KEY: self, REFUSAL_KEY: self._refusals}, **options)
        self._transport: asyncio.Transport
        self._answers: GatheringTransport
        self._is_guest = False
        self._rest = b""
        """What has come and is not taken yet, from `_rest_start` on: half a head, or what waits for an answer."""
        self._rest_start = 0
        self._body: Body | None = None
        """What is missing of the request that was handed on."""
        self._head = b""
        """Its head, while its body is arriving."""
        self.is_busy = False
        """Whether that is not answered yet, or the connection is held."""
        self._has_sent = False
        """Whether its answer began before its body had come."""
        self._is_refused = False
        self._is_ending = False
        self._due = _NEVER
        self._idle_due = _NEVER
        self._write_due = _NEVER

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the time that a new connection has."""
        self._transport = cast("asyncio.Transport", transport)
        self._is_guest = self._connections.add(self)
        self._due = self._connections.after(_GUEST_TIMEOUT_S if self._is_guest else self._connections.head_timeout_s)
        self._answers = GatheringTransport(self._transport, self._close)
        self._inner.connection_made(cast("asyncio.Transport", self._answers))
        self._connections.make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the server's protocol."""
        self._connections.discard(self)
        self._lose_inner(exc)

    def eof_received(self) -> bool | None:
        """Tell the server's protocol."""
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        """Start the time in which the caller must read something."""
        self._write_due = self._connections.after(self._connections.keep_alive_s)
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Stop it."""
        self._write_due = _NEVER
        self._inner.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Hand on what is right, and refuse the rest."""
        if self._is_refused:
            return
        if self._rest:
            data = self._rest[self._rest_start :] + data
            self._rest = b""
        self._take(data, 0)
        if self._rest and self.is_busy:
            self._answers.hold()

    def _take(self, data: bytes, position: int) -> None:
        """Take what there is from `position` on, up to what must wait for an answer."""
        try:
            while position < len(data):
                if self._body is not None:
                    position = self._take_body(self._body, data, position)
                elif not self.is_busy:
                    position = self._take_head(data, position)
                else:
                    self._rest, self._rest_start = data, position
                    return
        except FashionError as error:
            self._refuse(error, data[position:] if self._body is None else self._head)

    def _take_head(self, data: bytes, start: int) -> int:
        """Hand on the head that begins at `start`, with what there is of its body; gives the position behind."""
        while data.startswith(b"\r\n", start):  # RFC 9112, section 2.2
            start += 2
        head = read_head(data, start)
        if head is None:
            self._rest, self._rest_start = data[start:], 0
            if self._rest and self._due == _NEVER:
                self._due = self._connections.after(self._connections.head_timeout_s)
                self._idle_due = _NEVER
            return len(data)
        text = self._rewrite(data[start : head.end], head) if head.has_offer or self._is_guest else None
        end = head.end + (head.body_bytes or 0)
        if head.body_bytes is None:
            self._body = ChunkedBody()
        elif end > len(data):
            self._body, end = SizedBody(end - len(data)), len(data)
        self._due = self._idle_due = _NEVER
        if self._body is not None:
            self._head = data[start : head.end]
            self._due = self._connections.after(self._connections.body_timeout_s)
        self.is_busy = True
        self._has_sent = False
        self._inner.data_received(data[start:end] if text is None else text + data[head.end : end])
        return end

    def _rewrite(self, text: bytes, head: Head) -> bytes:
        """Leave out offers, and have a guest's connection closed after the answer."""
        if self._is_guest:
            if not self._connections.is_for_health(head.target):
                raise OverloadedError("too many connections are open; on new ones only health is answered")
            text = text[:-2] + b"Connection: close\r\n\r\n"
        return drop_offers(text)

    def _take_body(self, body: Body, data: bytes, start: int) -> int:
        passed, end = body.read(data, start)
        if body.is_whole:
            self._body = None
            self._due = _NEVER
            if not self.is_busy:
                self._be_idle()
        if passed:
            self._inner.data_received(passed)
        return end

    def watch(self, send: Send) -> Send:
        """Give what the app is to answer the request with, so that an answer is noticed which does not wait for it."""
        if self._body is None:
            return send

        async def watched(message: Message) -> None:
            self._has_sent = True
            await send(message)

        return watched

    def end_answer(self, *, is_overload: bool) -> None:
        """Send the answer, and go on with what has come behind its request, unless the connection is held now."""
        self._answers.flush()
        if not is_overload:
            self._connections.held.count_answer()
        elif not (self._is_refused or self._transport.is_closing()):
            self._connections.held.add(self)
            self._answers.hold()
            return
        self.go_on()

    def go_on(self) -> None:
        """Go on with what has come behind the request that was answered."""
        self.is_busy = False
        if self._body is None:
            self._be_idle()
        if self._rest or self._answers.is_held or self._is_refused:
            asyncio.get_running_loop().call_soon(self._go_on)

    def _be_idle(self) -> None:
        """Start the time until the next request; the server's own ends with the body of one that was answered."""
        self._idle_due = self._connections.after(self._connections.keep_alive_s)

    def _go_on(self) -> None:
        if self._transport.is_closing():
            return
        if self._is_refused:
            self._end()
        elif not self.is_busy:
            rest, self._rest = self._rest, b""
            self._take(rest, self._rest_start)
        if self._answers.is_held and not (self._rest and self.is_busy):
            self._answers.release()

    def _refuse(self, error: FashionError, head: bytes) -> None:
        """Write the problem and end the connection; `head` is the beginning of what is refused."""
        self._is_refused = True
        self._rest = b""
        self._due = _NEVER
        is_late = self._body is not None  # the head was handed on, and the body has gone wrong
        if is_late and self.is_busy and self._has_sent:
            return  # two answers to one request would be one too many; see `_go_on`
        is_answered = is_late and not self.is_busy
        if is_late:  # whoever waits for the rest is told that none comes
            self._lose_inner(ConnectionAbortedError())
        self._answers.flush()
        if not is_answered:
            count = self._connections.count_refusal if not is_late else self._note_refusal
            self._transport.write(self._connections.write_refusal(error, head, count))
        self._end()

    def _note_refusal(self, status: int, kind: str) -> None:
        """Have the app count the refusal with the request that it is the answer to."""
        self._refusals.append(Refusal(status, kind))

    def _close(self) -> None:
        """Close the connection as the server wants it; who is still sending a body is to read the answer before."""
        if self._body is None:
            self._transport.close()
        else:
            self._is_refused = True
            self._end()

    def _end(self) -> None:
        """End the connection when the caller has read what was written, or after a while."""
        if self._is_ending or self._transport.is_closing():
            return
        self._is_ending = True
        if self._transport.can_write_eof():
            self._answers.resume_reading()  # what comes is dropped, and the server may have paused it for good
            self._transport.write_eof()
            self._due = self._connections.after(_LINGER_S)
        else:
            self._transport.close()

    def _lose_inner(self, exc: Exception | None) -> None:
        inner, self._inner = self._inner, asyncio.Protocol()  # whose methods do nothing; and no circle stays
        inner.connection_lost(exc)

    def turn_away(self) -> None:
        """Make room for a newer guest."""
        if not self._is_refused:
            self._refuse(OverloadedError("too many connections are open"), b"")
        self._transport.close()

    def check(self, turn: int) -> None:
        """End what has taken too long."""
        if turn >= self._write_due:
            self._transport.abort()
        elif self._transport.is_closing():  # but what was written has not been read yet
            self._write_due = min(self._write_due, self._connections.after(self._connections.head_timeout_s))
        elif turn >= min(self._due, self._idle_due):
            self._give_up()

    def _give_up(self) -> None:
        if self._is_refused:
            self._transport.close()
        elif self._is_guest:
            self.turn_away()
        elif self._rest:
            error = HeadTimeoutError(f"a head has {self._connections.head_timeout_s:g} seconds to arrive")
            self._refuse(error, self._rest)
        else:
            self._transport.close()


def make_protocol(
    connections: Connections, *, inner: Callable[..., asyncio.Protocol] = AutoHTTPProtocol
) -> type[asyncio.Protocol]:
    """Give what uvicorn takes as `http=`: it is called as a class is, and nothing else."""
    make = functools.partial(GuardedConnection, connections, inner=inner)
    return cast("type[asyncio.Protocol]", make)


def track_answers(app: App) -> App:
    """Wrap an ASGI app so that each connection knows which of its requests are answered, and which refused."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        connection = scope.get("state", {}).get(_STATE_KEY)
        if connection is None:
            await app(scope, receive, send)
            return
        try:
            await app(scope, receive, connection.watch(send))
        finally:
            connection.end_answer(is_overload=is_overload(scope))

    return serve


def _write_reply(reply: Reply, request_id: str, *, is_for_head: bool) -> bytes:
    fields = {
        "date": formatdate(usegmt=True),
        "content-type": reply.media_type,
        "content-length": str(len(reply.body)),
        "x-request-id": request_id,
        "x-content-type-options": "nosniff",
        "connection": "close",
    }
    lines = (f"{name}: {value}\r\n" for name, value in fields.items())
    more = b"".join(b"%b: %b\r\n" % field for field in reply.headers)
    text = f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}\r\n{''.join(lines)}"
    return text.encode() + more + b"\r\n" + (b"" if is_for_head else reply.body)


def _fit_open_files(limit: int, reserved: int) -> int:
    """Give how many connections leave the process so many files for the rest of its work."""
    if sys.platform == "win32":  # which has no such limit
        return limit
    import resource  # noqa: PLC0415  # see above

    open_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = max(1, open_files - reserved) if open_files != resource.RLIM_INFINITY else limit
    if room < limit:
        message = "FASHION_MAX_CONNECTIONS is %d; at most %d connections are accepted, for ulimit -n is %d"
        logger.warning(message, limit, room, open_files)
    return min(limit, room)
