"""Whatever a caller sends, it is answered, and never by a fault of the service."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from pydantic import SecretStr

from fashion_api.rest.app import create_app
from fashion_api.settings import Settings
from fashion_api.wire.examples import IMAGE_BASE64, IMAGE_PNG, IMAGE_ROWS
from tests.asgi import Call, make_scope, run_app
from tests.fakes import NovelClassifier, load_fake_test_set, model_loader
from tests.json_texts import JSON_TEXTS
from tests.raw_http import Answer

KEY = "any-key"
JSON_HEAD = {"content-type": "application/json"}
EXAMPLES = 30

Ask = Callable[..., Answer]
Fields = Sequence[tuple[bytes, bytes]]


@pytest.fixture(scope="module", params=[False, True], ids=["fast path", "routes"])
def ask(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """A service that asks for keys and answers pages of other origins, with and without its fast path."""
    settings = Settings(
        _env_file=None,
        cache_dir=tmp_path_factory.mktemp("cache"),
        api_keys=(SecretStr(KEY),),
        cors_origins=("https://shop.example",),
        max_images_per_request=4,
    )
    app = create_app(settings, load_model=model_loader(NovelClassifier()), load_test_set=load_fake_test_set)
    if request.param:
        app.operations = ()

    async def send(method: str, target: str, fields: Fields, body: bytes, query: bytes | None) -> Answer:
        scope = make_scope(method, target, fields)
        if query is not None:
            scope["query_string"] = query
        sent = Call(app, scope)
        sent.send(body)
        return await sent.read_answer()

    with run_app(app) as runner:

        def ask_app(  # noqa: PLR0913  # a request has that many parts
            method: str,
            target: str,
            headers: Mapping[str, str] | None = None,
            *,
            more: Fields = (),
            body: bytes = b"",
            query: bytes | None = None,
        ) -> Answer:
            named = {"x-api-key": KEY, **(headers or {})}
            given_away = {name for name, _ in more}
            fields = [(name.encode(), value.encode()) for name, value in named.items()]
            fields = [field for field in fields if field[0] not in given_away]
            if body:
                fields.append((b"content-length", str(len(body)).encode()))
            return runner.run(send(method, target, [*fields, *more], body, query))

        while ask_app("GET", "/api/v1/confusion-matrix").status == 503:
            pass  # until the test set is predicted
        yield ask_app


def check(answer: Answer) -> None:
    """No fault of the service; a refusal is a problem."""
    assert answer.status < 500, answer.body
    if answer.status >= 400 and answer.media_type != "text/plain":  # CORS refuses in plain text
        assert answer.media_type == "application/problem+json"
        assert json.loads(answer.body)["status"] == answer.status


# JSON in every place


class Place(NamedTuple):
    """A place in a body that is right otherwise."""

    method: str
    path: str
    before: str
    after: str

    def fill(self, text: str) -> bytes:
        """Give the body with a text at the place."""
        return (self.before + text + self.after).encode(errors="surrogatepass")


HOLE = "here"


def make_place(method: str, path: str, body: object) -> Place:
    """Give the place of `HOLE` in a body."""
    before, after = json.dumps(body).split(f'"{HOLE}"')
    return Place(method, path, before, after)


def put(rows: list[list[int]], y: int, x: int | None = None) -> list[object]:
    """Give rows with a hole for a row or for a pixel."""
    changed: list[object] = list(rows)
    changed[y] = HOLE if x is None else [*rows[y][:x], HOLE, *rows[y][x + 1 :]]
    return changed


@cache
def make_places() -> Mapping[str, Place]:
    """Every kind of place in the bodies of all operations that read JSON."""
    bodies: dict[str, object] = {
        "body": HOLE,
        "images": {"images": HOLE},
        "image": {"images": [HOLE]},
        "second image": {"images": [IMAGE_BASE64, HOLE]},
        "row": {"images": [put(IMAGE_ROWS, 5)]},
        "pixel": {"images": [put(IMAGE_ROWS, 5, 7)]},
        "other field": {"images": [IMAGE_BASE64], "other": HOLE},
        "other name": {"instances": HOLE},
    }
    places = {name: make_place("POST", "/api/v1/predictions", body) for name, body in bodies.items()}
    places["field's name"] = Place("POST", "/api/v1/predictions", '{"images": [], ', ": 1}")
    numbers: dict[str, object] = {
        "body": HOLE,
        "index": {"test_image_num": HOLE},
        "other field": {"test_image_num": 1, "x": HOLE},
    }
    for path in ("/predict", "/real"):
        places |= {f"{path} {name}": make_place("GET", path, body) for name, body in numbers.items()}
    return places


@pytest.mark.parametrize("name", make_places())
@given(text=JSON_TEXTS)
@limits(max_examples=EXAMPLES, deadline=None)
def test_any_json_in_any_place_is_answered(ask: Ask, name: str, text: str) -> None:
    """No JSON value, wherever it stands in a body, is more than a mistake of the caller."""
    place = make_places()[name]
    check(ask(place.method, place.path, JSON_HEAD, body=place.fill(text)))


def test_places_are_places(ask: Ask) -> None:
    """A place that holds what belongs there is part of a request that is answered."""
    good = {"image": json.dumps(IMAGE_BASE64), "row": json.dumps(IMAGE_ROWS[5]), "pixel": "255"}
    good |= {"/predict index": "3", "/real index": "3"}
    places = make_places()
    statuses = {
        name: ask(places[name].method, places[name].path, JSON_HEAD, body=places[name].fill(text)).status
        for name, text in good.items()
    }
    assert statuses == dict.fromkeys(good, 200)


# Queries

PATHS = (
    "/api/v1/test-images",
    "/api/v1/confusion-matrix",
    "/api/v1/test-images/3",
    "/api/v1/test-images/3/image",
    "/api/v1/test-images/3/prediction",
    "/api/v1/model",
    "/livez",
    "/readyz",
    "/predict",
    "/real",
    "/",
    "/docs",
    "/openapi.json",
    "/problems",
)
NAMES = (
    "offset",
    "limit",
    "label",
    "scale",
    "coverage",
    "test_image_num",
    "predicted",
    "correct",
    "accepted",
    "sort",
    "crop",
    "turn",
    "invert",
    "fit",
)
VALUES = st.text(max_size=30) | st.integers().map(str) | st.floats().map(str) | JSON_TEXTS
QUERIES = st.binary(max_size=60) | st.lists(
    st.tuples(st.sampled_from(NAMES), VALUES, st.sampled_from("&;")), max_size=4
).map(lambda items: "".join(f"{name}={value}{end}" for name, value, end in items).encode(errors="surrogatepass"))


@pytest.mark.parametrize("path", PATHS)
@given(query=QUERIES)
@limits(max_examples=EXAMPLES, deadline=None)
def test_any_query_is_answered(ask: Ask, path: str, query: bytes) -> None:
    """No query, of whatever bytes, is more than a mistake of the caller."""
    check(ask("GET", path, query=query))


JSON_PATHS = ("/api/v1/predictions", "/api/v1/explanations")


@pytest.mark.parametrize("path", [*JSON_PATHS, "/api/v1/predictions/upload", "/api/v1/preparations"])
@given(query=QUERIES)
@limits(max_examples=EXAMPLES, deadline=None)
def test_any_query_beside_a_body_is_answered(ask: Ask, path: str, query: bytes) -> None:
    """The same where the body is right."""
    is_json = path in JSON_PATHS
    headers = JSON_HEAD if is_json else {"content-type": "image/png"}
    body = json.dumps({"images": [IMAGE_BASE64]}).encode() if is_json else IMAGE_PNG
    check(ask("POST", path, headers, body=body, query=query))


# Paths

SEGMENTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(segment=SEGMENTS, rest=st.sampled_from(["", "/image", "/prediction", "/", "/x"]))
@limits(max_examples=EXAMPLES, deadline=None)
def test_any_index_is_answered(ask: Ask, segment: str, rest: str) -> None:
    """No text in an address is more than a mistake of the caller."""
    scope_path = f"/api/v1/test-images/{segment.replace('?', '').replace('#', '')}{rest}"
    check(ask("GET", scope_path.encode().decode("latin-1")))


# Headers

HEADERS = (
    "accept",
    "accept-encoding",
    "access-control-request-headers",
    "access-control-request-method",
    "authorization",
    "content-disposition",
    "content-encoding",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "origin",
    "range",
    "user-agent",
    "x-api-key",
    "x-forwarded-for",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-request-id",
)
_OCTETS = [b"\t", *(bytes([code]) for code in (*range(0x20, 0x7F), *range(0x80, 0x100)))]
_WORDS = [
    b"Bearer ",
    b"Basic ",
    b"application/json",
    b"application/x+json",
    b"multipart/form-data; boundary=",
    b"multipart/form-data; boundary*=utf-8''",
    b"image/png",
    b"charset=",
    b"gzip",
    b"x-deflate",
    b"bytes=0-",
    b"bytes=-1,",
    b"/a/b",
    b"https://shop.example",
    b"null",
    b";",
    b",",
    b'"',
    b"W/",
    b"9" * 5000,
]
VALUES_OF_HEADERS = st.lists(st.sampled_from(_OCTETS) | st.sampled_from(_WORDS), max_size=20).map(b"".join)
"""All that a field's value may be: visible ASCII, blanks, tabs and the octets from 80 to FF (RFC 9110, section 5.5)."""

