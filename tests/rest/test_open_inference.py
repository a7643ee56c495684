"""The Open Inference Protocol over REST, as its clients see it: every mistake, and what does not suffer from one."""

import asyncio
import json
from collections.abc import Iterator

import pytest

from fashion_api.rest.app import ServiceApp
from tests.asgi import Call, make_scope, run_app
from tests.fakes import NovelClassifier, fake_app
from tests.open_inference import BAD, PATH, PIXELS, Bad, Request, infer, infer_binary
from tests.raw_http import Answer


class House:
    """A running app, and the event loop that it runs on."""

    def __init__(self, app: ServiceApp, runner: asyncio.Runner) -> None:
        self.app = app
        self.runner = runner

    def start(self, request: Request, path: str = PATH) -> Call:
        """Send a request, on the event loop."""
        headers = [(name.lower().encode(), value.encode()) for name, value in request.headers]
        length = (b"content-length", b"%d" % len(request.body))
        call = Call(self.app, make_scope("POST", path, [length, *headers]))
        call.send(request.body)
        return call

    def ask(self, request: Request, path: str = PATH) -> Answer:
        """Send a request, and read the answer."""

        async def ask() -> Answer:
            return await self.start(request, path).read_answer()

        return self.runner.run(ask())


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    app = fake_app(NovelClassifier())
    with run_app(app) as runner:
        yield House(app, runner)


@pytest.mark.parametrize("name", BAD)
def test_mistake_is_named(house: House, name: str) -> None:
    """A bad request is answered in the protocol's form, says what was wrong, and is never the service's fault."""
    request, message, status, path = BAD[name]
    answer = house.ask(request, path)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
    assert list(json.loads(answer.body)) == ["error"]
    assert message in json.loads(answer.body)["error"]
    assert (answer.headers["cache-control"], "accept-encoding" in answer.headers) == ("no-store", status == 415)


def read_class(answer: Answer) -> int:
    assert answer.status == 200
    row = json.loads(answer.body)["outputs"][0]["data"]
    return max(range(10), key=row.__getitem__)


def test_others_do_not_suffer_from_mistakes(house: House) -> None:
    """Good requests that come with bad ones, and share their batches, are answered as they are alone."""

    async def ask_all(batch: list[Bad]) -> list[tuple[Answer, Answer]]:
        calls = [(house.start(bad.request, bad.path), house.start(infer_binary())) for bad in batch]
        return [(await bad.read_answer(), await good.read_answer()) for bad, good in calls]

    bad = list(BAD.values())
    answers = [answer for at in range(0, len(bad), 20) for answer in house.runner.run(ask_all(bad[at : at + 20]))]
    assert [refused.status for refused, _ in answers] == [refused.status for refused in bad]
    assert {read_class(good) for _, good in answers} == {9}


@pytest.mark.parametrize("request_", [infer(), infer_binary()], ids=["JSON", "binary"])
def test_body_in_65000_pieces_is_read(house: House, request_: Request) -> None:
    """A body in tens of thousands of pieces, most of them empty, is read as any other."""

    async def ask() -> Answer:
        headers = [(name.lower().encode(), value.encode()) for name, value in request_.headers]
        call = Call(house.app, make_scope("POST", PATH, [(b"transfer-encoding", b"chunked"), *headers]))
        for position in range(65_000):
            call.send(request_.body[position : position + 1], more=True)
        call.send()
        return await call.read_answer()

    assert read_class(house.runner.run(ask())) == 9


def test_pixels_alone_are_read(house: House) -> None:
    """With a length of 0, the body is the pixels of one image, and the answer is binary."""
    answer = house.ask(Request(PIXELS, (("Inference-Header-Content-Length", "0"),)))
    length = int(answer.headers["inference-header-content-length"])
    described = json.loads(answer.body[:length])
    assert answer.headers["content-type"] == "application/octet-stream"
    assert described["outputs"][0]["parameters"] == {"binary_data_size": 40}
    assert len(answer.body) == length + 40
