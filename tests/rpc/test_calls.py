"""What every call passes: keys, limits, deadlines, its log line; and streams."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import grpc
import pytest
from pydantic import SecretStr

from fashion_api.errors import EngineError
from fashion_api.rpc.calls import Calls
from fashion_api.rpc.messages import open_inference_pb2 as v2
from fashion_api.rpc.open_calls import OpenCalls
from fashion_api.rpc.open_inference import METHODS
from fashion_api.service.events import RequestEvent
from fashion_api.service.rate_limit import RateLimit
from fashion_api.service.request_log import RequestLog
from tests.fakes import FailingClassifier, fake_follower, fake_model
from tests.held import HeldClassifier
from tests.leftovers import leaving_no_errors
from tests.raw_http import LIMIT_S
from tests.rpc.raw_call import ask_raw, frame
from tests.rpc.serving import (
    INFER,
    NAME,
    PREDICT,
    STREAM,
    V2,
    AnyStream,
    Client,
    connect,
    images,
    make_prediction,
    make_request,
    read_classes,
    refuse,
    run,
)

CODES = grpc.StatusCode
KEY = "k" * 20
INDEX = V2 + "RepositoryIndex"


@asynccontextmanager
async def connect_held(**changes: object) -> AsyncIterator[tuple[Client, HeldClassifier]]:
    """A client of a service whose model computes when the test lets it."""
    classifier = HeldClassifier()
    async with connect(classifier, model=None, **changes) as client:
        try:
            yield client, classifier
        finally:
            classifier.release()


async def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so; the test has a limit of its own."""
    while not is_so():  # noqa: ASYNC110  # what it waits for is of a server, which says nothing
        await asyncio.sleep(0.001)


def read_metadata(metadata: Any) -> dict[str, str]:  # noqa: ANN401  # gRPC's own
    """Give metadata by name."""
    return dict(metadata)


def test_nothing_of_a_refused_call_is_left() -> None:
    """Its error would keep its message until Python collects garbage, however large it is."""

    async def test() -> None:
        async with connect_held(request_timeout_s=0.1) as (client, _):
            assert (await refuse(client.start(INFER, make_request()))).code() is CODES.DEADLINE_EXCEEDED

    with leaving_no_errors():
        run(test())


class TestKeys:
    """API keys."""

    @pytest.mark.parametrize("metadata", [(("x-api-key", KEY),), (("authorization", f"Bearer {KEY}"),)])
    @pytest.mark.parametrize("method", [INDEX, INFER, PREDICT])
    def test_a_call_with_a_key_is_answered(self, method: str, metadata: tuple[tuple[str, str], ...]) -> None:
        """In either form."""

        async def test() -> None:
            requests = {INDEX: v2.RepositoryIndexRequest(), INFER: make_request(), PREDICT: make_prediction()}
            async with connect(api_keys=(SecretStr(KEY),)) as client:
                await client.start(method, requests[method], metadata=metadata)

        run(test())

    @pytest.mark.parametrize("metadata", [(), (("x-api-key", "wrong"),), (("authorization", f"Basic {KEY}"),)])
    @pytest.mark.parametrize("method", [INDEX, INFER, PREDICT])
    def test_a_call_without_one_is_refused(self, method: str, metadata: tuple[tuple[str, str], ...]) -> None:
        """Whatever it calls, and before its message is read."""

        async def test() -> None:
            async with connect(api_keys=(SecretStr(KEY),)) as client:
                refusal = await refuse(client.start(method, b"\xff", metadata=metadata))
                assert refusal.code() is CODES.UNAUTHENTICATED
                assert "a valid API key is needed, in the metadata: x-api-key" in str(refusal.details())

        run(test())

    def test_streams_and_unknown_calls_need_one_too(self) -> None:
        """Who has no key learns nothing of what there is."""

        async def test() -> None:
            async with connect(api_keys=(SecretStr(KEY),)) as client:
                unknown: Any = client.channel.unary_unary("/nope/Nope")
                assert (await refuse(unknown(b""))).code() is CODES.UNAUTHENTICATED
                assert await client.stream().code() is CODES.UNAUTHENTICATED
                stream = client.stream(metadata=(("x-api-key", KEY),))
                await stream.write(make_request())
                assert read_classes((await read_one(stream)).infer_response) == [3]
                await stream.done_writing()

        run(test())


