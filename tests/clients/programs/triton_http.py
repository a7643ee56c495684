"""Asks with `tritonclient.http` and `tritonclient.http.aio`: every call that they have. Usage: see served.py."""

import asyncio
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import tritonclient.http
from served import Served, report
from triton import COMMON, HTTP, OUTPUT, Caller, list_checks


async def classify_as_json(caller: Caller, served: Served) -> None:
    """JSON in, JSON out, and each with binary data on the other side."""
    for is_input_binary in (False, True):
        for is_output_binary in (False, True):
            outputs = [caller.make_output(is_binary=is_output_binary)]
            given = await caller.infer(len(served.images), outputs=outputs, is_binary=is_input_binary)
            served.hold_against(given.as_numpy(OUTPUT))


async def classify_packed(caller: Caller, served: Served) -> None:
    """Requests and answers packed by either algorithm, binary and JSON."""
    for algorithm in ("gzip", "deflate"):
        for is_binary in (True, False):
            given = await caller.infer(
                len(served.images),
                outputs=[caller.make_output(is_binary=is_binary)],
                is_binary=is_binary,
                request_compression_algorithm=algorithm,
                response_compression_algorithm=algorithm,
            )
            served.hold_against(given.as_numpy(OUTPUT))


async def write_and_read_bodies(caller: Caller, served: Served) -> None:
    """A body that the client only writes is sent by another, and the answer that this gets is read by the client."""
    body, json_bytes = await caller.call("generate_request_body", [caller.make_input(5)])
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(json_bytes)}
    url = f"{served.url}/v2/models/{served.model}/infer"
    request = urllib.request.Request(url, body, headers)  # noqa: S310  # an address of this machine
    with await asyncio.to_thread(urllib.request.urlopen, request) as answer:
        length = int(answer.headers["Inference-Header-Content-Length"])
        given = await caller.call("parse_response_body", answer.read(), header_length=length)
    served.hold_against(given.as_numpy(OUTPUT))


async def classify_at_once(caller: Caller, served: Served) -> None:
    """Requests that one client has under way at once."""
    images = [caller.make_input(1, first=number) for number in range(32)]
    if hasattr(caller.client, "async_infer"):
        under_way = [await caller.call("async_infer", served.model, [image]) for image in images]
        answers = [request.get_result() for request in under_way]
    else:
        answers = await asyncio.gather(*(caller.call("infer", served.model, [image]) for image in images))
    for number, answer in enumerate(answers):
        served.hold_against(answer.as_numpy(OUTPUT), number)


def classify_in_threads(served: Served) -> None:
    """Eight threads, each with a client of its own, since a client is for one thread only."""

    def classify(first: int) -> None:
        client = tritonclient.http.InferenceServerClient(served.address)
        for number in range(first, len(served.images), 8):
            image = tritonclient.http.InferInput("image", [1, *served.images.shape[1:]], "UINT8")
            image.set_data_from_numpy(served.images[number : number + 1])
            served.hold_against(client.infer(served.model, [image]).as_numpy(OUTPUT), number)
        client.close()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(classify, range(8)))


if __name__ == "__main__":
    own = (classify_as_json, classify_packed, write_and_read_bodies, classify_at_once)
    report([*list_checks(HTTP, (*COMMON, *own)), ("http: classify_in_threads", classify_in_threads)])
