"""Asks with `tritonclient.grpc` and `tritonclient.grpc.aio`: every call that they have. Usage: see served.py."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import tritonclient.grpc
from served import Served, report
from triton import COMMON, GRPC, OUTPUT, Caller, list_checks
from tritonclient.utils import InferenceServerException

LIMIT_S = 60
PING_S = 10
PINGS = 3.5  # a server that minds closes the connection at the third

Answer = tuple[Any, InferenceServerException | None]
"""A result or an error; the other is None."""


async def classify_packed(caller: Caller, served: Served) -> None:
    """Messages packed by either algorithm."""
    for algorithm in ("gzip", "deflate"):
        given = await caller.infer(len(served.images), compression_algorithm=algorithm)
        served.hold_against(given.as_numpy(OUTPUT))


async def classify_at_once(caller: Caller, served: Served) -> None:
    """Requests that one client has under way at once; the answer to a bad one is an error."""
    images = [caller.make_input(1, first=number) for number in range(64)]
    if not hasattr(caller.client, "async_infer"):
        given = await asyncio.gather(*(caller.call("infer", served.model, [image]) for image in images))
        for number, result in enumerate(given):
            served.hold_against(result.as_numpy(OUTPUT), number)
        return
    waiting: list[SimpleQueue[Answer]] = [SimpleQueue() for _ in images]
    refused: SimpleQueue[Answer] = SimpleQueue()
    for image, answers in zip(images, waiting, strict=True):
        await caller.call("async_infer", served.model, [image], _put_into(answers))
    await caller.call("async_infer", "nope", images[:1], _put_into(refused))
    for number, answers in enumerate(waiting):
        result, error = answers.get(timeout=LIMIT_S)
        assert error is None, error
        served.hold_against(result.as_numpy(OUTPUT), number)
    _, error = refused.get(timeout=LIMIT_S)
    assert error is not None
    assert "Request for unknown model" in error.message()


async def stream(caller: Caller, served: Served) -> None:
    """A stream: the answers come in order, a bad request in the middle gets an error, and the others their answers."""
    models = [served.model, served.model, "nope", served.model, served.model]
    requests = [
        {"model_name": model, "inputs": [caller.make_input(1, first=number)], "request_id": f"request {number}"}
        for number, model in enumerate(models)
    ]
    for number, (result, error) in enumerate(await _exchange(caller, requests)):
        if models[number] == "nope":
            assert result is None
            assert error is not None
            assert "Request for unknown model" in error.message()
            continue
        assert error is None, error
        response = result.get_response()
        assert response.id == f"request {number}"
        assert response.parameters["triton_final_response"].bool_param
        served.hold_against(result.as_numpy(OUTPUT), number)


async def _exchange(caller: Caller, requests: Iterable[dict[str, Any]]) -> list[Answer]:
    """Send requests on one stream, and read as many answers."""
    requests = list(requests)
    if hasattr(caller.client, "start_stream"):
        answers: SimpleQueue[Answer] = SimpleQueue()
        await caller.call("start_stream", _put_into(answers), compression_algorithm="gzip")
        for request in requests:
            await caller.call("async_stream_infer", **request, enable_empty_final_response=True)
        read = [answers.get(timeout=LIMIT_S) for _ in requests]
        await caller.call("stop_stream")
        assert answers.empty()
        return read

    async def give() -> AsyncIterator[dict[str, Any]]:
        for request in requests:
            yield request

    return [answer async for answer in await caller.call("stream_infer", give())]


async def cancel(caller: Caller, served: Served) -> None:
    """Calls and streams that are cancelled disturb nothing."""
    image = caller.make_input(len(served.images))
    if hasattr(caller.client, "async_infer"):
        answers: SimpleQueue[Answer] = SimpleQueue()
        (await caller.call("async_infer", served.model, [image], _put_into(answers))).cancel()
        _, error = answers.get(timeout=LIMIT_S)
        assert error is not None
        assert "CANCELLED" in str(error.status())
        await caller.call("start_stream", _put_into(answers))
        await caller.call("async_stream_infer", served.model, [image])
        await caller.call("stop_stream", cancel_requests=True)
    else:
        task = asyncio.ensure_future(caller.call("infer", served.model, [image]))
        await asyncio.sleep(0)
        task.cancel()
        assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)

        async def give() -> AsyncIterator[dict[str, Any]]:
            yield {"model_name": served.model, "inputs": [image]}

        (await caller.call("stream_infer", give())).cancel()
    served.hold_against((await caller.infer()).as_numpy(OUTPUT))


async def run_out_of_time(caller: Caller, served: Served) -> None:
    """The client's deadline, and the one that it asks the service to hold, end a call."""
    for limit in ({"client_timeout": 1e-6}, {"timeout": 1}):
        try:
            await caller.infer(len(served.images), **limit)
        except InferenceServerException as error:
            assert "DEADLINE_EXCEEDED" in str(error.status()), error
        else:
            raise AssertionError(f"answered within {limit}")
    served.hold_against((await caller.infer(client_timeout=LIMIT_S)).as_numpy(OUTPUT))


async def read_status_codes(caller: Caller, served: Served) -> None:
    """What is unknown is NOT_FOUND, and what is wrong INVALID_ARGUMENT."""
    for model, output, wanted in (("nope", OUTPUT, "NOT_FOUND"), (served.model, "nope", "INVALID_ARGUMENT")):
        try:
            await caller.call("infer", model, [caller.make_input(1)], outputs=[caller.make_output(output)])
        except InferenceServerException as error:
            assert wanted in str(error.status()), error
        else:
            raise AssertionError(f"{model}, {output} was answered")


def classify_in_threads(served: Served) -> None:
    """Eight threads that share one client."""
    client = tritonclient.grpc.InferenceServerClient(served.grpc_address)

    def classify(first: int) -> None:
        for number in range(first, len(served.images), 8):
            image = tritonclient.grpc.InferInput("image", [1, *served.images.shape[1:]], "UINT8")
            image.set_data_from_numpy(served.images[number : number + 1])
            served.hold_against(client.infer(served.model, [image]).as_numpy(OUTPUT), number)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(classify, range(8)))
    client.close()


def keep_a_connection(served: Served) -> None:
    """A client that sends a ping each ten seconds keeps its connection, and the stream on it."""
    pings = tritonclient.grpc.KeepAliveOptions(
        keepalive_time_ms=PING_S * 1000, keepalive_permit_without_calls=True, http2_max_pings_without_data=0
    )
    client = tritonclient.grpc.InferenceServerClient(served.grpc_address, keepalive_options=pings)
    image = tritonclient.grpc.InferInput("image", [1, *served.images.shape[1:]], "UINT8")
    image.set_data_from_numpy(served.images[:1])
    answers: SimpleQueue[Answer] = SimpleQueue()
    client.start_stream(_put_into(answers))
    for silence_s in (0, PINGS * PING_S):
        time.sleep(silence_s)
        client.async_stream_infer(served.model, [image])
        result, error = answers.get(timeout=LIMIT_S)
        assert error is None, error
        served.hold_against(result.as_numpy(OUTPUT))
    client.stop_stream()
    client.close()


def _put_into(answers: "SimpleQueue[Answer]") -> Any:
    return lambda result, error: answers.put((result, error))


if __name__ == "__main__":
    own = (classify_packed, classify_at_once, stream, cancel, run_out_of_time, read_status_codes)
    report(
        [
            *list_checks(GRPC, (*COMMON, *own)),
            ("grpc: classify_in_threads", classify_in_threads),
            ("grpc: keep_a_connection", keep_a_connection),
        ]
    )
