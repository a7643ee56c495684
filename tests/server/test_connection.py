"""What reaches the service as bytes, sent through raw sockets to a real server."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import cast

import pytest
from uvicorn.protocols.http.h11_impl import H11Protocol

from fashion_api.server.connection import MAX_GUESTS, Connections, GuardedConnection
from fashion_api.server.framing import MAX_FIELDS, MAX_HEAD_BYTES
from fashion_api.server.held_connections import ANSWERS_A_RELEASE, Held, HeldConnections
from fashion_api.settings import Settings
from tests.clock import turn_over
from tests.open_inference import BAD, PATH, Request, infer_binary
from tests.server.raw_http import Caller, RunningServer, Serve, start_servers

IMAGE = b'{"images": [[' + b",".join([b"[" + b",".join([b"0"] * 28) + b"]"] * 28) + b"]]}"
POST_LINE = b"POST /api/v1/predictions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CHUNKED_POST = POST_LINE + b"Transfer-Encoding: chunked\r\n"
CHUNKED_IMAGE = b"%x\r\n%b\r\n0\r\n" % (len(IMAGE), IMAGE)
CLOSE = b"Connection: close\r\n"
INFERENCE = b"POST /v2/models/fake/infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
"""The head of an inference request whose body comes in chunks."""


def get(path: bytes = b"/livez", *fields: bytes) -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: x\r\n%b\r\n" % (path, b"".join(fields))


def post(*fields: bytes, body: bytes = IMAGE) -> bytes:
    return POST_LINE + b"".join(fields) + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def write_inference(request: Request, path: str = PATH) -> bytes:
    fields = "".join(f"{name}: {value}\r\n" for name, value in request.headers)
    length = f"Content-Length: {len(request.body)}\r\n"
    return f"POST {path} HTTP/1.1\r\nHost: x\r\n{fields}{length}\r\n".encode() + request.body


TLS_HELLO = bytes.fromhex(
    "16030100c8010000c403035d6b7cbd7a2bd7d2f04ba0e1ccb0c8a7c3d8f5b5f0d1a7ee2a3c4b5d6e7f8091"
    "20a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9000201301c02b"
)


@pytest.fixture
def serve(settings: Settings) -> Iterator[Serve]:
    """Start servers with settings of the test's choosing."""
    with start_servers(settings) as start:
        yield start


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with the default settings, which tests share."""
    with start_servers(Settings(_env_file=None, cache_dir=tmp_path_factory.mktemp("cache"))) as start:
        yield start()


@pytest.fixture
def caller(server: RunningServer) -> Iterator[Caller]:
    """A new connection to that server."""
    with server.connect() as caller:
        yield caller


class TestHeads:
    """Heads are bounded while they are read."""

    @pytest.mark.parametrize(
        ("beginning", "flood", "times"),
        [
            pytest.param(
                b"GET / HTTP/1.1\r\nHost: x\r\n", b"X-Y: " + b"z" * 1000 + b"\r\n", 43_000, id="lines of 43 MB"
            ),
            pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nX-Y: ", b"z" * 100_000, 400, id="a line of 40 MB"),
            pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n", b"z" * 100_000, 1, id="a name"),
            pytest.param(b"GET /", b"z" * 100_000, 1, id="a target"),
            pytest.param(b"GET /?", b"z" * 100_000, 1, id="a query"),
            pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n", b"X-Y:\r\n" * (MAX_FIELDS + 1), 1, id="short lines"),
            pytest.param(get() + b"GET / HTTP/1.1\r\nX-Y: ", b"z" * 100_000, 1, id="a later request"),
            pytest.param(CHUNKED_POST + b"\r\n" + CHUNKED_IMAGE, b"X-Y: z\r\n" * 10_000, 1, id="trailers"),
            pytest.param(CHUNKED_POST + b"\r\n" + CHUNKED_IMAGE + b"X: ", b"z" * 100_000, 9, id="a trailer"),
        ],
    )
    def test_head_that_does_not_end_is_refused(
        self, caller: Caller, beginning: bytes, flood: bytes, times: int
    ) -> None:
        """A head or trailers beyond 32 KiB or 100 lines are answered 431 before they end."""
        caller.send(beginning)
        caller.flood(flood, times=times)
        *_, last = caller.read_answers()
        assert last.status == 431
        assert last.is_final_problem()

    @pytest.mark.parametrize(
        ("request_head", "status"),
        [
            pytest.param(get(b"/livez", *[b"X-Y: z\r\n"] * (MAX_FIELDS - 2), CLOSE), 200, id="100 headers"),
            pytest.param(get(b"/livez", *[b"X-Y: z\r\n"] * (MAX_FIELDS - 1), CLOSE), 431, id="101 headers"),
            pytest.param(get(b"/livez", CLOSE, b"X: " + b"z" * (MAX_HEAD_BYTES - 60) + b"\r\n"), 200, id="32 KiB"),
            pytest.param(get(b"/livez", CLOSE, b"X: " + b"z" * MAX_HEAD_BYTES + b"\r\n"), 431, id="more"),
        ],
    )
    def test_limits_are_what_they_are_said_to_be(self, caller: Caller, request_head: bytes, status: int) -> None:
        """A whole head of 100 headers, or of nearly 32 KiB, is answered; one beyond that is refused."""
        (answer,) = caller.ask(request_head)
        assert answer.status == status

    def test_refusal_of_a_head_request_has_no_body(self, caller: Caller) -> None:
        """A refused HEAD is answered without a body."""
        caller.send(b"HEAD /livez HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n")
        received = caller.socket.makefile("rb").read()
        assert received.startswith(b"HTTP/1.1 400 ")
        assert received.endswith(b"\r\n\r\n")

    def test_head_in_many_packets_is_read(self, caller: Caller) -> None:
        """A head that comes byte by byte is put together."""
        (answer,) = caller.ask(*(bytes([byte]) for byte in get(b"/livez", CLOSE)))
        assert answer.status == 200


class TestProtocols:
    """Under an inference protocol's paths, refusals are as its clients read them."""

    @pytest.mark.parametrize(
        ("sent", "status", "message"),
        [
            pytest.param(get(b"/v2/models", *[b"X-Y: z\r\n"] * MAX_FIELDS), 431, "headers", id="a head too large"),
            pytest.param(b"GET /v2/models HTTP/1.1\r\n\r\n", 400, "host", id="no host"),
            pytest.param(b"POST /v2/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\n", 400, "length", id="a length"),
            pytest.param(INFERENCE + b"zz\r\n", 400, "chunk", id="a chunk"),
            pytest.param(INFERENCE + b"1\r\n[\r\nzz\r\n", 400, "chunk", id="a second chunk"),
        ],
    )
    def test_refusal_has_the_protocols_form(self, caller: Caller, sent: bytes, status: int, message: str) -> None:
        """The answer is JSON with the member `error`, has an id, and ends the connection."""
        (answer,) = caller.ask(sent)
        assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
        assert list(answer.json()) == ["error"]
        assert message in answer.json()["error"]
        assert (answer.headers["connection"], len(answer.headers["x-request-id"])) == ("close", 32)

    def test_next_request_does_not_suffer_from_a_mistake(self, caller: Caller) -> None:
        """Behind each bad request on a connection, a good one is answered."""
        kept = {name: bad for name, bad in BAD.items() if bad.status != 413}  # which may end the connection
        for bad in kept.values():
            caller.send(write_inference(bad.request, bad.path) + write_inference(infer_binary()))
        caller.send(get(b"/livez", CLOSE))
        *answers, _ = caller.read_answers()
        assert [answer.status for answer in answers[::2]] == [bad.status for bad in kept.values()]
        assert {answer.status for answer in answers[1::2]} == {200}
        assert len(answers) == 2 * len(kept)

    def test_path_below_the_prefix_is_known(self, serve: Serve) -> None:
        """Below a proxy's prefix, paths are the protocols' too, and no others."""
        server = serve(root_path="/fashion")
        answers = [
            server.connect().ask(b"GET %b HTTP/1.1\r\n\r\n" % path)[0] for path in (b"/fashion/v2?x", b"/fashion/v3")
        ]
        assert [answer.headers["content-type"] for answer in answers] == [
            "application/json",
            "application/problem+json",
        ]