async def read_one(stream: AnyStream) -> v2.ModelStreamInferResponse:
    """Read the next answer of a stream."""
    answer = await stream.read()
    assert isinstance(answer, v2.ModelStreamInferResponse)
    return answer


class TestLimits:
    """What keeps the service from being overrun."""

    def test_a_message_over_the_body_limit_is_refused(self) -> None:
        """One just below is read."""

        async def test() -> None:
            async with connect(max_upload_bytes=2000) as client:
                assert (await refuse(client.infer(bytes(2001)))).code() is CODES.RESOURCE_EXHAUSTED
                assert read_classes(await client.infer()) == [3]
                assert (await refuse(client.infer(make_request(id="x" * 1300)))).code() is CODES.RESOURCE_EXHAUSTED

        run(test())

    def test_a_full_queue_refuses(self) -> None:
        """What is in it is answered."""

        async def test() -> None:
            async with connect_held(max_queue_size=2) as (client, classifier):
                first = client.infer()
                await classifier.wait_until_entered()
                second = client.infer(make_request(images(1, 2)))
                await wait_until(lambda: client.server.follower.service.batcher.waiting_images == 2)
                refusal = await refuse(client.infer())
                assert refusal.code() is CODES.UNAVAILABLE
                assert "are waiting already" in str(refusal.details())
                classifier.release()
                assert read_classes(await first) == [3]
                assert read_classes(await second) == [1, 2]

        run(test())

    def test_too_many_calls_under_way_are_refused(self) -> None:
        """Health is answered all the same, and room comes back."""

        async def test() -> None:
            async with connect_held(max_concurrent_requests=2) as (client, classifier):
                calls = [client.infer(), client.infer()]
                await wait_until(lambda: client.server.follower.service.request_limit.under_way == 2)
                refusal = await refuse(client.start(INDEX, v2.RepositoryIndexRequest()))
                assert refusal.code() is CODES.UNAVAILABLE
                assert "2 requests are under way already" in str(refusal.details())
                classifier.release()
                for call in calls:
                    assert read_classes(await call) == [3]
                assert read_classes(await client.infer()) == [3]

        run(test())

    def test_calls_without_a_request_make_room_for_others(self) -> None:
        """Where as many are open as there may be, the one that has had none for longest is ended."""

        async def test() -> None:
            async with connect(max_connections=2) as client:
                streams = [client.stream(), client.stream()]
                for stream in streams:
                    await stream.write(make_request())
                    await read_one(stream)
                assert read_classes(await client.infer()) == [3]
                assert await streams[0].code() is CODES.UNAVAILABLE
                assert "its room was needed" in str(await streams[0].details())
                await streams[1].write(make_request(images(4)))
                assert read_classes((await read_one(streams[1])).infer_response) == [4]
                await streams[1].done_writing()
                assert await streams[1].code() is CODES.OK

        run(test())

    def test_too_many_calls_with_a_request_are_refused(self) -> None:
        """Their streams, too."""

        async def test() -> None:
            async with connect_held(max_connections=1) as (client, classifier):
                stream = client.stream()
                await stream.write(make_request())
                await classifier.wait_until_entered()
                refusal = await refuse(client.infer())
                assert refusal.code() is CODES.UNAVAILABLE
                assert "1 calls are open already" in str(refusal.details())
                classifier.release()
                assert read_classes((await read_one(stream)).infer_response) == [3]
                await stream.done_writing()
                assert await stream.code() is CODES.OK
                assert read_classes(await client.infer()) == [3]

        run(test())

    def test_who_watches_health_takes_no_room(self) -> None:
        """However many there are, and though they need no key; those of one connection end each other."""

        async def test() -> None:
            async with connect(max_connections=3, api_keys=(SecretStr(KEY),)) as client:
                key = (("x-api-key", KEY),)
                stream = client.stream(metadata=key)
                await stream.write(make_request())
                await read_one(stream)
                async with client.server.connect() as channel:
                    watch_honestly: Any = channel.unary_stream("/grpc.health.v1.Health/Watch")
                    honest = watch_honestly(b"")
                    await honest.read()
                    watch: Any = client.channel.unary_stream("/grpc.health.v1.Health/Watch")
                    watched = []
                    for _ in range(105):
                        watched.append(watch(b""))
                        await watched[-1].read()
                    assert await watched[0].code() is CODES.UNAVAILABLE
                    assert read_classes(await client.start(INFER, make_request(), metadata=key)) == [3]
                    assert not honest.done()
                    assert not watched[-1].done()
                await stream.write(make_request(images(4)))
                assert read_classes((await read_one(stream)).infer_response) == [4]

        run(test())

    @pytest.mark.parametrize(
        "message",
        [
            pytest.param(b"\x2a\x00", id="inputs"),
            pytest.param(b"\x32\x00", id="outputs"),
            pytest.param(b"\x22\x03\x0a\x01x", id="parameters"),
            pytest.param(b"\x3a\x00", id="raw contents"),
        ],
    )
    def test_a_message_of_very_many_parts_is_refused_before_it_is_parsed(self, message: bytes) -> None:
        """Each of its parts would take a hundred times the memory."""

        async def test() -> None:
            async with connect() as client:
                refusal = await refuse(client.infer(message * 500_000))
                assert refusal.code() is CODES.INVALID_ARGUMENT
                assert "more than the 1256 fields" in str(refusal.details())

        run(test())

    def test_a_client_that_asks_for_too_many_images_is_refused(self) -> None:
        """Each call counts as its images."""

        async def test() -> None:
            async with connect() as client:
                client.server.follower.service.rate_limit = RateLimit(1.0)  # ten in its window
                await client.infer(make_request(images(*range(9))))
                assert (await client.start(INDEX, v2.RepositoryIndexRequest())).models
                refusal = await refuse(client.infer())
                assert refusal.code() is CODES.RESOURCE_EXHAUSTED
                assert "images a second" in str(refusal.details())

        run(test())

    def test_messages_that_stall_make_room_for_others(self) -> None:
        """Where too many of them stall, one is given up."""

        async def test() -> None:
            async with connect(max_body_memory_bytes=2 * 1024 * 1024, max_upload_bytes=1024 * 1024) as client:
                call: Any = client.channel.stream_unary(f"/{INFER}")
                silent = [asyncio.create_task(refuse(call())) for _ in range(3)]
                given_up, others = await asyncio.wait(silent, return_when=asyncio.FIRST_COMPLETED)
                (refusal,) = [task.result() for task in given_up]
                assert refusal.code() is CODES.UNAVAILABLE
                assert "the message stalled" in str(refusal.details())
                assert read_classes(await client.infer()) == [3]
                assert not any(task.done() for task in others)
                for task in others:
                    task.cancel()

        run(test())

    def test_connections_are_limited(self) -> None:
        """Those beyond are closed, and the others answered."""

        async def test() -> None:
            async with connect(max_connections=5) as client:
                await client.infer()
                with ExitStack() as stack:
                    for _ in range(20):
                        sock = stack.enter_context(socket.create_connection(("127.0.0.1", client.server.port)))
                        sock.settimeout(LIMIT_S)
                        sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
                    await asyncio.to_thread(wait_for_end, sock)  # of the last one
                    assert read_classes(await client.infer()) == [3]

        run(test())

    def test_large_messages_share_the_memory_of_bodies(self) -> None:
        """One that does not fit beside another is refused."""

        async def test() -> None:
            async with connect_held(max_body_memory_bytes=150_000, max_upload_bytes=150_000) as (client, classifier):
                large = make_request(images(*[3] * 120))
                first = client.infer(large)
                await classifier.wait_until_entered()
                refusal = await refuse(client.infer(large))
                assert refusal.code() is CODES.UNAVAILABLE
                assert "large bodies" in str(refusal.details())
                classifier.release()
                assert read_classes(await first) == [3] * 120

        run(test())


