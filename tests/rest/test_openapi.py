"""The OpenAPI document: what only the model knows, the statuses of each operation, and HEAD."""

import re
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from jsonschema_rs import Draft202012Validator

from fashion_api.inference.manifest import InputSpec
from fashion_api.rest.app import ServiceApp, create_app
from fashion_api.service.following import ModelFollower
from fashion_api.settings import FASHION_MNIST_LABELS, Settings
from fashion_api.wire.json_schema import BOUND
from tests.conftest import await_predictions, find_service
from tests.fakes import fake_service, load_fake_test_set, model_loader

LIST = "/api/v1/test-images"
NO_MODEL = {"type": "string"}
PATHS = {"index": "0", "name": "fake", "version": "1", "region": "r"}


def find_label_schema(document: dict[str, Any]) -> dict[str, Any]:
    """The schema of `?label=`."""
    (found,) = (item for item in document["paths"][LIST]["get"]["parameters"] if item["name"] == "label")
    schema: dict[str, Any] = found["schema"]
    return schema


def list_objects(value: object) -> Iterator[dict[str, Any]]:
    """Every object within a JSON value."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from list_objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from list_objects(inner)


def list_examples(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], object]]:
    """Each example or default, after the schema that it is of."""
    for found in list_objects(document):
        schema = found.get("schema", found)
        examples = found.get("examples", [])
        yield from ((schema, each["value"] if isinstance(examples, dict) else each) for each in _list(examples))
        yield from ((schema, found[name]) for name in ("example", "default") if name in found)


def _list(examples: list[object] | dict[str, Any]) -> list[Any]:
    return list(examples.values()) if isinstance(examples, dict) else examples


def make_app() -> ServiceApp:
    return create_app(Settings(_env_file=None), load_model=model_loader(), load_test_set=load_fake_test_set)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """What a running service gives."""
    with TestClient(make_app()) as client:
        described: dict[str, Any] = client.get("/openapi.json").json()
    return described


@pytest.fixture
def app() -> ServiceApp:
    """An app that was not started."""
    return make_app()


def test_labels_of_the_model_are_listed(document: dict[str, Any]) -> None:
    """`?label=` takes one of the classes of the model that is served."""
    assert find_label_schema(document)["enum"] == list(FASHION_MNIST_LABELS)


def test_document_without_a_model_lists_no_labels(app: ServiceApp) -> None:
    """Before a model is loaded, any text may be a label."""
    assert NO_MODEL.items() <= find_label_schema(app.openapi()).items()
    assert "enum" not in find_label_schema(app.openapi())


def test_document_that_was_made_before_the_model_is_made_anew(app: ServiceApp) -> None:
    """What was kept of the time before the model was loaded is not shown after it."""
    app.openapi()
    with TestClient(app) as client:
        assert "enum" in find_label_schema(client.get("/openapi.json").json())


def test_document_follows_the_service(app: ServiceApp) -> None:
    """A service that takes the place of another is described by its own limits."""
    documents = []
    for most in (3, 5):
        app.service = fake_service(max_images_per_request=most)
        documents.append(app.openapi())
    images = [found["components"]["schemas"]["PredictionRequest"]["properties"]["images"] for found in documents]
    assert [found["maxItems"] for found in images] == [3, 5]


def test_document_is_kept_while_the_service_is_the_same(app: ServiceApp) -> None:
    """It is made once, not for every request."""
    app.service = fake_service()
    assert app.openapi() is app.openapi()


def test_size_of_an_image_is_described(document: dict[str, Any]) -> None:
    """Rows of pixels have the length and number that the model takes."""
    schema = document["components"]["schemas"]["PredictionRequest"]
    rows, _ = schema["properties"]["images"]["items"]["anyOf"]
    lengths = [(schema["minItems"], schema["maxItems"]) for schema in (rows, rows["items"])]
    assert lengths == [(28, 28), (28, 28)]


@pytest.mark.parametrize("has_model", [False, True], ids=["without a model", "with a model"])
def test_nothing_is_left_incomplete(app: ServiceApp, *, has_model: bool) -> None:
    """The mark of what is completed later is not in the document."""
    app.service = fake_service() if has_model else None
    assert BOUND not in str(app.openapi())


def test_operations_have_short_ids(document: dict[str, Any]) -> None:
    """Generators name methods after the operations, so an id is a verb and a noun, in snake case and without a path."""
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert [found for found in ids if not re.fullmatch("[a-z]+(_[a-z]+){1,3}", found)] == []


@pytest.mark.parametrize(
    ("path", "media_type", "name"),
    [
        ("/api/v1/predictions", "application/json", "PredictionRequest"),
        ("/api/v1/predictions/upload", "multipart/form-data", "UploadForm"),
        ("/api/v1/preparations", "multipart/form-data", "PreparationForm"),
        ("/api/v1/explanations", "application/json", "ExplanationRequest"),
        ("/v1/models/{name}:predict", "application/json", "ServingRequest"),
        ("/v2/models/{name}/infer", "application/json", "InferenceRequest"),
    ],
)
def test_request_bodies_have_names(document: dict[str, Any], path: str, media_type: str, name: str) -> None:
    """Generators name a type after a request's body, as after an answer's."""
    schema = document["paths"][path]["post"]["requestBody"]["content"][media_type]["schema"]
    assert schema == {"$ref": f"#/components/schemas/{name}"}
    assert document["components"]["schemas"][name].keys() & {"properties", "anyOf"}


def test_enumerations_are_of_texts(document: dict[str, Any]) -> None:
    """Generators leave out operations that have an enumeration of numbers."""
    enumerations = [schema["enum"] for schema in list_objects(document) if "enum" in schema]
    assert ["0.9", "0.95", "0.99"] in enumerations
    assert {type(value) for enumeration in enumerations for value in enumeration} == {str}


def test_labels_of_answers_are_documented(document: dict[str, Any]) -> None:
    """Where an answer has a label, the labels of the model stand as examples: another model may have others."""
    schemas = document["components"]["schemas"]
    labels = [schemas["Prediction"]["properties"]["label"], schemas["LabelledPrediction"]["properties"]["actual"]]
    assert [(schema["examples"], "enum" in schema) for schema in labels] == [(list(FASHION_MNIST_LABELS), False)] * 2


def test_licence_and_server_are_named(document: dict[str, Any]) -> None:
    """The licence is there by its SPDX name, and the server is the one that gave the document."""
    assert (document["info"]["license"], document["servers"]) == (
        {"name": "MIT", "identifier": "MIT"},
        [{"url": "/"}],
    )


@pytest.mark.parametrize(
    ("size", "labels", "channels"),
    [
        ((28, 28), FASHION_MNIST_LABELS, 1),
        ((28, 28), ("cat", "dog"), 3),
        ((32, 20), FASHION_MNIST_LABELS, 3),
        ((32, 20), ("cat", "dog"), 1),
    ],
    ids=["the project's", "square animals in colour", "garments in colour", "grey animals"],
)
def test_every_example_is_valid(app: ServiceApp, size: tuple[int, int], labels: tuple[str, ...], channels: int) -> None:
    """Each example and each default is valid against its schema, whatever the model takes and answers."""
    service = app.service = fake_service()
    height, width = size
    service.model = replace(
        service.model, labels=labels, input=InputSpec(height=height, width=width, channels=channels)
    )
    document = app.openapi()
    pairs = list(list_examples(document))
    faults = [
        (error.message, example)
        for schema, example in pairs
        for error in Draft202012Validator({**schema, "components": document["components"]}).iter_errors(example)
    ]
    assert faults == []
    assert len(pairs) > 50


def test_document_is_completed_for_a_service_without_being_made_anew(settings: Settings) -> None:
    """FastAPI's part of it, which takes longest, is not made anew where a service comes into force."""
    app = create_app(settings)
    app.openapi()
    made = app.openapi_schema
    app.service = fake_service()
    assert find_label_schema(app.openapi())["enum"] == list(FASHION_MNIST_LABELS)
    assert app.openapi_schema is made


