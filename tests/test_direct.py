"""Requests that are answered below the app: the same answers as through the app, to good, bad and odd requests."""

import asyncio
import contextlib
import gc
import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

import pytest
import uvicorn
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from fashion_api import schemas
from fashion_api.app import OPEN_PATHS, OPERATIONS, create_app
from fashion_api.exchange import Exchange
from fashion_api.operations import Operation
from fashion_api.protocol import ServiceProtocol
from fashion_api.refusal import read_plain_request
from fashion_api.settings import Settings
from tests import pictures
from tests.fakes import NovelClassifier, fake_test_set, load_fake_test_set, model_loader

LIMIT_S = 60.0
SMALL_BUFFER_BYTES = 4096
INDEX_ROUTE = "/api/v1/test-images/9/prediction"
JSON_ROUTE = "/api/v1/predictions"
UPLOAD_ROUTE = "/api/v1/predictions/upload"
BOOT = json.dumps({"images": [fake_test_set().images[9].tolist()]}).encode()
PNG = pictures.grey_png()
FORM = (
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    + PNG
    + b"\r\n--x--\r\n"
)


class RawResponse(NamedTuple):
    """A response as it went over the wire, without what differs every time."""

    status: int
    headers: dict[str, str]
    body: bytes


class Server(NamedTuple):
    """A running server."""

    address: tuple[str, int]
    asked: list[str]
    """The paths of the requests that have come to its app."""


@contextmanager
def serving(
    settings: Settings, operations: Sequence[Operation], *, max_requests: int = 128, keep_alive_s: int = 5
) -> Iterator[Server]:
    """A server on a thread of its own, that answers these operations below the app."""
    app = create_app(settings, load_model=model_loader(NovelClassifier()), load_test_set=load_fake_test_set)
    asked: list[str] = []

    async def count(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append(scope.get("path", ""))
        await app(scope, receive, send)

    config = uvicorn.Config(
        count, log_config=None, ws="none", lifespan="on", server_header=False, timeout_keep_alive=keep_alive_s
    )
    config.load()
    config.http_protocol_class = ServiceProtocol.serving(
        app.state, max_requests=max_requests, open_paths=OPEN_PATHS, operations=operations
    )
    server = uvicorn.Server(config)
    sock = socket.create_server(("127.0.0.1", 0))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER_BYTES)  # of every connection to it
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[sock])))
    thread.start()
    try:
        yield Server(sock.getsockname()[:2], asked)
    finally:
        server.should_exit = True
        thread.join()


def request(method: str, target: str, *headers: str, body: bytes = b"", version: str = "1.1") -> bytes:
    """Write out a request; the body's length is told where there is one."""
    lines = [f"{method} {target} HTTP/{version}", "Host: x", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, "", "")).encode("latin-1") + body


def post(target: str, media_type: str, body: bytes, *headers: str) -> bytes:
    """Write out a POST request."""
    return request("POST", target, f"Content-Type: {media_type}", *headers, body=body)


def ask(server: Server, raw: bytes) -> RawResponse:
    """Send bytes on a connection of their own, and read the response to them."""
    with socket.create_connection(server.address, timeout=LIMIT_S) as sock, sock.makefile("rb") as file:
        sock.sendall(raw)
        return read_response(file, has_body=not raw.startswith(b"HEAD"))


def read_response(file: BinaryIO, *, has_body: bool = True) -> RawResponse:
    """Read one response, passing over interim ones."""
    status = 100
    while status < 200:
        status = int(file.readline().split()[1])
        lines = iter(file.readline, b"\r\n")
        headers = dict(line.decode("latin-1").rstrip("\r\n").split(": ", 1) for line in lines)
    body = file.read(int(headers.get("content-length", 0))) if has_body else b""
    given = headers.pop("x-request-id")
    del headers["date"]
    return RawResponse(status, headers, body.replace(given.encode(), b"ID"))