def wait_for_end(sock: socket.socket) -> None:
    """Read from a connection to its end."""
    with suppress(ConnectionError):
        while sock.recv(4096):
            pass


class TestDeadlines:
    """The shorter of the caller's and the service's."""

    def test_the_services_deadline_ends_a_call(self) -> None:
        """Its images leave the queue uncomputed."""

        async def test() -> None:
            async with connect_held(request_timeout_s=0.05) as (client, classifier):
                first = client.infer()
                await classifier.wait_until_entered()
                for call in (client.infer(make_request(images(5))), first):
                    refusal = await refuse(call)
                    assert refusal.code() is CODES.DEADLINE_EXCEEDED
                    assert "within the request's time" in str(refusal.details())
                classifier.release()
            assert classifier.batches == [[3]]

        run(test())

    def test_the_callers_deadline_ends_a_call(self) -> None:
        """The same."""

        async def test() -> None:
            async with connect_held() as (client, classifier):
                first = client.infer()
                await classifier.wait_until_entered()
                late = client.infer(make_request(images(5)), timeout=0.05)
                assert (await refuse(late)).code() is CODES.DEADLINE_EXCEEDED
                await wait_until(lambda: client.server.follower.service.batcher.waiting_images == 0)
                classifier.release()
                await first
            assert classifier.batches == [[3]]

        run(test())

    def test_a_timeout_among_the_parameters_ends_a_call(self) -> None:
        """It is in microseconds."""

        async def test() -> None:
            async with connect_held() as (client, classifier):
                first = client.infer()
                await classifier.wait_until_entered()
                request = make_request(images(5))
                request.parameters["timeout"].int64_param = 1
                assert (await refuse(client.infer(request))).code() is CODES.DEADLINE_EXCEEDED
                classifier.release()
                await first
            assert classifier.batches == [[3]]

        run(test())

    def test_a_message_that_does_not_come_is_waited_for_no_longer(self) -> None:
        """The call is over, and the next one is answered."""

        async def test() -> None:
            async with connect(request_timeout_s=0.05) as client:
                call: Any = client.channel.stream_unary(f"/{INFER}")
                silent = call()
                refusal = await refuse(silent)
                assert refusal.code() is CODES.DEADLINE_EXCEEDED
                assert "the message did not arrive" in str(refusal.details())

        run(test())

    def test_a_deadline_that_passes_at_once_leaves_one_line_in_the_log(self, caplog: pytest.LogCaptureFixture) -> None:
        """Whether the call is taken in, answered, or refused as the server has ended by then, is a matter of luck."""

        async def test() -> None:
            async with connect() as client:
                message, timeout = frame(make_request().SerializeToString()), [(b"grpc-timeout", b"1n")]
                for _ in range(10):
                    await asyncio.to_thread(ask_raw, client.server.port, f"/{INFER}".encode(), message, timeout)

        caplog.set_level(logging.INFO)
        run(test())
        statuses = [event.status for event in get_events(caplog)]
        assert len(statuses) <= 10
        assert set(statuses) <= {200, 408, 499, 503, 504}
        assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


