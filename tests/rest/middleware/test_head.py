"""HEAD requests."""

from starlette.types import Receive, Scope, Send

from fashion_api.rest.middleware.head import HeadMiddleware
from tests.asgi import Call, call
from tests.clock import run
from tests.raw_http import Answer


async def stream(scope: Scope, _receive: Receive, send: Send) -> None:
    """Answers in two pieces, and says in a header what it was asked for."""
    headers = [(b"content-length", b"4"), (b"x-method", scope.get("method", "").encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ab", "more_body": True})
    await send({"type": "http.response.body", "body": b"cd"})


def ask(method: str) -> Answer:
    answers: list[Answer] = []

    async def test() -> None:
        answers.append(await call(HeadMiddleware(stream), method, "/").read_answer())

    run(test)
    return answers[0]


def test_head_has_the_headers_of_get_and_no_body() -> None:
    """The app is asked for GET; its headers are sent, and nothing of its body."""
    assert ask("HEAD") == Answer(200, {"content-length": "4", "x-method": "GET"}, b"")


def test_other_methods_pass() -> None:
    """What is no HEAD is passed on as it is."""
    assert ask("GET") == Answer(200, {"content-length": "4", "x-method": "GET"}, b"abcd")


def test_other_protocols_pass() -> None:
    """What is no HTTP is passed on as it is."""

    async def test() -> None:
        await Call(HeadMiddleware(stream), {"type": "lifespan"}).task

    run(test)
