"""Request ids and the request log."""

import asyncio
import logging
from typing import NamedTuple

import pytest
from pydantic import SecretStr
from starlette.types import Message, Receive, Scope, Send

from fashion_api.rest.middleware.request_log import RequestLogMiddleware
from fashion_api.rest.scope import get_record
from fashion_api.service.events import RequestEvent, TraceContext
from fashion_api.service.request_log import RequestLog, find_request_id, make_request_id
from tests.asgi import Call, call, make_scope, running
from tests.clock import put_clock_forward, run, turn_over
from tests.fakes import fake_app
from tests.held import HeldClassifier

ROUTE = "/api/v1/test-images/{index}/prediction"
LOGGER = "fashion_api.service.request_log"


def list_events(caplog: pytest.LogCaptureFixture) -> list[RequestEvent]:
    """The requests that were logged."""
    return [event for record in caplog.records for event in record.__dict__.get("requests", [])]


class Logged(NamedTuple):
    """What is always the same of a request that was logged."""

    method: str
    route: str | None
    status: int
    request_id: str


def list_logged(caplog: pytest.LogCaptureFixture) -> list[Logged]:
    return [Logged(event.method, event.route, event.status, event.request_id) for event in list_events(caplog)]


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", "/api/v1/test-images/3/prediction", ROUTE, 503),
        ("HEAD", "/api/v1/test-images/3/prediction", ROUTE, 503),
        ("POST", "/api/v1/predictions", "/api/v1/predictions", 503),
        ("PUT", "/api/v1/predictions/upload", "/api/v1/predictions/upload", 503),
        ("GET", "/api/v1/test-images/3", "/api/v1/test-images/{index}", 503),
        ("GET", "/static-docs/none.js", "/static-docs", 404),
        ("GET", "/static-docs/livez", "/static-docs", 404),
        ("GET", "/nothing", None, 503),
    ],
)
def test_refused_request_is_logged_with_its_route(
    caplog: pytest.LogCaptureFixture, method: str, path: str, route: str | None, status: int
) -> None:
    """A request that is refused before it is routed is logged with the template of the route that it was for."""

    async def test() -> None:
        app = fake_app(max_concurrent_requests=0)
        async with running(app):
            await call(app, method, path, {"X-Request-ID": "mine"}).read_answer()

    caplog.set_level(logging.INFO)
    run(test)
    assert list_logged(caplog) == [(method, route, status, "mine")]


def test_request_without_a_key_is_logged_with_its_route(caplog: pytest.LogCaptureFixture) -> None:
    """A request that is refused for want of a key is logged with its route as well."""

    async def test() -> None:
        app = fake_app(api_keys=(SecretStr("key"),))
        async with running(app):
            await call(app, "GET", "/api/v1/model", {"X-Request-ID": "mine"}).read_answer()

    caplog.set_level(logging.INFO)
    run(test)
    assert list_logged(caplog) == [("GET", "/api/v1/model", 401, "mine")]


def test_caller_who_has_gone_is_logged_as_such(caplog: pytest.LogCaptureFixture) -> None:
    """A request whose caller disconnects is logged with the status 499, and its images are never computed."""
    classifier = HeldClassifier()

    async def test() -> None:
        app = fake_app(classifier, request_timeout_s=1000.0)
        async with running(app):
            first = call(app, "GET", ROUTE.format(index=1))
            await classifier.wait_until_entered()
            gone = call(app, "GET", ROUTE.format(index=2), {"X-Request-ID": "gone"})
            last = call(app, "GET", ROUTE.format(index=3))
            await turn_over()
            gone.disconnect()
            await put_clock_forward(0.1)
            await put_clock_forward(0.1)
            await gone.task
            classifier.release()
            assert [(await each.read_answer()).status for each in (first, last)] == [200, 200]
            assert not gone.is_answered

    caplog.set_level(logging.INFO)
    run(test)
    assert [each for each in list_logged(caplog) if each.request_id == "gone"] == [("GET", ROUTE, 499, "gone")]
    assert classifier.batches == [[1], [3]]


async def never_receive() -> Message:
    """Gives nothing, for ever."""
    await asyncio.Event().wait()
    return {}


@pytest.mark.parametrize("error", [OSError(), RuntimeError("the handler is closed")], ids=["as ASGI says", "uvloop's"])
def test_response_that_cannot_be_sent_is_no_fault(caplog: pytest.LogCaptureFixture, error: Exception) -> None:
    """Where the server cannot send because the connection is closed, nothing but the request is logged."""

    async def fail(_message: Message) -> None:
        raise error

    async def test() -> None:
        app = fake_app()
        async with running(app):
            for path in ("/api/v1/test-images/3/prediction", "/api/v1/test-images/3"):
                await app(make_scope("GET", path), never_receive, fail)

    caplog.set_level(logging.INFO)
    run(test)
    assert [each.status for each in list_logged(caplog)] == [499, 499]
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


