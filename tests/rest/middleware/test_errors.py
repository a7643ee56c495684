"""The border at which errors become responses."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from fashion_api.errors import (
    DataNotFoundError,
    NotReadyError,
    OverloadedError,
    PendingError,
    Quota,
    RateLimitedError,
    UnauthenticatedError,
)
from fashion_api.rest.middleware.errors import ErrorMiddleware
from fashion_api.rest.problems import is_overload
from fashion_api.rest.scope import HttpRecord, keep_record
from fashion_api.service.service import Service
from tests.asgi import Call, make_scope
from tests.clock import run, turn_over
from tests.fakes import fake_app, fake_service
from tests.leftovers import leaving_no_errors

Endpoint = Callable[[Scope, Receive, Send], Awaitable[None]]


def ask(endpoint: Endpoint, service: Service | None = None) -> tuple[Call, HttpRecord]:
    """Ask an endpoint inside the border."""
    app = fake_app()
    app.service = service
    scope = make_scope("GET", "/here") | {"app": app}
    record = HttpRecord("the-id")
    keep_record(scope, record)
    return Call(ErrorMiddleware(endpoint), scope), record


async def wait_for_ever(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """Never answers."""
    await asyncio.Event().wait()


def raising(error: Exception) -> Endpoint:
    async def fail(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise error

    return fail


def test_error_is_answered_with_its_problem() -> None:
    """An error of ours is answered as its kind says."""

    async def test() -> None:
        answer = await ask(raising(OverloadedError("full")))[0].read_answer()
        assert (answer.status, b'"detail":"full"' in answer.body) == (503, True)

    run(test)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OverloadedError("full"), True),
        (NotReadyError("starting"), False),
        (DataNotFoundError("no test set"), False),
        (PendingError("not yet"), False),
        (RateLimitedError("too many", Quota(1, 1, 0, 1)), False),
        (UnauthenticatedError("no key"), False),
        (ZeroDivisionError("a fault"), False),
    ],
    ids=["overloaded", "not ready", "no test set", "not predicted yet", "rate limited", "without a key", "fault"],
)
def test_refusal_for_overload_is_known_when_the_request_is_over(error: Exception, *, expected: bool) -> None:
    """Whoever serves the request can tell whether it was refused since too many are waiting."""

    async def test() -> None:
        scope = make_scope("GET", "/here") | {"app": fake_app()}
        keep_record(scope, HttpRecord("the-id"))
        assert not is_overload(scope)
        await Call(ErrorMiddleware(raising(error)), scope).read_answer()
        assert is_overload(scope) == expected

    run(test)


def test_request_that_has_not_come_to_the_app_is_not_refused_for_overload() -> None:
    """Where the app has kept no record of a request, nothing was refused."""
    assert not is_overload(make_scope("GET", "/here"))


def test_error_that_nobody_foresaw_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Any other error is answered 500 without its text, and logged with the request's id."""

    async def test() -> None:
        answer = await ask(raising(ZeroDivisionError("secret")))[0].read_answer()
        assert (answer.status, b"secret" in answer.body) == (500, False)

    run(test)
    assert [record.__dict__["request_id"] for record in caplog.records if "secret" in record.getMessage()] == ["the-id"]


def test_error_after_the_start_of_a_response_goes_to_the_server() -> None:
    """Once a response has started, another cannot be sent: the server hears of the error and cuts the connection."""

    async def test() -> None:
        call, record = ask(raising(ZeroDivisionError("too late")))
        record.status = 200
        with pytest.raises(ZeroDivisionError, match="too late"):
            await call.task

    run(test)


def give_up(error: Exception) -> Endpoint:
    """Ends as what waits for a future that fails: the future's error has the frame that has the future."""

    async def wait(_scope: Scope, _receive: Receive, _send: Send) -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        answer.set_exception(error)
        await answer

    return wait


async def wait_for_another(scope: Scope, receive: Receive, send: Send) -> None:
    """Ends with an error that another has led to."""
    try:
        await give_up(OverloadedError("full"))(scope, receive, send)
    except OverloadedError:
        raise DataNotFoundError("none") from None


@pytest.mark.parametrize(
    "make",
    [lambda: give_up(OverloadedError("full")), lambda: give_up(ClientDisconnect()), lambda: wait_for_another],
    ids=["refused", "disconnected", "in another"],
)
def test_nothing_of_an_answered_request_is_left(make: Callable[[], Endpoint]) -> None:
    """An error would keep the request's body until Python collects garbage, however large it is."""

    async def test() -> None:
        with suppress(ClientDisconnect):
            await ask(make())[0].task

    with leaving_no_errors():
        run(test)


def test_error_that_leads_to_itself_is_answered() -> None:
    """An error may be its own cause, and one of several."""
    error = ExceptionGroup("several", [KeyError("one"), ValueError("two")])
    error.__cause__ = error.exceptions[0]
    error.exceptions[0].__context__ = error

    async def test() -> None:
        assert (await ask(raising(error))[0].read_answer()).status == 500

    run(test)
    assert [each.__traceback__ for each in (error, *error.exceptions)] == [None] * 3


def test_disconnect_is_not_answered() -> None:
    """Where the caller has gone, nothing is sent."""

    async def test() -> None:
        call, _ = ask(raising(ClientDisconnect()))
        with pytest.raises(ClientDisconnect):
            await call.task
        assert not call.is_answered

    run(test)


def test_request_that_is_cancelled_while_the_service_stops_is_answered() -> None:
    """When the server gives up a request because the service has to stop, its caller is answered 503."""

    async def test() -> None:
        service = fake_service()
        service.drain()
        call, _ = ask(wait_for_ever, service)
        await turn_over()
        call.task.cancel()
        answer = await call.read_answer()
        assert (answer.status, b"/problems#not-ready" in answer.body) == (503, True)

    run(test)


@pytest.mark.parametrize("status", [0, 200], ids=["not draining", "already answered"])
def test_request_that_is_cancelled_otherwise_is_cancelled(status: int) -> None:
    """A cancelled request ends as whoever cancelled it wants."""

    async def test() -> None:
        service = fake_service()
        service.is_draining = status != 0
        call, record = ask(wait_for_ever, service)
        record.status = status
        await turn_over()
        call.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call.task

    run(test)


@pytest.mark.parametrize("error", [ZeroDivisionError(), asyncio.CancelledError()], ids=["error", "cancelled"])
def test_other_protocols_have_no_responses(error: Exception) -> None:
    """What is no HTTP request is not answered with a problem."""

    async def test() -> None:
        with pytest.raises(type(error)):
            await Call(ErrorMiddleware(raising(error)), {"type": "lifespan"}).task

    run(test)