REQUESTS: dict[str, bytes] = {
    "index": request("GET", INDEX_ROUTE),
    "index with a query": request("GET", INDEX_ROUTE + "?x=1"),
    "index with a coverage": request("GET", INDEX_ROUTE + "?coverage=0.9"),
    "index with a bad coverage": request("GET", INDEX_ROUTE + "?coverage=2"),
    "JSON with a coverage": post(JSON_ROUTE + "?coverage=0.99", "application/json", BOOT),
    "JSON with a bad coverage": post(JSON_ROUTE + "?coverage=x", "application/json", BOOT),
    "index with a fragment": request("GET", INDEX_ROUTE + "#x"),
    "index of none": request("GET", "/api/v1/test-images/30/prediction"),
    "index below zero": request("GET", "/api/v1/test-images/-1/prediction"),
    "index of no number": request("GET", "/api/v1/test-images/x/prediction"),
    "index with leading zeros": request("GET", "/api/v1/test-images/009/prediction"),
    "index of other digits": request("GET", "/api/v1/test-images/%D9%A9/prediction"),
    "index of 5000 digits": request("GET", f"/api/v1/test-images/{'9' * 5000}/prediction"),
    "escaped address": request("GET", "/api/v1/test-images/%39/prediction"),
    "whole address": request("GET", "http://x" + INDEX_ROUTE),
    "slash at the end": request("GET", INDEX_ROUTE + "/"),
    "index with a body": request("GET", INDEX_ROUTE, body=b"abc"),
    "HEAD": request("HEAD", INDEX_ROUTE),
    "OPTIONS": request("OPTIONS", INDEX_ROUTE),
    "PUT": request("PUT", JSON_ROUTE, body=BOOT),
    "HTTP/1.0": request("GET", INDEX_ROUTE, version="1.0"),
    "close": request("GET", INDEX_ROUTE, "Connection: close"),
    "upgrade": request("GET", INDEX_ROUTE, "Connection: Upgrade", "Upgrade: h2c"),
    "array": post(JSON_ROUTE, "application/json", BOOT),
    "array of other JSON": post(JSON_ROUTE, "application/x+json; charset=utf-8", BOOT),
    "two media types": post(JSON_ROUTE, "application/json", BOOT, "Content-Type: text/plain"),
    "no media type": request("POST", JSON_ROUTE, body=BOOT),
    "not JSON": post(JSON_ROUTE, "application/json", b"{"),
    "wrong pixel": post(JSON_ROUTE, "application/json", b'{"images": [[[256]]]}'),
    "many faults": post(JSON_ROUTE, "application/json", b'{"images": [' + b"null, " * 30 + b"null]}"),
    "text": post(JSON_ROUTE, "text/plain", BOOT),
    "no body": request("POST", JSON_ROUTE, "Content-Type: application/json"),
    "body of no bytes": request("POST", JSON_ROUTE, "Content-Type: application/json", "Content-Length: 0"),
    "body over the bound": post(JSON_ROUTE, "application/json", BOOT + b" " * 70_000),
    "body over the limit": post(JSON_ROUTE, "application/json", BOOT + b" " * 200_000),
    "length over the limit": request("POST", JSON_ROUTE, "Content-Type: application/json", "Content-Length: 99999999"),
    "continue": post(JSON_ROUTE, "application/json", BOOT, "Expect: 100-continue"),
    "chunks": request("POST", JSON_ROUTE, "Content-Type: application/json", "Transfer-Encoding: chunked")
    + b"%x\r\n%b\r\n0\r\n\r\n" % (len(BOOT), BOOT),
    "multipart": post(UPLOAD_ROUTE, "multipart/form-data; boundary=x", FORM),
    "multipart without a boundary": post(UPLOAD_ROUTE, "multipart/form-data", FORM),
    "raw": post(UPLOAD_ROUTE, "image/png", PNG),
    "raw of another type": post(UPLOAD_ROUTE, "image/png", pictures.TEXT_FILE),
    "raw and broken": post(UPLOAD_ROUTE, "image/png", pictures.truncated_png()),
    "upload of a text": post(UPLOAD_ROUTE, "text/plain", PNG),
    "request id": request("GET", INDEX_ROUTE, "X-Request-ID: mine"),
    "odd request id": request("GET", INDEX_ROUTE, "X-Request-ID: not sane"),
    "not HTTP": b"no HTTP\r\n\r\n",
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """A server that answers below the app, and one that does not."""
    settings = Settings(_env_file=None, cache_dir=tmp_path_factory.mktemp("cache"), max_upload_bytes=100_000)
    with serving(settings, OPERATIONS) as direct, serving(settings, ()) as plain:
        yield direct, plain


@pytest.mark.parametrize("raw", REQUESTS.values(), ids=REQUESTS.keys())
def test_answer_is_the_same_on_both_paths(servers: tuple[Server, Server], raw: bytes) -> None:
    """Whatever is asked, the answer below the app is that of the app: status, headers and body."""
    below, through = (ask(server, raw) for server in servers)
    assert below == through


@pytest.mark.parametrize("name", ["index", "index with a query", "array", "multipart", "raw", "wrong pixel", "text"])
def test_plain_request_does_not_come_to_the_app(servers: tuple[Server, Server], name: str) -> None:
    """What is asked in the usual way is answered below the app."""
    direct, _ = servers
    direct.asked.clear()
    ask(direct, REQUESTS[name])
    assert direct.asked == []


def test_large_bodies_are_read_on_one_thread() -> None:
    """However many come at once, large bodies are read one after the other, beside the event loop."""
    with serving(Settings(_env_file=None), OPERATIONS) as server, contextlib.ExitStack() as stack:
        before = set(threading.enumerate())
        connections = [stack.enter_context(socket.create_connection(server.address, timeout=LIMIT_S)) for _ in range(4)]
        for connection in connections:
            connection.sendall(REQUESTS["body over the bound"])
        statuses = [read_response(stack.enter_context(each.makefile("rb"))).status for each in connections]
        readers = {thread for thread in threading.enumerate() if thread.name.startswith("reader")} - before
    assert statuses == [200] * 4
    assert len(readers) == 1


@pytest.mark.parametrize("name", ["index", "array", "raw", "wrong pixel"])
def test_requests_leave_nothing_to_the_garbage_collector(servers: tuple[Server, Server], name: str) -> None:
    """What a request needed is gone when it is answered: no cycle of references keeps it."""
    direct, _ = servers
    gc.collect()
    gc.disable()
    try:
        with socket.create_connection(direct.address, timeout=LIMIT_S) as sock, sock.makefile("rb") as file:
            before = count_exchanges()
            for _ in range(20):
                sock.sendall(REQUESTS[name])
                read_response(file)
            left = count_exchanges() - before
    finally:
        gc.enable()
    assert left <= 2  # the connection's last


def count_exchanges() -> int:
    """How many requests are in memory."""
    return sum(isinstance(each, Exchange) for each in gc.get_objects())


@pytest.mark.parametrize(
    "name",
    ["chunks", "continue", "body over the bound", "close", "HTTP/1.0", "upgrade", "index with a body", "whole address"],
)
def test_unusual_request_comes_to_the_app(servers: tuple[Server, Server], name: str) -> None:
    """What is asked in any other way is left to the app."""
    direct, _ = servers
    direct.asked.clear()
    ask(direct, REQUESTS[name])
    assert len(direct.asked) == 1


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("index", schemas.TestImagePrediction),
        ("array", schemas.PredictionList),
        ("raw", schemas.UploadPredictionList),
        ("multipart", schemas.UploadPredictionList),
        ("many faults", schemas.Problem),
        ("text", schemas.Problem),
    ],
)
def test_answer_has_the_described_form(servers: tuple[Server, Server], name: str, schema: type[BaseModel]) -> None:
    """What is written is what the description says: every field, in its order, and none besides."""
    body = ask(servers[0], REQUESTS[name]).body
    described = schema.model_validate_json(body, strict=True).model_dump(exclude_none=schema is schemas.Problem)
    assert json.dumps(json.loads(body)) == json.dumps(described)


