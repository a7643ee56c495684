"""The OpenAPI document: FastAPI's, with problems, keys, the model's classes and the names of request bodies."""

import copy
import functools
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel

from fashion_api.inference.manifest import InputSpec
from fashion_api.pictures.file_types import MEDIA_TYPES
from fashion_api.rest import problems
from fashion_api.rest.problems import (
    INTERNAL,
    PROBLEM_MEDIA_TYPE,
    RATE_LIMITED,
    UNAUTHORIZED,
    ProblemKind,
    find_protocol_status,
    is_of_protocol,
)
from fashion_api.service.service import Service
from fashion_api.wire.json_body import JSON
from fashion_api.wire.json_schema import BOUND, complete_schemas, make_bounds
from fashion_api.wire.models import ProblemDetails, ProtocolError
from fashion_api.wire.native import BINARY, FORM
from fashion_api.wire.uploads import PART_NAME
from fashion_api.wire.words import choose_words, describe_images

_OF_THE_OPERATOR = "A key from who runs the service."
_SCHEMES = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": _OF_THE_OPERATOR},
    "bearer": {"type": "http", "scheme": "bearer", "description": _OF_THE_OPERATOR},
}
_REFERENCE = "#/components/schemas/{model}"

OF_A_BODY = (problems.TOO_SLOW, problems.TOO_LARGE, problems.UNSUPPORTED, problems.INVALID)
"""The problems of an operation that reads a body."""
OF_A_PREDICTION = (problems.NOT_READY, problems.OVERLOADED, problems.DEADLINE)
"""The problems of an operation that has images classified."""
_PROTOCOL_MEANINGS = {
    problems.NOT_FOUND: "There is no model of this name, or it has no such version.",
    problems.INVALID: "Something in the request is wrong; `error` says what. The same request will fail again.",
    problems.UNSUPPORTED: "The body has a content coding that is not read; `Accept-Encoding` names those that are.",
    INTERNAL: "A fault of the service, not of the request; the log has it under the response's `X-Request-ID`.",
}
"""What problems mean where an answer has nothing but `error`."""


_DESCRIPTION = """\
{question} Answers for {pictures}, {width}×{height} arrays and uploaded pictures.

Pictures are of the data set's kind: {images}{expected}. Errors are
`application/problem+json` (RFC 9457); [their kinds](problems). Those under `/v1` and `/v2`, where inference protocols
are, are `{{"error": "…"}}`. Every `GET` answers `HEAD` too; an address that is asked by another method than its own
answers 405, and one that does not exist 404.
"""


def describe_api(labels: tuple[str, ...], spec: InputSpec) -> dict[str, str]:
    """Say what the service of a model of these labels and images is: the document's summary and description."""
    words = choose_words(labels)
    description = _DESCRIPTION.format(
        question=words.question,
        pictures=words.pictures,
        width=spec.width,
        height=spec.height,
        images=describe_images(spec),
        expected=words.expected,
    )
    return {"summary": words.summary, "description": description}


def name_operation(route: APIRoute) -> str:
    """Give the id of an operation: the name of its route, for generators name a method after it."""
    return route.name


def responses(*kinds: ProblemKind) -> dict[int | str, dict[str, Any]]:
    """Describe problems for a route's `responses=`; kinds of one status are described together."""
    described: dict[int | str, dict[str, Any]] = {}
    for kind in (*kinds, INTERNAL):
        content = {PROBLEM_MEDIA_TYPE: {"schema": _refer_to(ProblemDetails), "examples": {}}}
        entry = described.setdefault(int(kind.status), {"description": "", "content": content})
        entry["description"] = f"{entry['description']} **{kind.title}**: {kind.meaning}".strip()
        entry["content"][PROBLEM_MEDIA_TYPE]["examples"][kind.name] = {"value": _make_example(kind)}
    return described


def protocol_responses(*kinds: ProblemKind) -> dict[int | str, dict[str, Any]]:
    """Describe problems for a route of an inference protocol, as `responses` does for the native API."""
    described: dict[int | str, dict[str, Any]] = {}
    for kind in (*kinds, INTERNAL):
        content = {JSON: {"schema": _refer_to(ProtocolError)}}
        entry = described.setdefault(int(find_protocol_status(kind)), {"description": "", "content": content})
        meaning = _PROTOCOL_MEANINGS.get(kind, kind.meaning)
        entry["description"] = f"{entry['description']} **{kind.title}**: {meaning}".strip()
    return described


def _refer_to(model: type[BaseModel]) -> dict[str, Any]:
    """Refer to a model that `_add_errors` describes; FastAPI would make a validator for each status of each route."""
    return {"$ref": _REFERENCE.format(model=model.__name__)}


def describe_parameters(
    *, path: type[BaseModel] | None = None, query: type[BaseModel] | None = None
) -> list[dict[str, Any]]:
    """Describe the fields of models as parameters of an operation."""
    described: list[dict[str, Any]] = []
    for place, model in (("path", path), ("query", query)):
        schema = model.model_json_schema() if model is not None else {}
        for name, field in schema.get("properties", {}).items():
            parameter = {"name": name, "in": place, "required": name in schema.get("required", [])}
            described.append({**parameter, "description": field.pop("description", ""), "schema": field})
    return described


