"""What holds for every route: health, problems, request ids, keys, the documentation."""

import base64
import hashlib
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from fashion_api.errors import DataError, ModelError
from fashion_api.inference.loading import LoadedModel
from fashion_api.rest import app as app_module
from fashion_api.rest.app import create_app
from fashion_api.rest.problems import KINDS, ProblemKind
from fashion_api.service import rate_limit
from fashion_api.settings import FASHION_MNIST_LABELS, Settings
from tests.conftest import MakeClient, find_service
from tests.fakes import FailingClassifier, find_no_test_set, load_fake_test_set, model_loader
from tests.rest.test_openapi import HEALTH

PREDICTION = "/api/v1/test-images/9/prediction"


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_healthy_service_says_ok(client: TestClient, path: str) -> None:
    """Both probes answer 200 while the service is well."""
    response = client.get(path)
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_service_that_is_not_started_lives_but_is_not_ready(settings: Settings) -> None:
    """Before the model is loaded the process is up, and everything else says 503 and when to try again."""
    client = TestClient(create_app(settings, load_model=model_loader(), load_test_set=load_fake_test_set))
    answers = {path: client.get(path) for path in ("/livez", "/readyz", PREDICTION)}
    assert [answer.status_code for answer in answers.values()] == [200, 503, 503]
    assert answers["/readyz"].headers["retry-after"] == "1"
    assert answers[PREDICTION].json()["type"] == "/problems#not-ready"


def test_draining_service_is_not_ready_but_answers(make_client: MakeClient) -> None:
    """While it drains, the service says that it is not ready, and still answers what comes."""
    client = make_client()
    find_service(client).drain()
    assert (client.get("/readyz").status_code, client.get(PREDICTION).status_code) == (503, 200)