class TestCancellation:
    """Callers that leave."""

    def test_a_cancelled_call_leaves_the_queue_uncomputed(self) -> None:
        """Its neighbours in the queue are answered."""

        async def test() -> None:
            async with connect_held() as (client, classifier):
                first = client.infer()
                await classifier.wait_until_entered()
                waiting = client.server.follower.service.batcher
                left, stays = client.infer(make_request(images(5))), client.infer(make_request(images(6)))
                await wait_until(lambda: waiting.waiting_images == 2)
                left.cancel()
                await wait_until(lambda: waiting.waiting_images == 1)
                classifier.release()
                assert read_classes(await first) == [3]
                assert read_classes(await stays) == [6]
            assert classifier.batches == [[3], [6]]

        run(test())

    def test_a_call_that_is_cancelled_while_it_is_computed_disturbs_none(self) -> None:
        """What was in its batch is answered."""

        async def test() -> None:
            async with connect_held() as (client, classifier):
                first = client.infer()
                await classifier.wait_until_entered()
                first.cancel()
                second = client.infer(make_request(images(4)))
                classifier.release()
                assert read_classes(await second) == [4]
                await wait_until(lambda: client.server.follower.service.request_limit.under_way == 0)

        run(test())

    def test_a_call_that_is_cancelled_before_its_message_leaves_nothing(self) -> None:
        """The next one is answered."""

        async def test() -> None:
            async with connect() as client:
                call: Any = client.channel.stream_unary(f"/{INFER}")
                started = call()
                await started.wait_for_connection()
                started.cancel()
                assert read_classes(await client.infer()) == [3]

        run(test())


