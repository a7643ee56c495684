"""The fast path: which requests are its own, and which service answers them."""

import asyncio
import dataclasses
import json
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from fashion_api.rest.app import OPERATIONS
from fashion_api.rest.fast_path import FastPath, OperationTable
from fashion_api.service.service import Service
from fashion_api.wire.flask_api import PREDICT_LABEL
from fashion_api.wire.native import PREDICT_IMAGES, PREDICT_LABELLED_IMAGE
from fashion_api.wire.operation import Operation
from tests.asgi import Call, call, running
from tests.clock import put_clock_forward, run, turn_over
from tests.fakes import fake_app, fake_test_set
from tests.held import HeldClassifier

JSON_TYPE = {"Content-Type": "application/json"}
BOOT = json.dumps({"images": [fake_test_set().images[9].tolist()]}).encode()
LARGE = BOOT + b" " * 100_000
INDEX_PATH = "/api/v1/test-images/9/prediction"


@pytest.mark.parametrize(
    ("method", "path", "operation", "parameters"),
    [
        ("GET", INDEX_PATH, PREDICT_LABELLED_IMAGE, ("9",)),
        ("GET", "/api/v1/test-images/a b/prediction", PREDICT_LABELLED_IMAGE, ("a b",)),
        ("POST", "/api/v1/predictions", PREDICT_IMAGES, ()),
        ("GET", "/predict", PREDICT_LABEL, ()),
    ],
)
def test_operation_is_found_by_method_and_path(
    method: str, path: str, operation: Operation, parameters: tuple[str, ...]
) -> None:
    """An operation is found with what stands in the path for its parameters."""
    assert OperationTable(OPERATIONS).find(method, path) == (operation, parameters)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", INDEX_PATH),
        ("GET", "/api/v1/predictions"),
        ("GET", "/api/v1/test-images//prediction"),
        ("GET", "/api/v1/test-images/9/8/prediction"),
        ("GET", "/api/v1/test-images/9/prediction\n"),
        ("GET", "/x/api/v1/test-images/9/prediction"),
        ("GET", "/api/v1/test-images/9/prediction/"),
        ("GET", "/predict/"),
        ("GET", "/apixv1/test-images/9/prediction"),
        ("GET", ""),
    ],
)
def test_no_other_request_is_an_operation(method: str, path: str) -> None:
    """Another method or another path, by however little, is left to FastAPI."""
    assert OperationTable(OPERATIONS).find(method, path) is None


def test_other_protocols_pass() -> None:
    """What is no HTTP request is passed on as it is."""
    reached: list[str] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        reached.append(scope["type"])

    async def test() -> None:
        await Call(FastPath(app, OPERATIONS), {"type": "lifespan"}).task

    run(test)
    assert reached == ["lifespan"]


def change_model(service: Service) -> Service:
    """Another service, whose model has another name, version and labels."""
    labels = tuple(label.upper() for label in service.model.labels)
    model = dataclasses.replace(service.model, name="other", version="ba9876543210", labels=labels)
    return dataclasses.replace(service, model=model)


def look_at_model(answer: Any) -> tuple[str, str, str]:  # noqa: ANN401  # JSON
    """Name and version of the model that answered, and the label that it gave."""
    prediction = answer["prediction"] if "prediction" in answer else answer["predictions"][0]
    return answer["model"]["name"], answer["model"]["version"], prediction["label"]


BEFORE = ("fake", "0123456789ab", "Ankle boot")
AFTER = ("other", "ba9876543210", "ANKLE BOOT")


@pytest.mark.parametrize("has_fast_path", [True, False], ids=["fast path", "FastAPI's routes"])
@pytest.mark.parametrize("body", [BOOT, LARGE], ids=["small", "large"])
def test_request_is_answered_by_the_service_that_took_it_in(body: bytes, *, has_fast_path: bool) -> None:
    """A change of the model while a body arrives shows in no part of its answer, only in the next one's."""

    async def test() -> None:
        app = fake_app()
        app.operations = OPERATIONS if has_fast_path else ()
        async with running(app) as service:
            headers = JSON_TYPE | {"Content-Length": str(len(body))}
            early = call(app, "POST", "/api/v1/predictions", headers, body=None)
            early.send(body[:50], more=True)
            await turn_over()
            app.service = change_model(service)
            early.send(body[50:])
            late = call(app, "POST", "/api/v1/predictions", JSON_TYPE, body=body)
            answers = [look_at_model(json.loads((await each.read_answer()).body)) for each in (early, late)]
            assert answers == [BEFORE, AFTER]
            app.service = service

    run(test)


def test_request_that_waits_is_answered_by_the_service_that_took_it_in() -> None:
    """A change of the model while a request waits for its answer shows in no part of that."""

    async def test() -> None:
        classifier = HeldClassifier()
        app = fake_app(classifier)
        async with running(app) as service:
            waiting = call(app, "GET", INDEX_PATH)
            await classifier.wait_until_entered()
            app.service = change_model(service)
            classifier.release()
            assert look_at_model(json.loads((await waiting.read_answer()).body)) == BEFORE
            app.service = service

    run(test)


def test_time_for_the_body_is_time_for_the_answer() -> None:
    """One deadline covers reading and computing: a body that takes most of it leaves the rest for the answer."""

    async def test() -> None:
        classifier = HeldClassifier()
        app = fake_app(classifier, request_timeout_s=10.0)
        async with running(app):
            headers = JSON_TYPE | {"Content-Length": str(len(BOOT))}
            made = call(app, "POST", "/api/v1/predictions", headers, body=None)
            await turn_over()
            await put_clock_forward(8)
            made.send(BOOT)
            await classifier.wait_until_entered()
            await put_clock_forward(3)
            assert (await made.read_answer()).status == 504
            classifier.release()

    run(test)


def test_queue_without_room_refuses_before_the_body_is_read() -> None:
    """Where the queue is full, a request is refused at its head."""

    async def test() -> None:
        classifier = HeldClassifier()
        app = fake_app(classifier, max_queue_size=1)
        async with running(app):
            first = call(app, "GET", INDEX_PATH)
            await classifier.wait_until_entered()
            second = call(app, "GET", INDEX_PATH)
            await turn_over()
            refused = call(app, "POST", "/api/v1/predictions", JSON_TYPE | {"Content-Length": "9"}, body=None)
            assert (await refused.read_answer()).status == 503
            classifier.release()
            assert [(await each.read_answer()).status for each in (first, second)] == [200, 200]

    run(test)


def test_late_outcome_of_a_request_that_is_over_is_dropped() -> None:
    """An outcome that comes after the caller has gone changes nothing."""

    async def test() -> None:
        classifier = HeldClassifier()
        app = fake_app(classifier)
        async with running(app):
            made = call(app, "GET", INDEX_PATH)
            await classifier.wait_until_entered()
            made.task.cancel()
            await asyncio.wait([made.task])
            classifier.release()
            assert (await call(app, "GET", INDEX_PATH).read_answer()).status == 200

    run(test)
