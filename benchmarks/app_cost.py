"""What a request costs inside the app: processor time, with no socket, beside the constant route and the engine.

    .venv/bin/python -m benchmarks.app_cost

Run it pinned to one core (`taskset -c 1 …`). The figures are the least of many short runs: those are least disturbed.
"""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.contenders import constant
from benchmarks.inputs import CACHE, FORMS, Inputs, load_inputs, prepare_model
from fashion_api.app import create_app
from fashion_api.inference.classifier import Classifier, Images
from fashion_api.logs import configure_logging
from fashion_api.settings import Settings

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

_REPEATS = 60
_REQUESTS = 192


def to_asgi(raw: bytes) -> tuple[Message, bytes]:
    """Turn a request as it goes over the wire into what uvicorn makes of it."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    method, target, _ = first.split(b" ")
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    path, _, query = target.partition(b"?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50000),
        "method": method.decode(),
        "root_path": "",
        "path": path.decode(),
        "raw_path": path,
        "query_string": query,
        "headers": headers,
        "state": {},
    }
    return scope, body


async def call(app: App, scope: Message, body: bytes) -> int:
    """Make one request, and give its status."""
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        statuses.append(message.get("status", 0))

    await app(dict(scope), receive, send)
    return statuses[0]


async def measure(app: App, raw: bytes, concurrency: int) -> float:
    """Give the processor time a request takes, in µs."""
    scope, body = to_asgi(raw)
    best = float("inf")
    for _ in range(_REPEATS):
        started = time.process_time()
        for _ in range(_REQUESTS // concurrency):
            statuses = await asyncio.gather(*(call(app, scope, body) for _ in range(concurrency)))
            if set(statuses) != {200}:
                raise RuntimeError(f"answered {set(statuses)}")
        best = min(best, (time.process_time() - started) / _REQUESTS)
    return best * 1e6


def measure_engine(classifier: Classifier, images: Images) -> float:
    """Give the processor time an image takes in a batch of these, in µs."""
    best = float("inf")
    for _ in range(_REPEATS):
        started = time.process_time()
        for _ in range(max(1, 128 // len(images))):
            classifier.classify(images)
        best = min(best, (time.process_time() - started) / max(1, 128 // len(images)) / len(images))
    return best * 1e6


async def measure_all(settings: Settings, inputs: Inputs) -> list[str]:
    """Measure each form of request, one at a time and sixteen at once; gives the lines of a table."""
    service, floor = create_app(settings), constant.create_app()
    async with service.router.lifespan_context(service):
        classifier = service.state.service.model.classifier
        engine = [f"{measure_engine(classifier, inputs.images[:size]):.0f}" for size in (1, 16)]
        lines = [
            f"The engine: {engine[0]} µs an image alone, {engine[1]} in a batch of 16.",
            "",
            "| form | constant, 1 | service, 1 | constant, 16 | service, 16 |",
            "| --- | --- | --- | --- | --- |",
        ]
        for form in FORMS:
            raw = inputs.in_form(form)[0].content
            cells = [await measure(app, raw, size) for size in (1, 16) for app in (floor, service)]
            lines.append(f"| {form} | " + " | ".join(f"{cell:.0f}" for cell in cells) + " |")
    return lines


def main() -> None:
    """Measure, and print the table."""
    model = prepare_model(None)
    settings = Settings(model_path=model.h5, cache_dir=CACHE, data_dir=model.data_dir)
    with Path(os.devnull).open("w") as nowhere:
        configure_logging(settings, stream=nowhere)
        lines = uvloop.run(measure_all(settings, load_inputs(model)))
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
