"""The OpenAPI document: FastAPI's, with problems, keys and the server's address put right."""

import functools
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from fashion_api.rest import problems
from fashion_api.rest.problems import INTERNAL, PROBLEM_MEDIA_TYPE, PROBLEMS_PATH, UNAUTHORIZED, ProblemKind
from fashion_api.service.service import Service
from fashion_api.wire.json_schema import complete_schemas, make_bounds
from fashion_api.wire.models import ProblemDetails

_SCHEMES = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "One of FASHION_API_KEYS."},
    "bearer": {"type": "http", "scheme": "bearer", "description": "One of FASHION_API_KEYS."},
}


OF_A_BODY = (problems.TOO_SLOW, problems.TOO_LARGE, problems.UNSUPPORTED, problems.INVALID)
"""The problems of an operation that reads a body."""
OF_A_PREDICTION = (problems.NOT_READY, problems.OVERLOADED, problems.DEADLINE)
"""The problems of an operation that has images classified."""


def responses(*kinds: ProblemKind) -> dict[int | str, dict[str, Any]]:
    """Describe problems for a route's `responses=`; kinds of one status are described together."""
    described: dict[int | str, dict[str, Any]] = {}
    for kind in (*kinds, INTERNAL):
        entry = described.setdefault(
            int(kind.status),
            {"model": ProblemDetails, "description": "", "content": {PROBLEM_MEDIA_TYPE: {"examples": {}}}},
        )
        entry["description"] = f"{entry['description']} **{kind.title}**: {kind.meaning}".strip()
        entry["content"][PROBLEM_MEDIA_TYPE]["examples"][kind.name] = {"value": _make_example(kind)}
    return described


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
) -> None:
    """Have an app's OpenAPI document completed when it is made; FastAPI keeps it until the service is another one."""
    describe = app.openapi
    described: Service | None = None

    @functools.wraps(describe)
    def describe_completely() -> dict[str, Any]:
        nonlocal described
        service = find_service()
        if app.openapi_schema is None or service is not described:
            app.openapi_schema, described = None, service
            document = describe()
            complete_schemas(document["paths"], None if service is None else make_bounds(service))
            _correct_media_types(document)
            _copy_examples(document)
            if needs_key:
                _describe_keys(document, is_open)
        return describe()

    app.openapi = describe_completely  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _correct_media_types(document: dict[str, Any]) -> None:
    """Put the problems' schema under their own media type: FastAPI describes every model as `application/json`."""
    for item in document["paths"].values():
        for operation in item.values():
            for response in operation["responses"].values():
                content = response.get("content", {})
                if PROBLEM_MEDIA_TYPE in content:
                    content[PROBLEM_MEDIA_TYPE] |= content.pop("application/json")


def _copy_examples(document: dict[str, Any]) -> None:
    """Give parameters the example of their schema: Swagger UI fills its forms with the parameter's own only."""
    for item in document["paths"].values():
        for operation in item.values():
            for parameter in operation.get("parameters", []):
                for example in parameter["schema"].get("examples", [])[:1]:
                    parameter.setdefault("example", example)


def _describe_keys(document: dict[str, Any], is_open: Callable[[str], bool]) -> None:
    """Say which routes need a key, and how it is shown."""
    document["components"]["securitySchemes"] = _SCHEMES
    for path, item in document["paths"].items():
        if is_open(path):
            continue
        for operation in item.values():
            operation["security"] = [{name: []} for name in _SCHEMES]
            for status, response in responses(UNAUTHORIZED).items():
                problem = {"$ref": f"#/components/schemas/{ProblemDetails.__name__}"}
                content = {PROBLEM_MEDIA_TYPE: {"schema": problem}}
                operation["responses"].setdefault(str(status), {**response, "content": content}).pop("model", None)


def _make_example(kind: ProblemKind) -> dict[str, Any]:
    return {
        "type": f"{PROBLEMS_PATH}#{kind.name}",
        "title": kind.title,
        "status": int(kind.status),
        "detail": kind.meaning,
        "instance": "/api/v1/…",
        "request_id": "8f14e45fceea167a5a36dedd4bea2543",
    }
