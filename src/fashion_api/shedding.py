"""Refusing below the app: when more requests are under way than are allowed, the next is answered as it is parsed.

At twice what one core can answer, half of the requests must be refused, and that must cost next to nothing: refused by
a route, each takes nearly as long as an answer, and little is left to answer with.
"""

import asyncio
import random
import time
from collections.abc import Collection
from http import HTTPStatus
from typing import Any, ClassVar

from pydantic_core import to_json
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from fashion_api.errors import OVERLOADED, PROBLEM_MEDIA_TYPE, PROBLEMS_PATH, RETRY_AFTER_S
from fashion_api.logs import RequestEvent
from fashion_api.request_log import RequestLog

_STATUS_LINE = f"HTTP/1.1 {int(OVERLOADED.status)} {HTTPStatus(OVERLOADED.status).phrase}\r\n".encode()


class _Refused:
    """Stands where uvicorn keeps a request's cycle: of one that is answered, whose body is to be passed over."""

    response_complete = True
    disconnected = False

    def __init__(self) -> None:
        self.message_event = asyncio.Event()


class SheddingProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which refuses requests when too many are under way.

    `limited` makes one with its limits: uvicorn gives a protocol no arguments of ours.
    """

    max_requests: ClassVar[int]
    open_paths: ClassVar[frozenset[bytes]]
    request_log: ClassVar[RequestLog]

    @classmethod
    def limited(
        cls, max_requests: int, *, open_paths: Collection[str], request_log: RequestLog
    ) -> type["SheddingProtocol"]:
        """Make the protocol for a service; requests for `open_paths` are never refused."""
        attributes: dict[str, Any] = {
            "max_requests": max_requests,
            "open_paths": frozenset(path.encode() for path in open_paths),
            "request_log": request_log,
        }
        return type("LimitedSheddingProtocol", (cls,), attributes)

    def on_headers_complete(self) -> None:
        """Start a request, or refuse it."""
        cycle: RequestResponseCycle | None = self.cycle
        is_busy = cycle is not None and not cycle.response_complete  # a pipelined request waits its turn
        if len(self.tasks) < self.max_requests or is_busy or self.url.partition(b"?")[0] in self.open_paths:
            super().on_headers_complete()
            return
        self.cycle = _Refused()  # type: ignore[assignment]  # all of it that is looked at
        self._refuse()
        self.on_response_complete()

    def _refuse(self) -> None:
        request_id = f"{random.getrandbits(128):032x}"  # an id is no secret
        problem = {
            "type": f"{PROBLEMS_PATH}#{OVERLOADED.name}",
            "title": OVERLOADED.title,
            "status": int(OVERLOADED.status),
            "detail": f"{self.max_requests} requests are under way already",
            "instance": self.url.partition(b"?")[0].decode("ascii", errors="replace"),
            "request_id": request_id,
        }
        body = to_json(problem)
        head = b"".join(b"%b: %b\r\n" % header for header in self.server_state.default_headers)
        self.transport.write(
            b"%b%bcontent-type: %b\r\ncontent-length: %d\r\nretry-after: %d\r\nx-request-id: %b\r\n\r\n%b"
            % (_STATUS_LINE, head, PROBLEM_MEDIA_TYPE.encode(), len(body), RETRY_AFTER_S, request_id.encode(), body)
        )
        method = self.parser.get_method().decode("ascii")
        self.request_log.add(RequestEvent(time.time(), method, None, int(OVERLOADED.status), 0.0, request_id))