def test_the_model_that_answers_is_named() -> None:
    """Though another was in force when the call began."""

    async def test() -> None:
        async with connect() as client:
            call: Any = client.channel.stream_unary(f"/{INFER}")
            begun = call()
            await begun.wait_for_connection()
            await client.infer()  # the one before has been taken in, too
            first = client.server.follower.service
            client.server.follower.service = first.succeed(replace(fake_model(), version="second"))
            await begun.write(make_request().SerializeToString())
            await begun.done_writing()
            assert read_metadata(await begun.trailing_metadata())["x-model-version"] == "second"
            await first.batcher.aclose()

    run(test())


class TestFaults:
    """Defects of the service's own."""

    def test_a_fault_is_told_without_detail(self) -> None:
        """Its neighbours in the batch are answered."""

        async def test() -> None:
            async with connect(FailingClassifier([9])) as client:
                broken, whole = client.infer(make_request(images(9))), client.infer(make_request(images(3)))
                refusal = await refuse(broken)
                assert refusal.code() is CODES.INTERNAL
                assert "secret" not in str(refusal)
                assert read_metadata(refusal.trailing_metadata())["x-request-id"] in str(refusal.details())
                assert read_classes(await whole) == [3]

        run(test())

    def test_a_long_name_in_any_script_fits_into_its_refusal(self) -> None:
        """Details travel in a header, in which a character may become twelve bytes."""

        async def test() -> None:
            async with connect() as client:
                for _ in range(20):  # a header of over 8 KiB is refused now and then only
                    refusal = await refuse(client.infer(make_request(model_name="😀" * 1000)))
                    assert refusal.code() is CODES.NOT_FOUND
                    assert str(refusal.details()).startswith("Request for unknown model: '😀😀")

        run(test())

    def test_it_is_logged_with_the_requests_id(self, caplog: pytest.LogCaptureFixture) -> None:
        """And with its cause."""

        async def test() -> None:
            async with connect(FailingClassifier([9])) as client:
                await refuse(client.start(INFER, make_request(images(9)), metadata=(("x-request-id", "mine"),)))

        run(test())
        (record,) = [record for record in caplog.records if record.name.endswith("rpc.statuses")]
        assert vars(record)["request_id"] == "mine"
        assert record.exc_info is not None
        assert isinstance(record.exc_info[1], EngineError)

    def test_a_name_that_is_not_utf8_is_that_of_no_method(self) -> None:
        """It ends gRPC's own server; here no call and no connection suffers."""

        async def test() -> None:
            async with connect_held() as (client, classifier):
                first = client.infer()
                await classifier.wait_until_entered()
                for path in (b"/\xff\xfe", b"\xff", b"/\xff/ModelInfer", b"/"):
                    found = await asyncio.to_thread(ask_raw, client.server.port, path, frame(b""))
                    assert int(found[b"grpc-status"]) == CODES.UNIMPLEMENTED.value[0]
                    assert found[b"x-request-id"]
                second = client.infer(make_request(images(4)))
                classifier.release()
                assert [read_classes(await call) for call in (first, second)] == [[3], [4]]

        run(test())


