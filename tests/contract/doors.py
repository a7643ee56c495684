"""The doors of the service: each takes the bytes of a request, and gives the answer to them."""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

from fashion_api.rest.app import ServiceApp
from tests.asgi import Call, make_scope, run_app
from tests.contract.table import Expectation
from tests.raw_http import Answer, connect
from tests.servers import ServerProcess, serve, serve_app

Ask = Callable[[Expectation], Answer]


class House(NamedTuple):
    """A service that has all the doors."""

    make_app: Callable[[], ServiceApp]
    """Makes its app in this process."""
    app: str
    """Where servers import the same app from."""
    environment: Mapping[str, str]
    """What they run it with."""


class Door(NamedTuple):
    """A way into a service."""

    open: Callable[[House], AbstractContextManager[Ask]]
    server: str = ""
    """The server that parses the requests, if one does."""
    needs_model: bool = False
    """Whether it leads to the real model only."""


@contextmanager
def _open_app(house: House, *, has_fast_path: bool = True) -> Iterator[Ask]:
    app = house.make_app()
    if not has_fast_path:
        app.operations = ()
    with run_app(app) as runner:
        yield lambda expectation: runner.run(_ask_app(app, expectation.raw))


async def _ask_app(app: ServiceApp, raw: bytes) -> Answer:
    head, body = (raw if b"\r\n" in raw else raw.replace(b"\n", b"\r\n")).split(b"\r\n\r\n", 1)
    line, *fields = head.decode("latin-1").split("\r\n")
    method, target, version = line.split(" ")
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in (f.split(": ", 1) for f in fields)]
    given = dict(headers)
    call = Call(app, make_scope(method, target, headers[1:], http_version=version.removeprefix("HTTP/")))
    if b"transfer-encoding" in given:
        for chunk in _read_chunks(body):
            call.send(chunk, more=True)
        call.send()
    elif int(given.get(b"content-length", 0)) == len(body):
        middle = len(body) // 2
        call.send(body[:middle], more=True)
        call.send(body[middle:])
    return await call.read_answer()


def _read_chunks(body: bytes) -> Iterator[bytes]:
    size, rest = body.split(b"\r\n", 1)
    while length := int(size, 16):
        yield rest[:length]
        size, rest = rest[length + 2 :].split(b"\r\n", 1)


def _ask(server: ServerProcess) -> Ask:
    def ask(expectation: Expectation) -> Answer:
        with connect(server.address) as connection:
            answer = connection.ask(expectation.raw)
            if expectation.ends:
                assert connection.read_rest() == b""
            return answer

    return ask


def _serve_by(name: str) -> Door:
    @contextmanager
    def open_door(house: House) -> Iterator[Ask]:
        with serve_app(name, house.app, **house.environment) as server:
            yield _ask(server)

    return Door(open_door, server=name)


@contextmanager
def _open_command(house: House) -> Iterator[Ask]:
    with serve(**house.environment) as server:
        yield _ask(server)


DOORS: Mapping[str, Door] = {
    "app": Door(_open_app),
    "routes": Door(functools.partial(_open_app, has_fast_path=False)),
    "uvicorn": _serve_by("uvicorn"),
    "granian": _serve_by("granian"),
    "hypercorn": _serve_by("hypercorn"),
    "command": Door(_open_command, server="uvicorn", needs_model=True),
}
"""In this process, with and without the fast path; under each server; and by `fashion-api serve`."""
REFERENCE = "app"
"""The door whose answers every other must give, in every byte."""