def test_document_is_made_off_the_event_loop(settings: Settings) -> None:
    """Other requests are answered while it is made."""
    threads = {}

    @asynccontextmanager
    async def note_loop(_follower: ModelFollower) -> AsyncIterator[None]:
        threads["loop"] = threading.get_ident()
        yield

    app = create_app(settings, load_model=model_loader(), load_test_set=load_fake_test_set, lifespan=note_loop)
    make = app.openapi

    def note_making() -> dict[str, Any]:
        threads["making"] = threading.get_ident()
        return make()

    app.openapi = note_making  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    with TestClient(app) as client:
        client.get("/openapi.json")
    assert threads["making"] != threads["loop"]


STATUSES = {
    "GET /api/v1/test-images": {200, 422, 500, 503},
    "GET /api/v1/confusion-matrix": {200, 500, 503},
    "GET /api/v1/test-images/{index}": {200, 404, 422, 500, 503},
    "GET /api/v1/test-images/{index}/image": {200, 404, 422, 500, 503},
    "GET /api/v1/test-images/{index}/prediction": {200, 404, 422, 500, 503, 504},
    "POST /api/v1/predictions": {200, 408, 413, 415, 422, 500, 503, 504},
    "POST /api/v1/predictions/upload": {200, 408, 413, 415, 422, 500, 503, 504},
    "POST /api/v1/preparations": {200, 408, 413, 415, 422, 500, 503, 504},
    "POST /api/v1/explanations": {200, 408, 413, 415, 422, 500, 503, 504},
    "GET /api/v1/model": {200, 500, 503},
    "GET /livez": {200, 500},
    "GET /readyz": {200, 500, 503},
    "GET /predict": {200, 404, 408, 413, 415, 422, 500, 503, 504},
    "GET /real": {200, 404, 408, 413, 415, 422, 500, 503, 504},
    "GET /v1/models": {200, 500, 503},
    "GET /v1/models/{name}": {200, 404, 500, 503},
    "GET /v1/models/{name}/metadata": {200, 404, 500, 503},
    "GET /v1/models/{name}/versions/{version}": {200, 404, 500, 503},
    "GET /v1/models/{name}/versions/{version}/metadata": {200, 404, 500, 503},
    "POST /v1/models/{name}:predict": {200, 400, 404, 408, 413, 415, 500, 503, 504},
    "POST /v1/models/{name}/versions/{version}:predict": {200, 400, 404, 408, 413, 415, 500, 503, 504},
    "GET /v2": {200, 500, 503},
    "GET /v2/health/live": {200, 500},
    "GET /v2/health/ready": {200, 500, 503},
    "GET /v2/models": {200, 500, 503},
    "GET /v2/models/stats": {200, 500, 503},
    "GET /v2/models/{name}": {200, 404, 500, 503},
    "GET /v2/models/{name}/ready": {200, 404, 500, 503},
    "GET /v2/models/{name}/config": {200, 404, 500, 503},
    "GET /v2/models/{name}/stats": {200, 404, 500, 503},
    "GET /v2/models/{name}/versions/{version}": {200, 404, 500, 503},
    "GET /v2/models/{name}/versions/{version}/ready": {200, 404, 500, 503},
    "GET /v2/models/{name}/versions/{version}/config": {200, 404, 500, 503},
    "GET /v2/models/{name}/versions/{version}/stats": {200, 404, 500, 503},
    "POST /v2/models/{name}/infer": {200, 400, 404, 408, 413, 415, 500, 503, 504},
    "POST /v2/models/{name}/versions/{version}/infer": {200, 400, 404, 408, 413, 415, 500, 503, 504},
    "POST /v2/repository/index": {200, 400, 408, 413, 415, 500, 503},
    "GET /v2/logging": {200, 500, 503},
    "POST /v2/logging": {200, 400, 408, 413, 415, 500, 503},
    "GET /v2/trace/setting": {200, 500, 503},
    "POST /v2/trace/setting": {200, 400, 408, 413, 415, 500, 503},
    "GET /v2/models/{name}/trace/setting": {200, 404, 500, 503},
    "POST /v2/models/{name}/trace/setting": {200, 400, 404, 408, 413, 415, 500, 503},
    "GET /v2/systemsharedmemory/status": {200, 500, 503},
    "GET /v2/cudasharedmemory/status": {200, 500, 503},
    "GET /v2/systemsharedmemory/region/{region}/status": {200, 500, 503},
    "GET /v2/cudasharedmemory/region/{region}/status": {200, 500, 503},
    "POST /v2/systemsharedmemory/unregister": {200, 500, 503},
    "POST /v2/cudasharedmemory/unregister": {200, 500, 503},
    "POST /v2/systemsharedmemory/region/{region}/unregister": {200, 500, 503},
    "POST /v2/cudasharedmemory/region/{region}/unregister": {200, 500, 503},
}
HEALTH = {"/livez", "/readyz", "/v2/health/live", "/v2/health/ready"}
"""The paths that need no key and are always answered."""


