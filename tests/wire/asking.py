"""What the tests of operations share: a request goes in, a reply or an error comes out."""

import json
from collections.abc import Generator, Sequence
from typing import Any, TypeVar

from fashion_api.errors import Fault, InvalidRequestError
from fashion_api.service.service import Service
from fashion_api.wire.operation import Job, Operation, Reply, RequestHead, finish_steps

T = TypeVar("T")


def ask(  # noqa: PLR0913  # a request has that many parts
    operation: Operation,
    service: Service,
    body: bytes = b"",
    *,
    parameters: tuple[str, ...] = (),
    query: bytes = b"",
    content_type: str = "application/json",
) -> Reply:
    """Carry a request to an operation, as the carriers do."""
    head = RequestHead(parameters, query, ((b"content-type", content_type.encode()),))
    if operation.check is not None:
        operation.check(head)
    read = operation.read(service, head, body)
    job = read if isinstance(read, Job) else finish_steps(read)
    return job.write(service.model.classifier.classify(job.images))


def run_steps(steps: Generator[object, None, T]) -> tuple[T, list[object]]:
    """Give what steps end with, and what each of them gave."""
    given: list[object] = []
    while True:
        try:
            given.append(next(steps))
        except StopIteration as end:
            found: T = end.value
            return found, given


def read_json(reply: Reply) -> Any:  # noqa: ANN401  # any JSON
    assert (reply.status, reply.media_type) == (200, "application/json")
    return json.loads(reply.body)


def list_places(error: InvalidRequestError) -> Sequence[str]:
    return [fault.where for fault in error.faults]


def the_fault(error: InvalidRequestError) -> Fault:
    (fault,) = error.faults
    return fault