def test_pipelined_requests_are_answered_in_their_order(servers: tuple[Server, Server]) -> None:
    """Requests that are sent without waiting get all their answers, in order."""
    names = ["index", "wrong pixel", "array", "text", "index"]  # what is wrong is answered at once
    with socket.create_connection(servers[0].address, timeout=LIMIT_S) as sock, sock.makefile("rb") as file:
        sock.sendall(b"".join(REQUESTS[name] for name in names))
        statuses = [read_response(file).status for _ in names]
    assert statuses == [200, 422, 200, 415, 200]


def test_connection_serves_both_paths_in_turn(servers: tuple[Server, Server]) -> None:
    """Requests below the app and through it follow one another on one connection."""
    names = ["index", "escaped address", "array", "chunks", "wrong pixel", "raw", "continue", "index"]
    with socket.create_connection(servers[0].address, timeout=LIMIT_S) as sock, sock.makefile("rb") as file:
        statuses = []
        for name in names:
            sock.sendall(REQUESTS[name])
            statuses.append(read_response(file).status)
    assert statuses == [200, 200, 200, 200, 422, 200, 200, 200]


def test_answers_wait_for_a_caller_who_does_not_read_them(servers: tuple[Server, Server]) -> None:
    """Once an unread connection's buffers are full, its requests are left to the app, which waits; none is lost."""
    server = servers[0]
    server.asked.clear()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(LIMIT_S)
        sock.connect(server.address)
        sent = 0
        while not server.asked and sent < 1000:
            sock.sendall(REQUESTS["index"])
            sent += 1
            ask(server, REQUESTS["index"])  # what was sent before has been seen to when this is answered
        assert server.asked == [INDEX_ROUTE]
        with sock.makefile("rb") as file:
            assert {read_response(file).status for _ in range(sent)} == {200}