@pytest.mark.parametrize(
    ("http_version", "is_told"), [("1.1", True), ("1.0", False), ("2", False)], ids=["1.1", "1.0", "2"]
)
def test_draining_service_asks_callers_to_connect_anew(http_version: str, *, is_told: bool) -> None:
    """While it drains, answers carry `Connection: close`, where the version of HTTP has that."""

    async def test() -> None:
        app = fake_app()
        async with running(app) as service:
            service.drain()
            for path in ("/api/v1/test-images/3/prediction", "/livez", "/nothing"):
                made = call(app, "GET", path, http_version=http_version)
                await made.read_answer()
                assert (made.raw_headers.get("connection") == "close") is is_told

    run(test)


def test_service_that_does_not_drain_keeps_connections() -> None:
    """Without a reason to end it, nothing is said of the connection."""

    async def test() -> None:
        app = fake_app()
        async with running(app):
            made = call(app, "GET", "/livez")
            await made.read_answer()
            assert "connection" not in made.raw_headers

    run(test)


EVENT = RequestEvent(1.0, "GET", "/problems", 200, 1.0, "id")


def test_requests_are_logged_together(caplog: pytest.LogCaptureFixture) -> None:
    """Requests that end within a tenth of a second are one record, which is written when that is over."""

    async def test() -> None:
        log = RequestLog()
        for _ in range(3):
            log.add(EVENT)
        assert not caplog.records
        await put_clock_forward(0.11)
        assert [record.getMessage() for record in caplog.records] == ["3 request(s)"]
        log.flush()
        assert len(caplog.records) == 1

    caplog.set_level(logging.INFO)
    run(test)


def test_requests_are_not_logged_below_the_level(caplog: pytest.LogCaptureFixture) -> None:
    """Where only warnings are logged, requests are not."""

    async def test() -> None:
        log = RequestLog()
        log.add(EVENT)
        log.flush()

    caplog.set_level(logging.WARNING)
    run(test)
    assert not caplog.records


def test_request_id_is_the_callers_own_where_it_is_sane() -> None:
    """Of the headers, the first request id counts, if it could not forge a line."""
    assert find_request_id([(b"x", b"y"), (b"x-request-id", b"mine"), (b"x-request-id", b"other")]) == "mine"
    assert find_request_id([(b"x-request-id", b"my own")]) is None
    assert find_request_id([]) is None


def test_made_request_ids_differ() -> None:
    """Each request without an id gets one of its own."""
    made = {make_request_id() for _ in range(100)}
    assert (len(made), {len(each) for each in made}) == (100, {32})


def test_other_protocols_have_no_request_id() -> None:
    """What is no HTTP request is passed on as it is."""

    async def look(scope: Scope, _receive: Receive, _send: Send) -> None:
        with pytest.raises(KeyError):
            get_record(scope)

    async def test() -> None:
        await Call(RequestLogMiddleware(look, log=RequestLog()), {"type": "lifespan"}).task

    run(test)


def test_name_of_the_key_is_noted(caplog: pytest.LogCaptureFixture) -> None:
    """A request's event has the name of the key, as whoever checks keys has put it into the request's record."""

    async def answer(scope: Scope, _receive: Receive, send: Send) -> None:
        get_record(scope).route = "/api/v1/model"
        get_record(scope).key_name = "shop"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    async def test() -> None:
        log = RequestLog()
        app = RequestLogMiddleware(answer, log=log)
        scope = {**make_scope("GET", "/api/v1/model"), "app": fake_app()}
        await Call(app, scope).task
        log.flush()

    caplog.set_level(logging.INFO)
    run(test)
    assert [event.key_name for event in list_events(caplog)] == ["shop"]


def test_trace_of_the_caller_is_noted(caplog: pytest.LogCaptureFixture) -> None:
    """A request's event has its caller's trace; where nothing is traced, the answer says nothing of it."""

    async def test() -> None:
        app = fake_app()
        async with running(app):
            made = call(app, "GET", "/api/v1/model", {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
            await made.read_answer()
            assert "traceresponse" not in made.raw_headers

    caplog.set_level(logging.INFO)
    run(test)
    assert [event.trace for event in list_events(caplog)] == [TraceContext("a" * 32, "b" * 16, 1, "")]


@pytest.mark.parametrize(("least_status", "logged"), [(0, [200, 404, 503]), (400, [404, 503]), (1000, [])])
def test_requests_that_are_not_logged_are_counted(
    caplog: pytest.LogCaptureFixture, least_status: int, logged: list[int]
) -> None:
    """An operator chooses which requests are logged; all are counted."""
    counted: list[RequestEvent] = []

    async def main() -> None:
        log = RequestLog(counted.extend, least_status=least_status)
        for status in (200, 404, 503):
            log.add(RequestEvent(0.0, "GET", "/predict", status, 1.0, "id"))
        log.flush()

    with caplog.at_level("INFO"):
        run(main)
    assert [event.status for event in counted] == [200, 404, 503]
    assert [event.status for record in caplog.records for event in getattr(record, "requests", [])] == logged
