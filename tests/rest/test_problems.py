"""What each error becomes over HTTP."""

import json
from collections.abc import Iterator

import pytest
from fastapi import HTTPException
from fastapi.testclient import TestClient

from fashion_api import errors
from fashion_api.errors import Fault, InvalidRequestError
from fashion_api.rest.problems import KINDS, ProblemKind, explain, write_problem
from tests.fakes import fake_app


def list_errors(base: type[errors.FashionError]) -> Iterator[type[errors.FashionError]]:
    yield base
    for error in base.__subclasses__():
        yield from list_errors(error)


CALLERS_MISTAKES = [*list_errors(errors.RequestError), *list_errors(errors.ImageError)]


@pytest.mark.parametrize("cls", [cls for cls in CALLERS_MISTAKES if cls is not errors.RequestError])
def test_callers_mistake_is_no_fault_of_the_service(cls: type[errors.FashionError]) -> None:
    """Each mistake of a caller has a status from 400 to 499, and its text is shown."""
    error = cls([Fault("", "here is wrong")]) if issubclass(cls, InvalidRequestError) else cls("here is wrong")
    problem = explain(error, request_id="id")
    assert 400 <= problem.kind.status < 500
    assert problem.detail == "here is wrong"


@pytest.mark.parametrize(
    ("error", "name", "status"),
    [
        (errors.NotReadyError("x"), "not-ready", 503),
        (errors.OverloadedError("x"), "overloaded", 503),
        (errors.PendingError("x"), "not-predicted-yet", 503),
        (errors.DeadlineExceededError("x"), "deadline-exceeded", 504),
        (errors.EngineError("x"), "internal-error", 500),
        (errors.ModelError("x"), "internal-error", 500),
        (KeyError("x"), "internal-error", 500),
    ],
)
def test_error_of_the_service_has_its_kind(error: Exception, name: str, status: int) -> None:
    """What the service cannot do has a status of its own, and what nobody foresaw is an internal error."""
    kind = explain(error, request_id="id").kind
    assert (kind.name, kind.status) == (name, status)


def test_faults_are_written_with_their_places() -> None:
    """A problem with faults names up to twenty of them, each with its place."""
    faults = [Fault(f"images[{number}]", "is wrong") for number in range(25)]
    reply = write_problem(
        explain(InvalidRequestError(faults), request_id="id"), path="/x", instance="/x", request_id="id"
    )
    written = json.loads(reply.body)["errors"]
    assert (len(written), written[0]) == (20, {"where": "images[0]", "message": "is wrong"})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_kind_is_explained(kind: ProblemKind) -> None:
    """Each kind has a name fit for an address, and a meaning for its reader."""
    assert kind.name.replace("-", "").isalpha()
    assert kind.meaning.endswith(".")


def test_kinds_have_names_of_their_own() -> None:
    """No two kinds share an address."""
    assert len({kind.name for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize(
    ("status", "name"),
    [(404, "not-found"), (413, "too-large"), (409, "conflict"), (429, "too-many-requests"), (501, "not-implemented")],
)
def test_error_of_the_framework_is_a_problem(status: int, name: str) -> None:
    """An HTTP error that a route of somebody else raises is a problem too, with the headers that it has."""
    app = fake_app()

    @app.get("/theirs")
    async def fail() -> None:
        raise HTTPException(status, headers={"X-Theirs": "1"})

    with TestClient(app) as client:
        answer = client.get("/theirs")
    assert (answer.status_code, answer.headers["x-theirs"]) == (status, "1")
    assert answer.json()["type"] == f"/problems#{name}"


def test_parameter_of_the_framework_is_named_with_its_place() -> None:
    """What FastAPI finds wrong is named as a person would write it."""
    with TestClient(fake_app()) as client:
        problem = client.get("/api/v1/test-images?limit=0&offset=x").json()
    assert [fault["where"] for fault in problem["errors"]] == ["offset", "limit"]
