"""Requests to an ASGI app in the test's own process and event loop."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.types import ASGIApp, Message, Scope

from fashion_api.rest.app import ServiceApp
from fashion_api.service.service import Service
from tests.raw_http import Answer, make_answer

CALLER = ("127.0.0.1", 50000)


def make_scope(
    method: str,
    target: str,
    headers: Iterable[tuple[bytes, bytes]] = (),
    *,
    http_version: str = "1.1",
    client: tuple[str, int] | None = CALLER,
) -> dict[str, Any]:
    """Make the scope of a request, as a server does."""
    if not target.startswith("/"):
        target = urlsplit(target)._replace(scheme="", netloc="").geturl()
    path, _, query = target.partition("#")[0].partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": http_version,
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode("latin-1"),
        "root_path": "",
        "headers": [(b"host", b"x"), *headers],
        "client": client,
        "server": ("127.0.0.1", 8000),
        "state": {},
    }


class Call:
    """A request under way, whose body comes as the test sends it."""

    def __init__(self, app: ASGIApp, scope: Scope) -> None:
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._messages: list[Message] = []
        self.task = asyncio.ensure_future(app(scope, self._incoming.get, self._send))

    async def _send(self, message: Message) -> None:
        self._messages.append(message)

    def send(self, chunk: bytes = b"", *, more: bool = False) -> None:
        """Send a part of the body: the last one, unless there is more."""
        self._incoming.put_nowait({"type": "http.request", "body": chunk, "more_body": more})

    def disconnect(self) -> None:
        """Go away."""
        self._incoming.put_nowait({"type": "http.disconnect"})

    @property
    def is_answered(self) -> bool:
        """Whether there is a whole response."""
        return bool(self._messages) and not self._messages[-1].get("more_body", False)

    @property
    def raw_headers(self) -> Mapping[str, str]:
        """The headers of the response, those of a hop too."""
        return {name.decode().lower(): value.decode("latin-1") for name, value in self._messages[0]["headers"]}

    async def read_answer(self) -> Answer:
        """Wait for the whole response."""
        await self.task
        start, *rest = self._messages
        assert start["type"] == "http.response.start"
        return make_answer(start["status"], dict(self.raw_headers), b"".join(part.get("body", b"") for part in rest))


def call(  # noqa: PLR0913  # a request has that many parts
    app: ASGIApp,
    method: str,
    target: str,
    headers: Mapping[str, str] | None = None,
    *,
    body: bytes | None = b"",
    http_version: str = "1.1",
    client: tuple[str, int] | None = CALLER,
) -> Call:
    """Send a request; its body is still to come where it is `None`."""
    fields = [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
    if body:
        fields.append((b"content-length", str(len(body)).encode()))
    made = Call(app, make_scope(method, target, fields, http_version=http_version, client=client))
    if body is not None:
        made.send(body)
    return made


async def ask(app: ASGIApp, method: str, target: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Send a request without a body, and read the response."""
    return await call(app, method, target, headers).read_answer()


@contextmanager
def run_app(app: ServiceApp) -> Iterator[asyncio.Runner]:
    """Start an app's service on an event loop of its own, which runs what the test gives it, and stop it."""
    with asyncio.Runner() as runner:
        lifespan = app.router.lifespan_context(app)
        runner.run(lifespan.__aenter__())
        try:
            yield runner
        finally:
            runner.run(lifespan.__aexit__(None, None, None))


@asynccontextmanager
async def running(app: ServiceApp) -> AsyncIterator[Service]:
    """Start an app's service, and stop it."""
    async with app.router.lifespan_context(app):
        assert app.service is not None
        yield app.service