def get_events(caplog: pytest.LogCaptureFixture) -> list[RequestEvent]:
    """Give the requests that were logged."""
    return [event for record in caplog.records for event in vars(record).get("requests", [])]


class TestLog:
    """The line of each call, and its ids."""

    @pytest.fixture(autouse=True)
    def _log(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)

    def test_each_call_is_logged_with_its_status_and_id(self, caplog: pytest.LogCaptureFixture) -> None:
        """The status is the one that the same answer has over HTTP."""

        async def test() -> None:
            async with connect() as client:
                for request, name in ((make_request(), "a"), (b"\xff", "b"), (make_request(model_name="x"), "c")):
                    call = client.start(INFER, request, metadata=(("x-request-id", name),))
                    assert read_metadata(await call.trailing_metadata())["x-request-id"] == name
                    await call.code()
                unknown: Any = client.channel.unary_unary("/nope/Nope")
                await refuse(unknown(b""))

        run(test())
        events = get_events(caplog)
        assert [(event.route, event.status, event.request_id) for event in events[:3]] == [
            (f"/{INFER}", 200, "a"),
            (f"/{INFER}", 400, "b"),
            (f"/{INFER}", 404, "c"),
        ]
        assert [(event.route, event.status) for event in events[3:]] == [(None, 404)]
        assert events[0].work is not None
        assert events[0].work.images == 1

    def test_an_id_that_is_not_sane_is_replaced(self) -> None:
        """The new one is told."""

        async def test() -> None:
            async with connect() as client:
                call = client.start(INFER, make_request(), metadata=(("x-request-id", "a b"),))
                metadata = read_metadata(await call.trailing_metadata())
                assert len(metadata["x-request-id"]) == 32
                assert metadata["x-model-version"] == "0123456789ab"

        run(test())

    def test_calls_that_end_early_are_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        """A caller who leaves, and a deadline."""

        async def test() -> None:
            async with connect_held() as (client, classifier):
                left = client.infer()
                await classifier.wait_until_entered()
                left.cancel()
                await refuse(client.infer(timeout=0.05))
                await wait_until(lambda: client.server.follower.service.request_limit.under_way == 0)

        run(test())
        assert [(event.status, event.refusal) for event in get_events(caplog)] == [
            (499, None),
            (504, "deadline-exceeded"),
        ]

    def test_a_deadline_that_passes_before_the_message_comes_is_one(self, caplog: pytest.LogCaptureFixture) -> None:
        """The message was not too slow for the service."""

        async def test() -> None:
            async with connect() as client:
                call: Any = client.channel.stream_unary(f"/{INFER}")
                for _ in range(5):
                    assert (await refuse(call(timeout=0.05))).code() is CODES.DEADLINE_EXCEEDED

        run(test())
        assert [(event.status, event.refusal) for event in get_events(caplog)] == [(504, "deadline-exceeded")] * 5

    def test_a_deadline_of_a_stream_is_that_of_its_requests(self, caplog: pytest.LogCaptureFixture) -> None:
        """They have one status, and are counted as refused alike."""

        async def test() -> None:
            async with connect_held() as (client, classifier):
                call: Any = client.channel.stream_stream(f"/{STREAM}")
                stream = call(timeout=0.2)
                await stream.write(make_request().SerializeToString())
                await classifier.wait_until_entered()
                assert await stream.code() is CODES.DEADLINE_EXCEEDED
                await wait_until(lambda: client.server.follower.service.request_limit.under_way == 0)

        run(test())
        assert [(event.status, event.refusal) for event in get_events(caplog)] == [(504, "deadline-exceeded")] * 2

    def test_refusals_are_counted_by_their_kind(self, caplog: pytest.LogCaptureFixture) -> None:
        """As over HTTP."""

        async def test() -> None:
            async with connect(api_keys=(SecretStr(KEY),)) as client:
                await refuse(client.infer())

        run(test())
        (event,) = get_events(caplog)
        assert (event.status, event.refusal) == (401, "unauthorized")

    def test_metrics_have_the_calls_and_their_predictions(self) -> None:
        """By the path of the method."""

        async def test() -> None:
            async with connect() as client:
                await client.infer(make_request(images(3, 4)))
                service = client.server.follower.service
                await client.server.calls.stop()
                text = service.metrics.write("")[0].decode()
                assert f'fashion_requests_total{{method="POST",route="/{INFER}",status="200"}} 1.0' in text
                assert 'fashion_predictions_total{accepted="unknown",label="Dress"} 1.0' in text

        run(test())

    def test_a_request_goes_on_in_its_callers_trace(self, caplog: pytest.LogCaptureFixture) -> None:
        """As over HTTP."""

        async def test() -> None:
            async with connect() as client:
                parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
                await client.start(INFER, make_request(), metadata=(("traceparent", parent),))

        run(test())
        (event,) = get_events(caplog)
        assert event.trace is not None
        assert event.trace.trace_id == "0af7651916cd43dd8448eb211c80319c"


