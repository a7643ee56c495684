"""Callers that take no answer: what they hold is given up."""

import asyncio
from contextlib import suppress

import grpc

from fashion_api.errors import NotReadyError
from fashion_api.rpc.open_calls import OpenCalls, Task, find_task
from fashion_api.settings import Settings
from tests.rpc.raw_call import stall
from tests.rpc.serving import INFER, STREAM, connect, make_request, read_classes, run

CODES = grpc.StatusCode
REQUEST = make_request().SerializeToString()
WATCH = b"/grpc.health.v1.Health/Watch"


def test_streams_whose_answers_are_not_taken_make_room_for_others() -> None:
    """Though each has requests."""

    async def test() -> None:
        async with connect(max_connections=2) as client:
            with stall(client.server.port, [(f"/{STREAM}".encode(), REQUEST)] * 2):
                limit = client.server.follower.service.request_limit
                answer = None
                while answer is None:  # at first both are taken for streams that are read
                    with suppress(grpc.aio.AioRpcError):
                        answer = await client.infer()
                    await asyncio.sleep(0.01)
                assert read_classes(answer) == [3]
                assert limit.under_way == 0

    run(test())


def test_an_answer_that_is_not_taken_is_given_up() -> None:
    """That of a call, of a stream, and of one that needs no key; other calls go on."""

    async def test() -> None:
        async with connect(keep_alive_s=1) as client:
            other = client.stream()
            calls = [(f"/{INFER}".encode(), REQUEST), (f"/{STREAM}".encode(), REQUEST), (WATCH, b"")]
            with stall(client.server.port, calls) as wait_for_ends:
                ended: set[int] = set()
                while ended != {0, 1, 2}:
                    ended = await asyncio.to_thread(wait_for_ends)
            for _ in range(2):
                assert read_classes(await client.infer()) == [3]
                await other.write(make_request())
                await other.read()
            await other.done_writing()
            assert await other.code() is CODES.OK

    run(test())


def test_those_that_watch_and_take_nothing_end_each_other() -> None:
    """A status could not be sent to them."""

    async def test() -> None:
        async with connect() as client:
            with stall(client.server.port, [(WATCH, b"")] * 120) as wait_for_ends:
                ended: set[int] = set()
                while len(ended) < 20:
                    ended = await asyncio.to_thread(wait_for_ends)
                assert read_classes(await client.infer()) == [3]

    run(test())


def test_of_too_many_answers_the_one_that_waits_longest_is_given_up() -> None:
    """However many calls are answered: they are not open any more."""

    async def test() -> None:
        given_up: list[Task] = []
        calls = OpenCalls(Settings(_env_file=None, max_connections=1), given_up.append)
        tasks = [asyncio.create_task(asyncio.sleep(0)) for _ in range(1003)]
        for task in tasks:
            calls.begin_answer(task)
        assert given_up == tasks[:2]
        calls.forget(tasks[2])
        calls.begin_answer(tasks[0])
        assert given_up == tasks[:2]
        await asyncio.gather(*tasks)

    run(test())


def test_a_call_whose_answer_is_being_taken_is_refused_after_it() -> None:
    """When the server stops: a client that asks on and on nearly always has an answer on its way."""

    async def test() -> None:
        given_up: list[Task] = []
        calls = OpenCalls(Settings(_env_file=None), given_up.append)
        written = asyncio.Event()

        async def answer() -> None:
            task = find_task()
            calls.admit(task)
            calls.begin_answer(task)
            await written.wait()
            calls.finish_answer(task)
            await asyncio.Event().wait()

        task = asyncio.create_task(answer())
        await asyncio.sleep(0)
        await calls.finish(0)
        calls.end_all()
        assert calls.find_reason(task) is None
        written.set()
        await asyncio.wait([task])
        assert task.cancelled()
        assert isinstance(calls.find_reason(task), NotReadyError)
        assert not given_up

    run(test())