def test_statuses_of_each_operation_are_described(document: dict[str, Any]) -> None:
    """An operation lists all statuses that it answers with, those of reading a body and of waiting among them."""
    described = {
        f"{method.upper()} {path}": {int(status) for status in operation["responses"]}
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    assert described == STATUSES


def test_problems_of_protocols_are_described_by_what_their_answers_have(document: dict[str, Any]) -> None:
    """Answers under /v1 and /v2 have one member, `error`, and no description speaks of others."""
    described = [
        (path, response["description"])
        for path, item in document["paths"].items()
        if path.startswith(("/v1", "/v2"))
        for operation in item.values()
        for response in operation["responses"].values()
    ]
    assert any("`error`" in description for _, description in described)
    others = ("`errors`", "`detail`", "request_id", "test image")
    assert not [found for found in described if any(other in found[1] for other in others)]


@pytest.mark.parametrize("operation", [name for name in STATUSES if name.split()[1] not in HEALTH])
def test_overload_is_described(client: TestClient, operation: str) -> None:
    """What an operation answers where too many requests are under way is among its statuses."""
    method, path = operation.split()
    find_service(client).request_limit.under_way = 1000
    assert client.request(method, path.format(**PATHS)).status_code in STATUSES[operation]


@pytest.mark.parametrize(
    "path",
    [
        "/predict",
        "/real",
        "/api/v1/predictions",
        "/api/v1/predictions/upload",
        "/api/v1/preparations",
        "/api/v1/explanations",
        "/v1/models/{name}:predict",
        "/v1/models/{name}/versions/{version}:predict",
        "/v2/models/{name}/infer",
        "/v2/models/{name}/versions/{version}/infer",
        "/v2/repository/index",
        "/v2/logging",
        "/v2/trace/setting",
        "/v2/models/{name}/trace/setting",
    ],
)
def test_unknown_content_coding_is_described(client: TestClient, path: str) -> None:
    """Where a body is read, 415 for its content coding is described."""
    operation = f"POST {path}" if f"POST {path}" in STATUSES else f"GET {path}"
    headers = {"Content-Encoding": "br", "Content-Type": "application/json"}
    answer = client.request(operation.split(maxsplit=1)[0], path.format(**PATHS), content=b"{}", headers=headers)
    assert (answer.status_code, 415 in STATUSES[operation]) == (415, True)


@pytest.mark.parametrize(
    "path",
    [name.removeprefix("GET ") for name in STATUSES if name.startswith("GET ")]
    + ["/", "/docs", "/redoc", "/problems", "/openapi.json", "/static-docs/favicon.png"],
)
def test_head_is_answered_as_get_without_a_body(client: TestClient, path: str) -> None:
    """HEAD has the status, the type and the length of GET, and no body."""
    await_predictions(client)
    address = path.format(**PATHS) + ("?test_image_num=0" if path in ("/predict", "/real") else "")
    head, get = (client.request(method, address, follow_redirects=False) for method in ("HEAD", "GET"))
    named = ("content-type", "content-length")
    assert head.status_code == get.status_code
    assert head.content == b""
    assert [head.headers.get(name) for name in named] == [get.headers.get(name) for name in named]


def test_head_is_for_every_get(document: dict[str, Any]) -> None:
    """No described GET is missing from those that are asked with HEAD here."""
    gets = {f"GET {path}" for path, item in document["paths"].items() if "get" in item}
    assert gets == {name for name in STATUSES if name.startswith("GET ")}