class TestSilence:
    """A connection that says nothing does not stay."""

    @pytest.mark.parametrize("sent", [b"", b"\r\n", b"\r\n\r\n\r\n"], ids=["nothing", "an empty line", "three"])
    def test_silent_connection_is_closed(self, serve: Serve, sent: bytes) -> None:
        """A connection that has begun no request within `FASHION_HEADER_TIMEOUT_S` is closed without a word."""
        assert serve(header_timeout_s=0.05).connect().ask(sent) == []

    @pytest.mark.parametrize(
        "sent", [b"G", b"GET / HT", get()[:-2], get()[:-1], b"\r\nPOST"], ids=lambda sent: repr(sent)[2:-1]
    )
    def test_half_a_head_is_answered_408(self, serve: Serve, sent: bytes) -> None:
        """A head that has not ended within `FASHION_HEADER_TIMEOUT_S` is answered 408."""
        (answer,) = serve(header_timeout_s=0.05).connect().ask(sent)
        assert answer.status == 408
        assert answer.is_final_problem()

    def test_half_a_head_after_an_answer_is_answered_408(self, serve: Serve) -> None:
        """On a kept-alive connection half a head has the same time."""
        caller = serve(header_timeout_s=0.05).connect()
        caller.send(get())
        caller.read_until(b'{"status":"ok"}')
        (answer,) = caller.ask(b"GET /livez")
        assert answer.status == 408

    def test_dripping_head_is_answered_408(self, serve: Serve) -> None:
        """A byte now and then does not give a head more time."""
        caller = serve(header_timeout_s=0.1).connect()
        caller.send(b"GET /livez HTTP/1.1\r\nX-Y: ")
        caller.socket.settimeout(0.01)
        received = b""
        while not received:
            caller.send(b"z")
            try:
                received = caller.socket.recv(65536)
            except TimeoutError:
                continue
        assert received.startswith(b"HTTP/1.1 408 ")

    def test_body_that_never_ends_is_cut_off(self, serve: Serve) -> None:
        """After the answer 408 to a body that is late, its connection ends too."""
        caller = serve(header_timeout_s=0.05, request_timeout_s=0.05).connect()
        (answer,) = caller.ask(POST_LINE + b"Content-Length: 1000\r\n\r\n{")
        assert answer.status == 408

    def test_body_of_a_request_that_was_answered_is_cut_off(self, serve: Serve) -> None:
        """A body that nobody waits for has no more time than others."""
        caller = serve(header_timeout_s=0.05, request_timeout_s=0.05).connect()
        (answer,) = caller.ask(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
        assert answer.status == 404

    def test_idle_connection_is_closed(self, serve: Serve) -> None:
        """A kept-alive connection is closed `FASHION_KEEP_ALIVE_S` after its last answer."""
        (answer,) = serve(keep_alive_s=1).connect().ask(get())
        assert answer.status == 200
        assert "connection" not in answer.headers

    def test_caller_who_reads_nothing_is_cut_off(self, serve: Serve) -> None:
        """A caller who asks and asks, but takes no answer, does not keep the connection."""
        server = serve(header_timeout_s=0.05)
        server.connections.keep_alive_s = 0.05
        caller = server.connect()
        with pytest.raises(ConnectionError):
            caller.send(get(b"/openapi.json") * 1_000_000)

    def test_service_stops_although_callers_are_silent(self, serve: Serve) -> None:
        """Connections without a whole request do not hold up the stop."""
        server = serve()
        callers = [server.connect() for _ in range(3)]
        callers[1].send(b"GET /livez")
        callers[2].ask(get(b"/livez", CLOSE))
        server.stop()


class TestLimit:
    """Beyond `FASHION_MAX_CONNECTIONS` only health is answered."""

    @pytest.fixture
    def full(self, serve: Serve) -> RunningServer:
        """A server with as many connections as it takes in."""
        server = serve(max_connections=2)
        callers = [server.connect() for _ in range(2)]
        for caller in callers:
            caller.send(get())
            caller.read_until(b'{"status":"ok"}')
        return server

    @pytest.mark.parametrize(
        "request_bytes",
        [
            pytest.param(get(b"/api/v1/test-images/9/prediction"), id="index"),
            pytest.param(post(), id="array"),
            pytest.param(get(b"/docs"), id="documentation"),
            pytest.param(get(b"/livezz"), id="nowhere"),
            pytest.param(get(b"http://x/livez"), id="absolute form"),
            pytest.param(b"", id="silence"),
        ],
    )
    def test_one_connection_more_is_refused(self, full: RunningServer, request_bytes: bytes) -> None:
        """Whatever comes on one connection more is answered 503, and when to try again."""
        (answer,) = full.connect().ask(request_bytes)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert (answer.headers["x-content-type-options"], answer.headers["cache-control"]) == ("nosniff", "no-store")
        assert answer.is_final_problem()

    @pytest.mark.parametrize(
        "path", [b"/livez", b"/readyz", b"/livez?verbose", b"/v2/health/live", b"/v2/health/ready"]
    )
    def test_health_is_answered_and_the_connection_closed(self, full: RunningServer, path: bytes) -> None:
        """Probes are answered, and once only."""
        (answer,) = full.connect().ask(get(path) + get(path))
        assert (answer.status, answer.headers["connection"]) == (200, "close")

    def test_health_below_the_path_prefix_is_answered(self, serve: Serve) -> None:
        """Probes that come through the proxy are answered too."""
        server = serve(max_connections=1, root_path="/fashion")
        with server.connect():
            (answer,) = server.connect().ask(get(b"/fashion/livez"))
        assert answer.status == 200

    def test_health_is_reachable_through_a_crowd(self, full: RunningServer) -> None:
        """Silent connections beyond the limit make room for a probe, however many come."""
        for _ in range(5 * MAX_GUESTS):
            full.connect()
        (answer,) = full.connect().ask(get())
        assert answer.status == 200
        assert len(full.connections.open) <= 2 + MAX_GUESTS + 1

    def test_connection_that_ends_makes_room(self, serve: Serve) -> None:
        """When a connection has ended, a new one is taken in as any other."""
        server = serve(max_connections=1)
        first = server.connect()
        assert len(first.ask(get(b"/livez", CLOSE))) == 1
        (answer,) = server.connect().ask(get(b"/docs", CLOSE))
        assert answer.status == 200

    def test_log_says_so_once_a_minute(self, full: RunningServer, caplog: pytest.LogCaptureFixture) -> None:
        """However many are refused, there is one line."""
        for _ in range(20):
            full.connect().ask(get(b"/docs"))
        assert [record.levelno for record in caplog.records if "FASHION_MAX_CONNECTIONS" in record.message] == [
            logging.WARNING
        ]

    def test_limit_fits_the_limit_on_open_files(self, serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
        """More connections than the process may open are not promised, and the log says how many are taken in."""
        resource = pytest.importorskip("resource")
        open_files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        assert serve(max_connections=10**9).connections.limit < open_files
        assert "ulimit -n" in caplog.text


OFFERS = {
    "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAA\r\n",
    "websocket": b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    "TLS": b"Upgrade: TLS/1.0\r\nConnection: upgrade\r\n",
    "two": b"upgrade: foo/2\r\nUPGRADE: bar, baz\r\nconnection: keep-alive, UPGRADE\r\n",
    "empty": b"Upgrade:\r\nConnection: Upgrade\r\n",
}


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
class TestUpgradeOffers:
    """An offer of another protocol is ignored."""

    def test_request_is_answered(self, caller: Caller, offer: bytes) -> None:
        """A request without a body is answered as without the offer, and so is the next."""
        answers = caller.ask(get(b"/livez", offer) + get(b"/livez", CLOSE))
        assert [answer.status for answer in answers] == [200, 200]

    def test_body_is_read(self, caller: Caller, offer: bytes) -> None:
        """A body in the packet of its head is read."""
        answers = caller.ask(post(offer) + get(b"/livez", CLOSE))
        assert [answer.status for answer in answers] == [200, 200]

    def test_body_in_a_later_packet_is_read(self, caller: Caller, offer: bytes) -> None:
        """A body that comes later is read, and answered as no request of its own."""
        body = post(CLOSE)  # were it taken for a request, it would have an answer
        caller.send(post(offer, b"Expect: 100-continue\r\n", CLOSE, body=body)[: -len(body)])
        caller.read_until(b"100 Continue\r\n\r\n")
        (answer,) = caller.ask(body)
        assert answer.status == 422

    def test_chunked_body_is_read(self, caller: Caller, offer: bytes) -> None:
        """A chunked body is read."""
        (answer,) = caller.ask(CHUNKED_POST + offer + CLOSE + b"\r\n" + CHUNKED_IMAGE + b"\r\n")
        assert answer.status == 200

    def test_offer_of_a_later_request_is_ignored(self, caller: Caller, offer: bytes) -> None:
        """An offer in a later request of a connection is ignored too."""
        caller.send(get())
        caller.read_until(b'{"status":"ok"}')
        answers = caller.ask(post(offer), get(b"/livez", CLOSE))
        assert [answer.status for answer in answers] == [200, 200]


GARBAGE = {
    "zeros": bytes(100),
    "words": b"hello, is it me you are looking for?\r\n\r\n",
    "TLS hello": TLS_HELLO,
    "SSH": b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
    "SMTP": b"EHLO example.org\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "bare LF": b"GET / HTTP/1.1\nHost: x\n\n",
    "bad header": b"GET / HTTP/1.1\r\nHost: x\r\nno header\r\n\r\n",
    "space before colon": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "folded header": b"GET / HTTP/1.1\r\nHost: x\r\nX-Y: a\r\n b\r\n\r\n",
    "control character": b"GET / HTTP/1.1\r\nHost: x\r\nX-Y: \x01\r\n\r\n",
    "CONNECT": b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n",
    "unknown method": b"FETCH / HTTP/1.1\r\nHost: x\r\n\r\n",
    "no target": b"GET\r\n\r\n",
    "relative target": b"GET livez HTTP/1.1\r\nHost: x\r\n\r\n",
    "target not in ASCII": "GET /é HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
}

UNCLEAR = {
    "no Host": b"GET /livez HTTP/1.1\r\n\r\n",
    "two Hosts": b"GET /livez HTTP/1.1\r\nHost: x\r\nhost: y\r\n\r\n",
    "the same Host twice": b"GET /livez HTTP/1.0\r\nHost: x\r\nHost: x\r\n\r\n",
    "Host that is none": b"GET /livez HTTP/1.1\r\nHost: x/y\r\n\r\n",
    "Host with a user": b"GET /livez HTTP/1.1\r\nHost: me@x\r\n\r\n",
    "HTTP/2.0": b"GET /livez HTTP/2.0\r\nHost: x\r\n\r\n",
    "HTTP/3": b"GET /livez HTTP/3\r\nHost: x\r\n\r\n",
    "HTTP/0.9": b"GET /livez HTTP/0.9\r\nHost: x\r\n\r\n",
    "HTTP/1.2": b"GET /livez HTTP/1.2\r\nHost: x\r\n\r\n",
    "no version": b"GET /livez\r\n\r\n",
    "two lengths": post(b"Content-Length: 3\r\n"),
    "length that is none": POST_LINE + b"Content-Length: +3\r\n\r\n{}\n",
    "length and chunks": post(b"Transfer-Encoding: chunked\r\n"),
    "unknown transfer encoding": POST_LINE + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": CHUNKED_POST.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n0\r\n\r\n",
}


class TestMalformedRequests:
    """What is no request gets a problem, and ends the connection."""

    @pytest.mark.parametrize("sent", (GARBAGE | UNCLEAR).values(), ids=GARBAGE | UNCLEAR)
    def test_it_is_answered_400(self, caller: Caller, sent: bytes) -> None:
        """It is answered 400 with an id."""
        (answer,) = caller.ask(sent)
        assert answer.status == 400
        assert answer.is_final_problem()

    @pytest.mark.parametrize("sent", (GARBAGE | UNCLEAR).values(), ids=GARBAGE | UNCLEAR)
    def test_requests_before_it_are_answered(self, caller: Caller, sent: bytes) -> None:
        """Each request that was whole is answered before."""
        answers = caller.ask(post() + get(b"/api/v1/test-images/9/prediction") + sent)
        assert [answer.status for answer in answers] == [200, 200, 400]
        assert answers[-1].is_final_problem()

    def test_many_requests_at_once_are_answered_in_order(self, caller: Caller) -> None:
        """Requests that come faster than answers are read wait, and all are answered before garbage is."""
        ids = [str(number) for number in range(100)]
        requests = [get(b"/openapi.json", b"X-Request-ID: %b\r\n" % number.encode()) for number in ids]
        *answers, last = caller.ask(b"".join(requests) + b"garbage\r\n")
        assert [answer.headers["x-request-id"] for answer in answers] == ids
        assert last.status == 400

    @pytest.mark.parametrize("sent", (GARBAGE | UNCLEAR).values(), ids=GARBAGE | UNCLEAR)
    def test_log_has_no_line_of_it(self, server: RunningServer, caplog: pytest.LogCaptureFixture, sent: bytes) -> None:
        """At debug level there is one line; above, none, and no traceback."""
        caplog.set_level(logging.DEBUG)
        for _ in range(20):
            server.connect().ask(sent)
        lines = [record for record in caplog.records if record.name.startswith(("fashion_api.server", "uvicorn"))]
        assert [(line.levelno, line.exc_info) for line in lines] == [(logging.DEBUG, None)] * 20

    @pytest.mark.parametrize(
        "host", [b"x", b"x:8000", b"[::1]:8000", b"", b"xn--bcher-kva.example", b"10.0.0.1 "], ids=bytes.decode
    )
    def test_hosts_that_are_right_are_accepted(self, caller: Caller, host: bytes) -> None:
        """Names, addresses and ports are accepted, and so is an empty one."""
        (answer,) = caller.ask(b"GET /livez HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
        assert answer.status == 200

    def test_http_1_0_needs_no_host(self, caller: Caller) -> None:
        """Old clients and probes that send no `Host` are answered."""
        (answer,) = caller.ask(b"GET /livez HTTP/1.0\r\n\r\n")
        assert answer.status == 200


BAD_CHUNKS = {
    "no size": b"zz\r\n",
    "longer than it says": b"2\r\n{}}\r\n",
    "negative size": b"-1\r\n",
    "no line end": b"1\n{\r\n",
    "bad trailer": b"0\r\nno trailer\r\n\r\n",
    "endless extension": b"1;" + b"x" * 2000,
}


class TestChunkedBodies:
    """Chunks are bounded, and trailers are nobody's."""

    @pytest.mark.parametrize(
        "trailer",
        [
            b"X-Request-ID: from-trailer\r\n",
            b"X-API-Key: from-trailer\r\nX-Request-ID: from-trailer\r\n",
            b"Content-Length: 5\r\nX-Request-ID: from-trailer\r\n",
            b"Host: y\r\nX-Request-ID: from-trailer\r\n",
        ],
        ids=["X-Request-ID", "X-API-Key", "Content-Length", "Host"],
    )
    def test_trailers_are_ignored(self, caller: Caller, trailer: bytes) -> None:
        """Nothing is taken from trailers."""
        answers = caller.ask(CHUNKED_POST + b"\r\n" + CHUNKED_IMAGE + trailer + b"\r\n" + get(b"/livez", CLOSE))
        assert [answer.status for answer in answers] == [200, 200]
        assert answers[0].headers["x-request-id"] != "from-trailer"

    def test_extensions_are_ignored(self, caller: Caller) -> None:
        """Chunk extensions are left out."""
        chunks = b"".join(b'1;a="b"\r\n%c\r\n' % byte for byte in IMAGE) + b"0;last\r\n\r\n"
        (answer,) = caller.ask(CHUNKED_POST + CLOSE + b"\r\n" + chunks)
        assert answer.status == 200

    @pytest.mark.parametrize("chunks", BAD_CHUNKS.values(), ids=BAD_CHUNKS)
    def test_bad_chunks_are_answered_400(self, caller: Caller, chunks: bytes) -> None:
        """A body in which nobody finds the end is answered 400, and what was whole before is answered."""
        answers = caller.ask(post() + CHUNKED_POST + b"\r\n" + chunks)
        assert [answer.status for answer in answers] == [200, 400]
        assert answers[-1].is_final_problem()

    @pytest.mark.parametrize("chunks", BAD_CHUNKS.values(), ids=BAD_CHUNKS)
    def test_bad_chunks_later_are_answered_400(self, caller: Caller, chunks: bytes) -> None:
        """The same where the service is waiting for the body already."""
        caller.send(CHUNKED_POST + b"Expect: 100-continue\r\n\r\n")
        caller.read_until(b"100 Continue\r\n\r\n")
        (answer,) = caller.ask(chunks)
        assert answer.status == 400

    @pytest.mark.parametrize("chunks", BAD_CHUNKS.values(), ids=BAD_CHUNKS)
    def test_request_that_was_answered_has_no_second_answer(self, caller: Caller, chunks: bytes) -> None:
        """Where the answer did not wait for the body, bad chunks only end the connection."""
        caller.send(CHUNKED_POST.replace(b"/api/v1/predictions", b"/nowhere") + b"\r\n")
        caller.read_until(b'"request_id"')
        assert [answer.status for answer in caller.ask(chunks) if answer.headers] == []


@pytest.mark.parametrize("offer", [b"", *OFFERS.values()], ids=["none", *OFFERS])
def test_the_other_protocol_of_uvicorn_is_guarded_as_well(serve: Serve, offer: bytes) -> None:
    """With h11 in place of httptools, as where that is missing, requests are answered and garbage is refused."""
    caller = serve(inner=H11Protocol).connect()
    answers = caller.ask(post(offer) + CHUNKED_POST + offer + b"\r\n" + CHUNKED_IMAGE + b"\r\n" + b"garbage\r\n\r\n")
    assert [answer.status for answer in answers] == [200, 200, 400]
    assert answers[-1].is_final_problem()


class FakeTransport(asyncio.Transport):
    """Keeps what is written, and has a caller who reads nothing."""

    def __init__(self, *, can_write_eof: bool = True) -> None:
        super().__init__()
        self.events: list[str] = []
        self._can_write_eof = can_write_eof

    def can_write_eof(self) -> bool:
        return self._can_write_eof

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.events.append(bytes(data).split()[1].decode())

    def write_eof(self) -> None:
        self.events.append("end")

    def close(self) -> None:
        self.events.append("close")

    def is_closing(self) -> bool:
        return "close" in self.events

    def abort(self) -> None:
        self.events.append("abort")

    def pause_reading(self) -> None:
        self.events.append("pause")

    def resume_reading(self) -> None:
        self.events.append("resume")


Open = Callable[[FakeTransport], GuardedConnection]


class TestEnds:
    """How a connection ends."""

    LATER = 10**9

    @pytest.fixture
    def open_one(self, settings: Settings) -> Iterator[Open]:
        """Open connections of a server that answers nothing, on an event loop that does not run."""
        connections = Connections(settings)

        def open_one(transport: FakeTransport) -> GuardedConnection:
            connection = GuardedConnection(connections, app_state={}, inner=lambda **_: asyncio.Protocol())
            connection.connection_made(transport)
            return connection

        with asyncio.Runner() as runner:

            async def start() -> None:
                open_one(FakeTransport())  # the clock starts with the first

            runner.run(start())
            yield open_one

    def test_sending_side_is_closed_after_a_refusal(self, open_one: Open) -> None:
        """After a refusal nothing more is written, and what the caller still sends is read for a while."""
        transport = FakeTransport()
        connection = open_one(transport)
        connection.data_received(b"garbage\r\n")
        connection.data_received(b"garbage\r\n")
        assert transport.events == ["400", "end"]
        connection.check(self.LATER)
        assert transport.events == ["400", "end", "close"]

    def test_transport_that_cannot_half_close_is_closed(self, open_one: Open) -> None:
        """Where the sending side cannot be closed alone, as under TLS, all is closed."""
        transport = FakeTransport(can_write_eof=False)
        open_one(transport).data_received(b"garbage\r\n")
        assert transport.events == ["400", "close"]

    def test_what_is_never_read_is_given_up(self, open_one: Open) -> None:
        """A connection that waits for its caller to read before it can close is cut off."""
        transport = FakeTransport()
        connection = open_one(transport)
        transport.close()
        connection.check(0)
        assert transport.events == ["close"]
        connection.check(self.LATER)
        assert transport.events == ["close", "abort"]

    @pytest.mark.parametrize("is_overload", [False, True], ids=["answered", "held"])
    def test_connection_is_idle_once_a_late_body_has_come(self, open_one: Open, *, is_overload: bool) -> None:
        """The body of a request that was answered before is no request: the time until the next one runs."""
        transport = FakeTransport()

        async def answer() -> None:
            connection = open_one(transport)
            connection.data_received(get(b"/livez", b"Content-Length: 5\r\n"))
            connection.end_answer(is_overload=is_overload)
            connection.data_received(b"hello")
            if is_overload:
                connection.check(self.LATER)
                assert transport.events == ["pause"]
                connection.go_on()
            connection.check(0)
            assert "close" not in transport.events
            connection.check(self.LATER)
            assert transport.events[-1] == "close"

        asyncio.run(answer())

    def test_head_that_begins_has_a_time_of_its_own(self, open_one: Open) -> None:
        """An idle connection whose next head has begun is told that it is late."""
        transport = FakeTransport()

        async def answer() -> None:
            connection = open_one(transport)
            connection.data_received(get())
            connection.end_answer(is_overload=False)
            connection.data_received(b"GET /")
            connection.check(self.LATER)
            assert transport.events == ["408", "end"]

        asyncio.run(answer())

    def test_answer_that_has_begun_is_the_only_one(self, open_one: Open) -> None:
        """Where the body goes wrong while its request is being answered, that answer is the only one."""
        transport = FakeTransport()

        async def send(_message: object) -> None:
            transport.write(b"HTTP/1.1 200 OK")

        async def answer() -> None:
            connection = open_one(transport)
            connection.data_received(CHUNKED_POST + b"\r\n")
            await connection.watch(send)({})
            connection.data_received(b"no size\r\n")
            assert transport.events == ["200"]
            connection.end_answer(is_overload=False)
            await asyncio.sleep(0)

        asyncio.run(answer())
        assert transport.events == ["200", "end"]


class FakeServer(asyncio.Protocol):
    """Keeps the paths of the requests that are handed to it."""

    def __init__(self) -> None:
        self.paths: list[bytes] = []
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.paths.append(data.split()[1])


def open_served(connections: Connections, *requests: bytes) -> tuple[GuardedConnection, FakeTransport, FakeServer]:
    """Open a connection, on which requests come."""
    transport, server = FakeTransport(), FakeServer()
    connection = GuardedConnection(connections, app_state={}, inner=lambda **_: server)
    connection.connection_made(transport)
    for request in requests:
        connection.data_received(request)
    return connection, transport, server


class TestServersEnd:
    """The server closes a connection."""

    def test_who_is_still_sending_reads_the_answer(self, settings: Settings) -> None:
        """It would be lost to a reset while more comes that nobody reads: that is read for a while, and dropped."""

        async def test() -> None:
            request = get(b"/livez", CLOSE, b"Content-Length: 9\r\n") + b"half"
            connection, transport, server = open_served(Connections(settings), request)
            server.transport.pause_reading()
            server.transport.close()
            assert (transport.events, server.transport.is_closing()) == (["pause", "resume", "end"], True)
            connection.end_answer(is_overload=True)
            connection.data_received(b" body" + get(b"/2"))
            await turn_over()
            assert server.paths == [b"/livez"]
            connection.check(10**9)
            assert transport.events[3:] == ["close"]

        asyncio.run(test())

    def test_connection_whose_request_is_whole_is_closed_at_once(self, settings: Settings) -> None:
        """Nothing more comes."""

        async def test() -> None:
            _, transport, server = open_served(Connections(settings), get(b"/livez", CLOSE))
            server.transport.close()
            assert transport.events == ["close"]

        asyncio.run(test())


class TestHolding:
    """A connection whose request was refused for overload is not read for a while."""

    @pytest.fixture
    def connections(self, settings: Settings) -> Connections:
        """Those of a server."""
        return Connections(settings)

    def test_it_is_read_when_others_are_answered(self, connections: Connections) -> None:
        """Nothing is read of it, until so many requests on others are answered that it is its turn."""

        async def test() -> None:
            refused, transport, _ = open_served(connections, get())
            refused.end_answer(is_overload=True)
            assert (transport.events, len(connections.held)) == (["pause"], 1)
            for _ in range(ANSWERS_A_RELEASE):
                await turn_over()
                assert transport.events == ["pause"]
                other, _, _ = open_served(connections, get())
                other.end_answer(is_overload=False)
            await turn_over()
            assert (transport.events, len(connections.held)) == (["pause", "resume"], 0)

        asyncio.run(test())

    def test_requests_behind_wait_and_are_handed_on_in_order(self, connections: Connections) -> None:
        """Requests that were read already wait, each for the one before, and so does what is no request."""

        async def test() -> None:
            refused, transport, server = open_served(connections, get(b"/1") + get(b"/2"))
            refused.end_answer(is_overload=True)
            refused.data_received(get(b"/3") + b"garbage\r\n")
            await turn_over()
            assert server.paths == [b"/1"]
            connections.held.release_all()
            await turn_over()
            assert server.paths == [b"/1", b"/2"]
            for _ in range(2):
                assert "400" not in transport.events
                refused.end_answer(is_overload=False)
                await turn_over()
            assert server.paths == [b"/1", b"/2", b"/3"]
            assert transport.events[-3:] == ["400", "end", "resume"]

        asyncio.run(test())

    def test_the_servers_own_pause_does_not_have_it_read(self, connections: Connections) -> None:
        """The server, which stops reading large bodies for a while and goes on by itself, does not end the hold."""

        async def test() -> None:
            refused, transport, server = open_served(connections, get())
            refused.end_answer(is_overload=True)
            server.transport.pause_reading()
            server.transport.resume_reading()
            assert "resume" not in transport.events
            connections.held.release_all()
            await turn_over()
            assert transport.events[-1] == "resume"

        asyncio.run(test())

    def test_connection_that_ends_with_the_refusal_is_not_held(self, connections: Connections) -> None:
        """A connection that the server has closed, as that of a caller who asked for it, ends at once."""

        async def test() -> None:
            refused, transport, _ = open_served(connections, get())
            transport.close()
            refused.end_answer(is_overload=True)
            assert (transport.events, len(connections.held)) == (["close"], 0)

        asyncio.run(test())

    def test_refusal_of_what_has_come_behind_ends_the_connection(self, connections: Connections) -> None:
        """Where a body has gone wrong meanwhile, the connection ends, and is not held before."""

        async def test() -> None:
            refused, transport, _ = open_served(connections, CHUNKED_POST + b"\r\n")

            async def send(_message: object) -> None:
                transport.write(b"HTTP/1.1 503 Service Unavailable")

            await refused.watch(send)({})
            refused.data_received(b"no size\r\n")
            refused.end_answer(is_overload=True)
            await turn_over()
            assert (transport.events, len(connections.held)) == (["503", "end"], 0)

        asyncio.run(test())

    def test_caller_who_leaves_is_forgotten(self, connections: Connections) -> None:
        """Of a connection that is lost meanwhile, nothing is left."""

        async def test() -> None:
            refused, transport, _ = open_served(connections, get())
            refused.end_answer(is_overload=True)
            refused.connection_lost(None)
            assert (len(connections.held), connections.open) == (0, set())
            connections.held.release_all()
            await turn_over()
            assert transport.events == ["pause"]

        asyncio.run(test())

    @pytest.mark.parametrize(
        ("path", "status", "refusals"),
        [
            pytest.param(b"/api/v1/test-images/9/prediction", 503, 1, id="overloaded"),
            pytest.param(b"/api/v1/test-images?correct=false", 503, 0, id="not predicted yet"),
            pytest.param(b"/nowhere", 404, 0, id="not found"),
            pytest.param(b"/livez", 200, 0, id="health"),
        ],
    )
    def test_refusals_for_overload_are_told_from_other_answers(
        self, serve: Serve, path: bytes, status: int, refusals: int
    ) -> None:
        """Of all that the app answers, only its refusals for overload have a connection held; the next is answered."""
        server = serve(max_queue_size=0)
        server.connections.held = held = NotingConnections()
        caller, other = server.connect(), server.connect()
        caller.send(get(path) + get(b"/livez", CLOSE))
        for _ in range(ANSWERS_A_RELEASE):
            other.send(get())
            other.read_until(b'{"status":"ok"}')
        assert [answer.status for answer in caller.read_answers()] == [status, 200]
        assert held.noted == refusals


class NotingConnections(HeldConnections):
    """Notes how many were held."""

    def __init__(self) -> None:
        super().__init__(silence_s=75)
        self.noted = 0

    def add(self, connection: Held) -> None:
        self.noted += 1
        super().add(connection)