def complete_openapi(
    app: FastAPI,
    *,
    find_service: Callable[[], Service | None],
    needs_key: bool,
    is_open: Callable[[str], bool],
    is_limited: bool,
) -> None:
    """Have `app.openapi` give the complete document; threads may call it.

    FastAPI makes its document once, in some 60 ms. It is completed once for each service, in 3 ms.
    """
    describe = app.openapi
    lock = threading.Lock()
    completed: dict[str, Any] = {}
    completed_of: tuple[object, Callable[[], object]] = (None, lambda: None)

    @functools.wraps(describe)
    def describe_completely() -> dict[str, Any]:
        nonlocal completed, completed_of
        with lock:
            document, service = describe(), find_service()
            if completed_of[0] is not document or completed_of[1]() is not service:
                completed = copy.deepcopy(document)
                _name_bodies(completed)
                if service is not None:
                    completed["info"] |= describe_api(service.model.labels, service.model.input)
                complete_schemas(completed, None if service is None else make_bounds(service))
                _add_errors(completed)
                _copy_examples(completed)
                _describe_keys(completed, is_open if needs_key else None)
                if is_limited:
                    _add_problem(completed, RATE_LIMITED, is_open)
                # Not the service itself: its model would stay in memory after a change.
                completed_of = document, (lambda: None) if service is None else weakref.ref(service)
            return completed

    app.openapi = describe_completely  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def describe_body(model: type[BaseModel]) -> dict[str, Any]:
    """Give the schema of a request body; the document has it under the model's name."""
    return model.model_json_schema(ref_template=_REFERENCE)


def describe_json(model: type[BaseModel], examples: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """Describe a request body in JSON; of each example, by its name, there is a summary and which of `Bounds` it is."""
    described = {name: {"summary": summary, BOUND: kind} for name, (summary, kind) in examples.items()}
    return {"required": True, "content": {JSON: {"schema": describe_body(model), "examples": described}}}


def describe_upload(title: str, description: str, *, file: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """Describe a request body that is a picture file, or a form with the `part` for files."""
    form = {
        "title": title,
        "type": "object",
        "required": [PART_NAME],
        "properties": {PART_NAME: part},
        "description": description,
    }
    files = {media_type: {"schema": file} for media_type in (*MEDIA_TYPES, BINARY)}
    return {"required": True, "content": {FORM: {"schema": form}, **files}}


def _name_bodies(document: dict[str, Any]) -> None:
    """Move the schemas of request bodies that have a title to the named ones, for generators name a type after it."""
    schemas = document["components"]["schemas"]
    for item in document["paths"].values():
        for operation in item.values():
            for media_type in operation.get("requestBody", {}).get("content", {}).values():
                schema = media_type["schema"]
                if "title" in schema:
                    name = schema["title"]
                    schemas |= schema.pop("$defs", {}) | {name: schema}
                    media_type["schema"] = {"$ref": _REFERENCE.format(model=name)}


def _add_errors(document: dict[str, Any]) -> None:
    """Describe the forms of errors."""
    schemas = document["components"]["schemas"]
    for model in (ProblemDetails, ProtocolError):
        schema = model.model_json_schema(ref_template=_REFERENCE, mode="serialization")
        schemas |= schema.pop("$defs", {}) | {model.__name__: schema}


def _copy_examples(document: dict[str, Any]) -> None:
    """Give parameters the example of their schema: Swagger UI fills its forms with the parameter's own only."""
    for item in document["paths"].values():
        for operation in item.values():
            for parameter in operation.get("parameters", []):
                for example in parameter["schema"].get("examples", [])[:1]:
                    parameter.setdefault("example", example)


def _describe_keys(document: dict[str, Any], is_open: Callable[[str], bool] | None) -> None:
    """Say which routes need a key, and how it is shown; without `is_open`, none does."""
    document["security"] = []
    if is_open is None:
        return
    document["components"]["securitySchemes"] = _SCHEMES
    for path, item in document["paths"].items():
        if is_open(path):
            continue
        for operation in item.values():
            operation["security"] = [{name: []} for name in _SCHEMES]
    _add_problem(document, UNAUTHORIZED, is_open)


def _add_problem(document: dict[str, Any], kind: ProblemKind, is_open: Callable[[str], bool]) -> None:
    """Describe a problem of all routes but those that are open."""
    for path, item in document["paths"].items():
        if is_open(path):
            continue
        describe = protocol_responses if is_of_protocol(path) else responses
        for operation in item.values():
            for status, response in describe(kind).items():
                operation["responses"].setdefault(str(status), response)


def _make_example(kind: ProblemKind) -> dict[str, Any]:
    return {
        "type": kind.type,
        "title": kind.title,
        "status": int(kind.status),
        "detail": kind.meaning,
        "instance": "/api/v1/…",
        "request_id": "8f14e45fceea167a5a36dedd4bea2543",
    }