class TestStreams:
    """Streams of inferences, as Triton has them."""

    def test_answers_come_in_the_order_of_the_requests(self) -> None:
        """Requests are answered together, and a wrong one among them by itself."""

        async def test() -> None:
            async with connect() as client:
                stream = client.stream()
                for number in range(40):
                    request = make_request(images(number % 10), id=str(number))
                    if number % 10 == 7:
                        request.model_name = "nope"
                    await stream.write(request)
                await stream.done_writing()
                answers = [answer async for answer in stream]
                assert [answer.infer_response.id for answer in answers] == [str(number) for number in range(40)]
                for number, answer in enumerate(answers):
                    assert answer.infer_response.parameters["triton_final_response"].bool_param
                    if number % 10 == 7:
                        assert "Request for unknown model" in answer.error_message
                    else:
                        assert not answer.error_message
                        assert read_classes(answer.infer_response) == [number % 10]
                assert await stream.code() is CODES.OK

        run(test())

    def test_a_stream_of_large_requests_waits_for_room_in_the_queue(self) -> None:
        """None of them is refused, and others are answered meanwhile."""

        async def test() -> None:
            async with connect() as client:
                stream = client.stream()
                large = make_request(images(*[3] * 256))
                for _ in range(12):
                    await stream.write(large)
                assert read_classes(await client.infer()) == [3]
                await stream.done_writing()
                answers = [answer async for answer in stream]
                assert [answer.error_message for answer in answers] == [""] * 12

        run(test())

    def test_garbage_in_a_stream_is_answered_and_the_stream_goes_on(self) -> None:
        """There is no id to name."""

        async def test() -> None:
            async with connect() as client:
                stream = client.stream()
                await stream.write(b"\xff\xff")
                answer = await read_one(stream)
                assert answer.error_message == "the message is no inference.ModelInferRequest"
                await stream.write(make_request())
                assert read_classes((await read_one(stream)).infer_response) == [3]
                await stream.done_writing()

        run(test())

    def test_a_stream_without_requests_ends_well(self) -> None:
        """There is nothing to answer."""

        async def test() -> None:
            async with connect() as client:
                stream = client.stream()
                await stream.done_writing()
                assert [answer async for answer in stream] == []
                assert await stream.code() is CODES.OK

        run(test())

    def test_a_stream_that_is_cancelled_leaves_the_queue_uncomputed(self) -> None:
        """All its requests go."""

        async def test() -> None:
            async with connect_held() as (client, classifier):
                first = client.infer()
                await classifier.wait_until_entered()
                stream = client.stream()
                for class_id in (4, 5, 6):
                    await stream.write(make_request(images(class_id)))
                batcher = client.server.follower.service.batcher
                await wait_until(lambda: batcher.waiting_images == 3)
                stream.cancel()
                await wait_until(lambda: batcher.waiting_images == 0)
                classifier.release()
                await first
            assert classifier.batches == [[3]]

        run(test())

    def test_a_client_that_never_reads_holds_up_no_other(self) -> None:
        """Only so many of its requests are taken in."""

        async def test() -> None:
            async with connect() as client, client.server.connect() as channel:
                stream: Any = channel.stream_stream(f"/{STREAM}")()
                request = make_request(images(*range(10)), id="x" * 100_000).SerializeToString()
                writing = asyncio.create_task(write_on(stream, request))
                for _ in range(20):
                    assert read_classes(await client.infer()) == [3]
                limit = client.server.follower.service.request_limit
                await wait_until(lambda: limit.under_way == 0)
                stream.cancel()
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)
                assert read_classes(await client.infer()) == [3]

        run(test())

    def test_a_client_that_never_reads_is_read_no_further_when_the_service_stops(self) -> None:
        """Its requests are refused, and the refusals wait for it in memory."""

        async def test() -> None:
            follower = fake_follower()
            open_calls = OpenCalls(follower.service.settings, lambda _: None)
            (method,) = (method for method in METHODS if method.path == f"/{STREAM}")
            calls = Calls(follower, [method], RequestLog(), open_calls)
            context = DeafContext()
            answering = asyncio.create_task(calls.handlers[method.path].stream_stream(None, context))
            await context.is_read.wait()
            await open_calls.finish(0)
            context.may_be_read.set()
            for _ in range(1000):
                await asyncio.sleep(0)
            assert context.requests < 50
            answering.cancel()
            await asyncio.wait([answering])

        run(test())

    def test_each_request_of_a_stream_has_a_span_within_that_of_the_stream(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Collectors tell them apart."""

        async def test() -> None:
            async with connect(tracing=True) as client:
                stream = client.stream()
                for _ in range(2):
                    await stream.write(make_request())
                await stream.done_writing()
                assert len([answer async for answer in stream]) == 2

        caplog.set_level(logging.INFO)
        run(test())
        *requests, whole = [event.trace for event in get_events(caplog)]
        assert whole is not None
        assert len({trace.span_id for trace in (*requests, whole) if trace is not None}) == 3
        assert {trace.parent_id for trace in requests if trace is not None} == {whole.span_id}

    def test_the_requests_of_a_stream_count_one_by_one(self, caplog: pytest.LogCaptureFixture) -> None:
        """Each has its line and its work, and the stream has one when it is over."""

        async def test() -> None:
            async with connect() as client:
                stream = client.stream(metadata=(("x-request-id", "mine"),))
                for name in (NAME, "nope"):
                    await stream.write(make_request(model_name=name))
                await stream.done_writing()
                assert len([answer async for answer in stream]) == 2

        caplog.set_level(logging.INFO)
        run(test())
        events = get_events(caplog)
        assert sorted(event.status for event in events) == [200, 200, 404]
        assert {(event.route, event.request_id) for event in events} == {(f"/{STREAM}", "mine")}
        assert sum(event.work is not None for event in events) == 1


class DeafContext:
    """That of a call whose client asks on and on, and takes no answer."""

    def __init__(self) -> None:
        self.is_read = asyncio.Event()
        self.may_be_read = asyncio.Event()
        self.requests = 0

    def invocation_metadata(self) -> tuple[()]:
        return ()

    def set_trailing_metadata(self, metadata: object) -> None:
        pass

    def peer(self) -> str:
        return "ipv4:127.0.0.1:50000"

    def time_remaining(self) -> None:
        return None

    async def read(self) -> bytes:
        self.is_read.set()
        await self.may_be_read.wait()
        await asyncio.sleep(0)
        self.requests += 1
        return b""

    async def write(self, _: bytes) -> None:
        await asyncio.Event().wait()


async def write_on(stream: Any, request: bytes) -> None:  # noqa: ANN401  # of bytes
    """Write requests until nothing takes them."""
    while True:
        await stream.write(request)
