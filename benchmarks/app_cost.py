"""What a request costs inside the server: processor time, with no socket, beside the constant route and the engine.

    .venv/bin/python -m benchmarks.app_cost

Requests are given to uvicorn's protocol as bytes, on transports that send nothing. Run it pinned to one core
(`taskset -c 1 …`). The figures are the least of many short runs: those are least disturbed, and find everything in the
processor's caches, which a real load does not.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from benchmarks.contenders import constant
from benchmarks.inputs import CACHE, FORMS, Inputs, load_inputs, prepare_model
from fashion_api.rest.app import OPERATIONS, create_app
from fashion_api.rest.fast_path import OperationTable
from fashion_api.server.logs import configure_logging
from fashion_api.service.limits import RequestLimit
from fashion_api.service.service import Service
from fashion_api.settings import Settings
from fashion_api.wire.operation import Job, Reply, RequestHead, finish_steps

_REPEATS = 60
_REQUESTS = 192
_TOGETHER = 16


class _Transport(asyncio.Transport):
    """Sends nothing; tells when a response is whole."""

    def __init__(self, done: Callable[[bytes], None]) -> None:
        super().__init__()
        self._done = done
        self._written = b""

    def write(self, data: "bytes | bytearray | memoryview[Any]") -> None:
        self._written += bytes(data)
        head, _, body = self._written.partition(b"\r\n\r\n")
        if body:  # uvicorn writes the head by itself
            self._written = b""
            self._done(head)

    def is_closing(self) -> bool:
        return False


class Server:
    """uvicorn's protocol before an app, with the options that all are served with."""

    def __init__(self, app: FastAPI) -> None:
        self._config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", lifespan="off")
        self._config.load()

    def connect(self, done: Callable[[bytes], None]) -> HttpToolsProtocol:
        """Open a connection; `done` is called with the head of each response."""
        state = ServerState()
        state.default_headers = [(b"date", b"Thu, 01 Jan 1970 00:00:00 GMT")]
        connection = HttpToolsProtocol(self._config, state, {}, asyncio.get_running_loop())
        connection.connection_made(_Transport(done))
        return connection


async def measure(server: Server, raw: bytes, concurrency: int, *, status: int = 200) -> float:
    """Give the processor time a request takes, in µs."""
    waiting: asyncio.Future[None]
    left = 0

    def count(head: bytes) -> None:
        nonlocal left
        if int(head[9:12]) != status:
            raise RuntimeError(f"answered {head[9:12]!r}")
        left -= 1
        if not left:
            waiting.set_result(None)

    connections = [server.connect(count) for _ in range(concurrency)]
    best = float("inf")
    for _ in range(_REPEATS):
        started = time.process_time()
        for _ in range(_REQUESTS // concurrency):
            waiting, left = asyncio.get_running_loop().create_future(), concurrency
            for connection in connections:
                connection.data_received(raw)
            await waiting
        best = min(best, (time.process_time() - started) / _REQUESTS)
    return best * 1e6


def measure_call(call: Callable[[], object]) -> float:
    """Give the processor time a call takes, in µs."""
    best = float("inf")
    for _ in range(_REPEATS):
        started = time.process_time()
        for _ in range(_REQUESTS):
            call()
        best = min(best, (time.process_time() - started) / _REQUESTS)
    return best * 1e6


async def compare(servers: tuple[Server, Server], inputs: Inputs) -> list[str]:
    """Measure each form of request, one at a time and sixteen at once; gives the lines of a table."""
    lines = [
        "| form | constant, 1 | service, 1 | constant, 16 | service, 16 |",
        "| --- | --- | --- | --- | --- |",
    ]
    for form in FORMS:
        raw = inputs.in_form(form)[0].content
        cells = [await measure(server, raw, size) for size in (1, _TOGETHER) for server in servers]
        lines.append(f"| {form} | " + " | ".join(f"{cell:.0f}" for cell in cells) + " |")
    return lines


async def split(server: Server, service: Service, inputs: Inputs) -> list[str]:
    """Say of what a request's time consists with sixteen at once, and what a refusal takes; the lines of a table."""
    lines = [
        "| form | reading the images | engine | writing the reply | HTTP, batcher, log | a refusal |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    batch = inputs.images[:_TOGETHER]
    engine = measure_call(lambda: service.model.classifier.classify(batch)) / _TOGETHER
    limit, none = service.request_limit, RequestLimit(0)
    for form in FORMS:
        raw = inputs.in_form(form)[0].content
        read, write = _measure_ends(service, raw)
        rest = await measure(server, raw, _TOGETHER) - read - engine - write
        service.request_limit = none
        refusal = await measure(server, raw, _TOGETHER, status=503)
        service.request_limit = limit
        lines.append(f"| {form} | {read:.0f} | {engine:.0f} | {write:.0f} | {rest:.0f} | {refusal:.0f} |")
    return lines


def _measure_ends(service: Service, raw: bytes) -> tuple[float, float]:
    """Measure the reading of a request's images, and the writing of its reply."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    method, target, _ = first.decode().split(" ")
    found = OperationTable(OPERATIONS).find(method, target)
    if found is None:
        raise RuntimeError(f"no operation answers {target}")
    operation, parameters = found
    headers = [(name.lower(), value) for name, _, value in (line.partition(b": ") for line in lines)]

    def read() -> Job[Reply]:
        job = operation.read(service, RequestHead(parameters, b"", headers), body)
        return job if isinstance(job, Job) else finish_steps(job)

    job = read()
    predictions = service.model.classifier.classify(job.images)
    return measure_call(read), measure_call(lambda: job.write(predictions))


async def measure_all(settings: Settings, inputs: Inputs) -> list[str]:
    """Make both tables."""
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        server = Server(app)
        if app.service is None:
            raise RuntimeError("the service has not started")
        tables = await compare((Server(constant.create_app()), server), inputs)
        return [*tables, "", *await split(server, app.service, inputs)]


def main() -> None:
    """Measure, and print the tables."""
    model = prepare_model(None)
    settings = Settings(model_path=model.h5, cache_dir=CACHE, data_dir=model.data_dir)
    with Path(os.devnull).open("w") as nowhere:
        configure_logging(settings, stream=nowhere)
        lines = uvloop.run(measure_all(settings, load_inputs(model)))
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
