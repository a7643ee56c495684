"""The limit on requests that are whole and not yet answered."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fashion_api.rest.app import ServiceApp
from fashion_api.service.service import Service
from tests.asgi import Call, ask, call, make_scope, running
from tests.clock import put_clock_forward, run, turn_over
from tests.fakes import fake_app
from tests.held import HeldClassifier

PREDICTION = "/api/v1/test-images/{}/prediction"
BODY = b'{"images": []}'
JSON_TYPE = {"Content-Type": "application/json"}


@asynccontextmanager
async def held(most: int, **changes: Any) -> AsyncIterator[tuple[ServiceApp, Service, HeldClassifier]]:  # noqa: ANN401  # settings
    """An app with room for so many requests, whose classifier the test holds."""
    classifier = HeldClassifier()
    app = fake_app(classifier, max_concurrent_requests=most, request_timeout_s=1000.0, **changes)
    async with running(app) as service:
        try:
            yield app, service, classifier
        finally:
            classifier.release()


def post_slowly(app: ServiceApp, **options: Any) -> Call:  # noqa: ANN401  # those of `call`
    """Send the head of a request, and a byte."""
    headers = JSON_TYPE | {"Content-Length": str(len(BODY))}
    made = call(app, "POST", "/api/v1/predictions", headers, body=None, **options)
    made.send(BODY[:1], more=True)
    return made


def test_slow_callers_lock_nobody_out() -> None:
    """However many callers send a head and a byte now and then, others are answered."""

    async def test() -> None:
        async with held(1) as (app, service, classifier):
            slow = [post_slowly(app) for _ in range(300)]
            await turn_over()
            for position in range(1, len(BODY) - 1):
                for each in slow:
                    each.send(BODY[position : position + 1], more=True)
                await put_clock_forward(1)
            assert service.request_limit.under_way == 0
            classifier.release()
            assert (await ask(app, "GET", PREDICTION.format(3))).status == 200
            for each in slow:
                each.send(BODY[-1:])
            statuses = [(await each.read_answer()).status for each in slow]
            assert set(statuses) == {422}

    run(test)


@pytest.mark.parametrize(
    "headers", [{"Content-Length": "14"}, {"Transfer-Encoding": "chunked"}], ids=["length", "chunks"]
)
@pytest.mark.parametrize("http_version", ["1.1", "2"])
def test_request_counts_once_its_body_is_whole(headers: dict[str, str], http_version: str) -> None:
    """A request whose body is arriving does not count; from its last byte to its answer it does."""

    async def test() -> None:
        async with held(5) as (app, service, classifier):
            image = b'{"images": [' + str([[7] * 28] * 28).encode() + b"]}"
            made = call(app, "POST", "/api/v1/predictions", JSON_TYPE | headers, body=None, http_version=http_version)
            made.send(image[:9], more=True)
            await turn_over()
            before = service.request_limit.under_way
            made.send(image[9:])
            await classifier.wait_until_entered()
            assert (before, service.request_limit.under_way) == (0, 1)
            classifier.release()
            await made.read_answer()
            assert service.request_limit.under_way == 0

    run(test)


def test_body_of_http_2_needs_no_header() -> None:
    """In HTTP/2, where a body has no header of its own, a request counts once its body is whole all the same."""

    async def test() -> None:
        async with held(5) as (app, service, _):
            made = Call(app, make_scope("POST", "/api/v1/predictions", [(b"content-type", b"application/json")],
                                        http_version="2"))  # fmt: skip
            made.send(BODY[:9], more=True)
            await turn_over()
            assert service.request_limit.under_way == 0
            made.send(BODY[9:])
            assert (await made.read_answer()).status == 422

    run(test)


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "0"}], ids=["no length", "a length of 0"])
def test_request_without_a_body_counts_at_once(headers: dict[str, str]) -> None:
    """A request without a body is whole when its head is."""

    async def test() -> None:
        async with held(5) as (app, service, classifier):
            made = call(app, "GET", PREDICTION.format(3), headers)
            await classifier.wait_until_entered()
            assert service.request_limit.under_way == 1
            classifier.release()
            await made.read_answer()
            assert service.request_limit.under_way == 0

    run(test)


def test_request_too_many_is_refused_before_its_body_is_read() -> None:
    """A request that comes while as many as there may be are under way is refused at its head."""

    async def test() -> None:
        async with held(1) as (app, _, classifier):
            first = call(app, "GET", PREDICTION.format(3))
            await classifier.wait_until_entered()
            refused = call(app, "POST", "/api/v1/predictions", JSON_TYPE | {"Content-Length": "9"}, body=None)
            assert (await refused.read_answer()).status == 503
            classifier.release()
            assert (await first.read_answer()).status == 200

    run(test)


def test_request_that_becomes_whole_too_late_is_refused() -> None:
    """A request whose body is whole only when there is no room any more is refused then."""

    async def test() -> None:
        async with held(1) as (app, service, classifier):
            slow = post_slowly(app)
            await turn_over()
            first = call(app, "GET", PREDICTION.format(3))
            await classifier.wait_until_entered()
            slow.send(BODY[1:])
            assert ((await slow.read_answer()).status, service.request_limit.under_way) == (503, 1)
            classifier.release()
            assert (await first.read_answer()).status == 200

    run(test)


def test_body_that_is_not_read_counts_too() -> None:
    """A prediction by index with a body is refused when that is whole while there is no room."""

    async def test() -> None:
        async with held(1) as (app, _, classifier):
            first = call(app, "GET", PREDICTION.format(3), body=b"abc")
            await classifier.wait_until_entered()
            second = call(app, "GET", PREDICTION.format(4), body=b"abc")
            await turn_over()
            await put_clock_forward(0.1)  # whether the callers are still there is listened for
            await put_clock_forward(0.1)
            assert first.is_answered or second.is_answered
            classifier.release()
            assert sorted([(await first.read_answer()).status, (await second.read_answer()).status]) == [200, 503]

    run(test)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/docs", "/openapi.json", "/static-docs/swagger-ui.css"])
def test_health_and_documentation_are_never_refused(path: str) -> None:
    """Where there is no room at all, probes and the documentation are answered."""

    async def test() -> None:
        async with held(0) as (app, _, _):
            assert (await ask(app, "GET", path)).status == 200
            assert (await ask(app, "GET", "/api/v1/model")).status == 503

    run(test)