@pytest.mark.parametrize("cut", [1, 60, -1], ids=["in the request line", "in the headers", "in the body"])
def test_request_in_two_pieces_is_answered(servers: tuple[Server, Server], cut: int) -> None:
    """A request that comes in pieces is answered as one that comes whole."""
    raw = REQUESTS["array"]
    with socket.create_connection(servers[0].address, timeout=LIMIT_S) as sock, sock.makefile("rb") as file:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(raw[:cut])
        ask(servers[0], REQUESTS["index"])  # the server has seen the first piece when it has answered this
        sock.sendall(raw[cut:])
        assert read_response(file).status == 200


@pytest.fixture(scope="module")
def full_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that has no room for any request."""
    settings = Settings(_env_file=None, cache_dir=tmp_path_factory.mktemp("cache"))
    with serving(settings, OPERATIONS, max_requests=0, keep_alive_s=1) as server:
        yield server


def parsed(raw: bytes) -> bytes:
    """The same request with a header that only the parser reads."""
    line, rest = raw.split(b"\r\n", 1)
    return line + b"\r\nX-Odd: \xe9\r\n" + rest


@pytest.mark.parametrize(
    "name",
    [
        "index",
        "index with a query",
        "escaped address",
        "array",
        "multipart",
        "text",
        "request id",
        "odd request id",
        "body of no bytes",
    ],
)
def test_refusal_is_the_same_unparsed(full_server: Server, name: str) -> None:
    """A refusal says the same whether the request was parsed or only looked at."""
    assert ask(full_server, REQUESTS[name]) == ask(full_server, parsed(REQUESTS[name]))


def test_refused_requests_leave_the_connection_in_step(full_server: Server) -> None:
    """On one connection, whole, parsed, odd and cut requests are each refused once."""
    array, chunks, index = REQUESTS["array"], REQUESTS["chunks"], REQUESTS["index"]
    whole = [array, parsed(array), chunks, array + array]
    cut = [array[:-9], array[-9:], chunks[:70], chunks[70:]]
    body_like_a_request = [request("POST", JSON_ROUTE, f"Content-Length: {len(index)}"), index]
    pieces = [*whole, *cut, *body_like_a_request, array]
    statuses: list[int] = []
    with socket.create_connection(full_server.address, timeout=LIMIT_S) as sock, sock.makefile("rb") as file:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            sock.sendall(piece)
            ask(full_server, REQUESTS["index"])  # the server has seen the piece when it has answered this
        sock.sendall(request("GET", "/livez"))
        while not statuses or statuses[-1] != 200:
            statuses.append(read_response(file).status)
    assert statuses == [503] * 9 + [200]


def test_refused_connection_is_closed_in_the_end(full_server: Server) -> None:
    """A connection whose requests were refused is closed when nothing more comes on it."""
    with socket.create_connection(full_server.address, timeout=LIMIT_S) as sock, sock.makefile("rb") as file:
        for _ in range(2):
            sock.sendall(REQUESTS["index"])
            read_response(file)
        assert file.read() == b""


@pytest.mark.parametrize(
    "raw",
    [
        REQUESTS["chunks"],
        REQUESTS["continue"],
        REQUESTS["close"],
        REQUESTS["upgrade"],
        REQUESTS["HTTP/1.0"],
        REQUESTS["whole address"],
        REQUESTS["array"][:-1],
        REQUESTS["array"] + b"x",
        post(JSON_ROUTE, "application/json", BOOT, f"Content-Length: {len(BOOT)}"),
        request("GET", INDEX_ROUTE, "X-A : b"),
        request("GET", INDEX_ROUTE, "X-A: b", " folded"),
        request("GET", INDEX_ROUTE).replace(b"\r\n", b"\n"),
    ],
    ids=["chunks", "continue", "close", "upgrade", "1.0", "whole address", "cut", "more", "two lengths", "space",
         "folded", "bare line ends"],
)  # fmt: skip
def test_request_that_is_not_plain_is_left_to_the_parser(raw: bytes) -> None:
    """What is not plainly one whole request is not judged by its looks."""
    assert read_plain_request(raw) is None