def test_failed_start_is_raised_and_told_in_one_line(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """A model that cannot be loaded ends the start; the reason is logged as one line."""

    def fail(_settings: Settings) -> LoadedModel:
        raise ModelError("no such model")

    client = TestClient(create_app(settings, load_model=fail, load_test_set=load_fake_test_set))
    with pytest.raises(ModelError), client:
        pass
    assert ("fashion_api.rest.app", logging.CRITICAL, "cannot start: no such model") in caplog.record_tuples


@pytest.mark.parametrize("part", ["look_at", "Metrics", "RateLimit"])
def test_any_part_that_fails_is_logged(
    settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """Whatever part of the service fails at the start, the log says why: no start ends without a word."""

    def fail(*_: object, **_options: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(app_module if part != "RateLimit" else rate_limit, part, fail)
    limited = settings.model_copy(update={"rate_limit": 1.0})
    client = TestClient(create_app(limited, load_model=model_loader(), load_test_set=load_fake_test_set))
    with pytest.raises(ZeroDivisionError), client:
        pass
    assert "a bug" in caplog.text


def test_fault_of_the_service_is_500_and_tells_nothing(
    make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """A classifier that fails is answered 500 without its text, which the log has."""
    response = make_client(FailingClassifier()).get(PREDICTION)
    assert (response.status_code, response.json()["type"]) == (500, "/problems#internal-error")
    assert "secret" not in response.text
    assert "secret" in caplog.text


def test_unforeseen_fault_is_answered_and_logged_with_the_request_id(
    make_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """An error that nobody foresaw is still a problem with a request id, under which the log has it."""
    client = make_client()
    find_service(client).model = None  # type: ignore[assignment]  # a bug, as it were
    response = client.get("/api/v1/model", headers={"X-Request-ID": "abc"})
    assert (response.status_code, response.json()["request_id"]) == (500, "abc")
    record = next(record for record in caplog.records if record.getMessage().startswith("request failed"))
    assert (record.__dict__["request_id"], record.exc_info is not None) == ("abc", True)


def test_problem_has_every_member(client: TestClient) -> None:
    """A problem tells type, title, status, detail, path and request id."""
    response = client.get("/api/v1/test-images/77?x=1", headers={"X-Request-ID": "my-id.1"})
    assert response.json() == {
        "type": "/problems#not-found",
        "title": "Not found",
        "status": 404,
        "detail": "there is no test image 77: the 30 test images have the indices 0 to 29",
        "instance": "/api/v1/test-images/77",
        "request_id": "my-id.1",
    }


def test_unknown_address_is_a_problem(client: TestClient) -> None:
    """An address that there is not is answered 404 as a problem."""
    response = client.get("/api/v2/model")
    assert (response.status_code, response.json()["type"]) == (404, "/problems#not-found")


def test_wrong_method_is_a_problem_and_names_the_right_one(client: TestClient) -> None:
    """A method that an address does not have is answered 405, with those that it has."""
    response = client.put("/api/v1/predictions")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert response.json()["type"] == "/problems#method-not-allowed"


def test_file_is_to_be_got(client: TestClient) -> None:
    """Another method than GET for a file is answered 405, and GET is named."""
    response = client.post("/static/page/app.js")
    assert (response.status_code, response.headers["allow"]) == (405, "GET")
    assert response.json()["detail"] == "POST is not for this address; ask it by GET"


@pytest.mark.parametrize("path", ["/livez", PREDICTION, "/nowhere", "/docs"])
def test_every_response_has_the_callers_request_id(client: TestClient, path: str) -> None:
    """A sane request id comes back on every response."""
    assert client.get(path, headers={"X-Request-ID": "trace_1-2.3"}).headers["x-request-id"] == "trace_1-2.3"


@pytest.mark.parametrize("given", [None, "", "two words", "a\tb", "x" * 129, "{}", "é".encode("latin-1")])
def test_request_without_a_sane_id_gets_one(client: TestClient, given: str | bytes | None) -> None:
    """A missing id, or one that could forge a log line, is replaced by one of our own."""
    headers = {} if given is None else {"X-Request-ID": given}
    request_id = client.get("/livez", headers=headers).headers["x-request-id"]  # type: ignore[arg-type]  # bytes too
    assert len(request_id) == 32
    assert request_id != given


def test_each_request_is_logged_once(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """A request is logged once, with method, route template, status, duration and request id."""
    app = create_app(settings, load_model=model_loader(), load_test_set=load_fake_test_set)
    with caplog.at_level(logging.INFO), TestClient(app) as client:
        client.get(PREDICTION, headers={"X-Request-ID": "abc"})
        client.get("/nowhere", headers={"X-Request-ID": "def"})
    events = [event for record in caplog.records for event in record.__dict__.get("requests", [])]
    assert [(event.method, event.route, event.status, event.request_id) for event in events] == [
        ("GET", "/api/v1/test-images/{index}/prediction", 200, "abc"),
        ("GET", None, 404, "def"),
    ]
    assert all(event.duration_ms > 0 for event in events)


def test_model_card_tells_what_answers(client: TestClient) -> None:
    """The model's route tells its name, classes and input; what its manifest does not say is null."""
    card = client.get("/api/v1/model").json()
    assert card["labels"] == list(FASHION_MNIST_LABELS)
    assert card["input"] == {"height": 28, "width": 28, "channels": 1, "pixel_range": [0.0, 255.0]}
    assert (card["name"], card["engine"], card["training"], card["evaluation"]) == ("fake", "fake", None, None)


class TestApiKeys:
    """With FASHION_API_KEYS set."""

    @pytest.fixture
    def guarded(self, make_client: MakeClient) -> TestClient:
        keys = Settings(_env_file=None, api_keys="first-key,second-key").api_keys
        return make_client(api_keys=keys)

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"X-API-Key": "wrong"},
            {"X-API-Key": ""},
            {"Authorization": "Bearer first"},
            {"Authorization": "Basic x"},
        ],
        ids=["none", "wrong", "empty", "wrong bearer", "another scheme"],
    )
    @pytest.mark.parametrize("path", [PREDICTION, "/predict?test_image_num=1", "/api/v1/model"])
    def test_without_a_key_there_is_no_answer(self, guarded: TestClient, path: str, headers: dict[str, str]) -> None:
        """A request with no key, or with a wrong one, is answered 401 with how to show one."""
        response = guarded.get(path, headers=headers)
        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")

    @pytest.mark.parametrize("headers", [{"X-API-Key": "first-key"}, {"Authorization": "Bearer second-key"}])
    def test_each_key_opens_in_either_header(self, guarded: TestClient, headers: dict[str, str]) -> None:
        """Any of the keys is accepted, in either of the two usual headers."""
        assert guarded.get(PREDICTION, headers=headers).status_code == 200

    @pytest.mark.parametrize("path", ["/livez", "/readyz", "/docs", "/openapi.json"])
    def test_health_and_documentation_need_no_key(self, guarded: TestClient, path: str) -> None:
        """Probes and the documentation are open to all."""
        assert guarded.get(path).status_code == 200

    @pytest.mark.parametrize("path", ["/api/v1/predictions", "/api/v1/predictions/upload"])
    def test_images_need_a_key(self, guarded: TestClient, path: str) -> None:
        """Sending images needs a key as all else does, and is refused before they are read."""
        answers = [guarded.post(path, headers=headers) for headers in ({}, {"X-API-Key": "first-key"})]
        assert [answer.status_code for answer in answers] == [401, 415]

    def test_keys_are_described(self, guarded: TestClient) -> None:
        """The description says which routes need a key."""
        paths = guarded.get("/openapi.json").json()["paths"]
        guarded_paths = {path for path, item in paths.items() if all("security" in about for about in item.values())}
        assert paths.keys() - guarded_paths == HEALTH
        assert "401" in paths["/api/v1/model"]["get"]["responses"]

    def test_without_keys_none_is_described(self, client: TestClient) -> None:
        """Where no key is asked for, the description says that no operation needs one."""
        document = client.get("/openapi.json").json()
        operations = [operation for item in document["paths"].values() for operation in item.values()]
        assert document["security"] == []
        assert not any("security" in operation for operation in operations)
        assert "securitySchemes" not in document["components"]


def json_examples(operation: dict[str, Any]) -> list[dict[str, Any]]:
    """The examples of an operation's JSON body."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return list(content.get("examples", {}).values())


class TestDocumentation:
    """The OpenAPI description and its pages."""

    @pytest.fixture
    def openapi(self, client: TestClient) -> dict[str, Any]:
        description: dict[str, Any] = client.get("/openapi.json").json()
        return description

    @pytest.mark.parametrize("path", ["/docs", "/redoc"])
    def test_page_takes_nothing_from_elsewhere(self, client: TestClient, path: str) -> None:
        """The pages name no script, style or picture of another server, and browsers are told to load none."""
        response = client.get(path)
        assert "http://" not in response.text.replace("http://www.w3.org", "")
        assert "https://" not in response.text
        policy = response.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'self'" in policy

    @pytest.mark.parametrize("name", ["swagger-ui-bundle.js", "swagger-ui.css", "redoc.standalone.js"])
    def test_scripts_and_styles_are_served_from_here(self, client: TestClient, name: str) -> None:
        """What the pages load comes with the package."""
        assert len(client.get(f"/static-docs/{name}").content) > 100_000

    def test_every_route_of_the_contract_is_described(self, openapi: dict[str, Any]) -> None:
        """Each route is there, with a summary and a description."""
        operations = {
            f"{method.upper()} {path}": operation
            for path, item in openapi["paths"].items()
            for method, operation in item.items()
        }
        assert set(operations) >= {
            "GET /api/v1/test-images",
            "GET /api/v1/test-images/{index}",
            "GET /api/v1/test-images/{index}/image",
            "GET /api/v1/test-images/{index}/prediction",
            "POST /api/v1/predictions",
            "POST /api/v1/predictions/upload",
            "GET /api/v1/model",
            "GET /livez",
            "GET /readyz",
            "GET /predict",
            "GET /real",
            "GET /v1/models/{name}",
            "POST /v1/models/{name}:predict",
            "GET /v2/models/{name}",
            "POST /v2/models/{name}/infer",
        }
        assert all(operation["summary"] and operation["description"] for operation in operations.values())

    def test_every_field_and_parameter_is_described(self, openapi: dict[str, Any]) -> None:
        """No field of a model and no parameter is left to be guessed."""
        fields = [
            f"{name}.{field}"
            for name, schema in openapi["components"]["schemas"].items()
            for field, about in schema.get("properties", {}).items()
            if not about.keys() & {"description", "$ref"}
        ]
        parameters = [
            parameter["name"]
            for item in openapi["paths"].values()
            for operation in item.values()
            for parameter in operation.get("parameters", [])
            if not parameter.get("description")
        ]
        assert (fields, parameters) == ([], [])

    def test_every_error_is_described_as_a_problem(self, openapi: dict[str, Any]) -> None:
        """Every status from 400 up is listed with the problem's model, as `application/problem+json` only.

        Under an inference protocol's paths it is that of the protocol's errors, as `application/json`.
        """
        schemas = "#/components/schemas"
        native = ("application/problem+json", f"{schemas}/ProblemDetails")
        protocol = ("application/json", f"{schemas}/ProtocolError")
        media_types = {
            (path, status, media_type)
            for path, item in openapi["paths"].items()
            for operation in item.values()
            for status, response in operation["responses"].items()
            if int(status) >= 400
            for media_type, content in response["content"].items()
            if (media_type, content["schema"].get("$ref")) != (protocol if path.startswith("/v") else native)
        }
        assert media_types == set()

    def test_examples_of_requests_are_answered(self, client: TestClient, openapi: dict[str, Any]) -> None:
        """Each example of a request body gets its answer when it is sent as it stands."""
        examples = [
            (path, example["value"])
            for path, item in openapi["paths"].items()
            for operation in item.values()
            for example in json_examples(operation)
        ]
        assert examples
        addresses = [(path.format(name="fake", version="1"), value) for path, value in examples]
        assert [client.post(path, json=value).status_code for path, value in addresses] == [200] * len(examples)

    @pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
    def test_type_of_a_problem_leads_to_its_explanation(self, client: TestClient, kind: ProblemKind) -> None:
        """A browser that follows a problem's `type` shows that kind, by the anchor in the page."""
        address, _, anchor = kind.type.partition("#")
        page = client.get(address)
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        (section,) = re.findall(f'<section id="{anchor}">(.*?)</section>', page.text, re.DOTALL)
        assert kind.title in section

    def test_page_of_problems_loads_nothing(self, client: TestClient) -> None:
        """The browser is told to load nothing and to run nothing; the page's own style is allowed by its digest."""
        page = client.get("/problems")
        style = re.search("<style>(.*?)</style>", page.text, re.DOTALL)
        assert style is not None
        digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
        policy = page.headers["content-security-policy"]
        assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")


def test_every_operation_is_on_the_fast_path(settings: Settings) -> None:
    """Each operation that FastAPI describes is one that the fast path answers."""
    app = create_app(settings, load_model=model_loader(), load_test_set=load_fake_test_set)
    endpoints = {
        (method, route.path)
        for route in app.routes
        if isinstance(route, APIRoute) and route.endpoint.__name__ == "answer_operation"
        for method in route.methods or ()
    }
    assert endpoints == {(operation.method, operation.path) for operation in app.operations}


def test_lifespan_closes_what_it_opened(settings: Settings, tmp_path: Path) -> None:
    """After the service has stopped it is not ready, and nothing of the cache was needed for a fake model."""
    app = create_app(settings, load_model=model_loader(), load_test_set=load_fake_test_set)
    with TestClient(app) as client:
        assert client.get("/readyz").status_code == 200
    assert app.service is None
    assert list(tmp_path.iterdir()) == []


def test_named_data_directory_without_the_test_set_stops_the_start(tmp_path: Path) -> None:
    """Whoever names a folder means the data set in it: without that the service does not start."""
    app = create_app(
        Settings(_env_file=None, data_dir=tmp_path), load_model=model_loader(), load_test_set=find_no_test_set
    )
    with pytest.raises(DataError), TestClient(app):
        pass