REQUESTS: Mapping[str, tuple[str, str, Mapping[str, str], bytes]] = {
    "json": ("POST", "/api/v1/predictions", JSON_HEAD, json.dumps({"images": [IMAGE_BASE64]}).encode()),
    "explanation": ("POST", "/api/v1/explanations", JSON_HEAD, json.dumps({"images": [IMAGE_BASE64]}).encode()),
    "preparation": ("POST", "/api/v1/preparations", {"content-type": "image/png"}, IMAGE_PNG),
    "upload": ("POST", "/api/v1/predictions/upload", {"content-type": "image/png"}, IMAGE_PNG),
    "predict": ("GET", "/predict", {}, b'{"test_image_num": 1}'),
    "real": ("GET", "/real", {}, b'{"test_image_num": 1}'),
    "prediction": ("GET", "/api/v1/test-images/1/prediction", {}, b""),
    "list": ("GET", "/api/v1/test-images", {}, b""),
    "page": ("GET", "/docs", {}, b""),
    "first page": ("GET", "/", {}, b""),
    "static file": ("GET", "/static-docs/favicon.png", {}, b""),
    "description": ("GET", "/openapi.json", {}, b""),
    "preflight": ("OPTIONS", "/api/v1/predictions", {"origin": "https://shop.example"}, b""),
    "nothing": ("GET", "/nothing", {}, b""),
}


@pytest.mark.parametrize("name", HEADERS)
@given(kind=st.sampled_from(sorted(REQUESTS)), values=st.lists(VALUES_OF_HEADERS, min_size=1, max_size=3))
@limits(max_examples=EXAMPLES, deadline=None)
def test_any_header_is_answered(ask: Ask, name: str, kind: str, values: list[bytes]) -> None:
    """No value of a header that HTTP allows, once or repeated, is more than a mistake of the caller."""
    method, path, headers, body = REQUESTS[kind]
    answer = ask(method, path, headers, more=[(name.encode(), value) for value in values], body=body)
    check(answer)
    for written in answer.headers.values():
        assert "\n" not in written
        assert "\r" not in written


# Bodies of forms


@given(
    content_type=VALUES_OF_HEADERS, body=st.binary(max_size=300), prefix=st.sampled_from(["", "multipart/form-data;"])
)
@limits(max_examples=EXAMPLES, deadline=None)
def test_any_upload_is_answered(ask: Ask, content_type: bytes, body: bytes, prefix: str) -> None:
    """No body under any type is more than a mistake of the caller."""
    more = [(b"content-type", prefix.encode() + content_type)]
    check(ask("POST", "/api/v1/predictions/upload", more=more, body=body))
