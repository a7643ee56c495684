"""One table of requests, sent through every door: each is answered as the table says, and everywhere the same."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import NamedTuple

import pytest

from fashion_api.rest.app import create_app
from fashion_api.settings import Settings
from tests.contract.doors import DOORS, REFERENCE, Ask, House
from tests.contract.table import COLOUR_REQUESTS, NO_HTTP, REQUESTS, SETTINGS, Expectation
from tests.fakes import NovelClassifier, fake_colour_model, load_fake_test_set, model_loader
from tests.raw_http import Answer


def make_settings(environment: Mapping[str, str]) -> Settings:
    """The settings that a server reads from its environment."""
    fields = {name.removeprefix("FASHION_").lower(): value for name, value in environment.items()}
    return Settings(_env_file=None, **fields)  # type: ignore[arg-type]  # read as the variables are


def build_fakes() -> House:
    """A service with fake parts, for every day."""
    return House(
        lambda: create_app(
            make_settings(SETTINGS), load_model=model_loader(NovelClassifier()), load_test_set=load_fake_test_set
        ),
        "tests.served_app:app",
        SETTINGS,
    )


def build_real(environment: Mapping[str, str]) -> House:
    """The service with the committed model and the real test set, from the entry point for servers."""
    settings = {**environment, **SETTINGS}
    return House(lambda: create_app(make_settings(settings)), "fashion_api.server.asgi:app", settings)


class OpenDoor(NamedTuple):
    """A door through which requests can be sent."""

    server: str
    ask: Ask
    expect: Callable[[str], Answer]
    """Gives the answer that the reference door gives to a request of the table."""


def list_doors(*, has_server: bool = False) -> list[object]:
    """The doors of both services, or those of them at which a server parses the requests."""
    doors = {name: door for name, door in DOORS.items() if door.server or not has_server}
    fakes = [pytest.param(("fakes", name), id=f"fakes-{name}") for name, door in doors.items() if not door.needs_model]
    real = [pytest.param(("real", name), id=f"real-{name}", marks=pytest.mark.tensorflow) for name in doors]
    return [*fakes, *real]


@pytest.fixture(scope="module")
def find_house(request: pytest.FixtureRequest) -> Callable[[str], House]:
    @cache
    def find(name: str) -> House:
        return build_fakes() if name == "fakes" else build_real(request.getfixturevalue("real_service"))

    return find


@pytest.fixture(scope="module")
def expect(find_house: Callable[[str], House]) -> Callable[[str, str], Answer]:
    @cache
    def ask_all(house: str) -> dict[str, Answer]:
        with DOORS[REFERENCE].open(find_house(house)) as ask:
            return {name: ask(expectation) for name, expectation in REQUESTS.items()}

    return lambda house, request: ask_all(house)[request]


@pytest.fixture(scope="module", params=list_doors())
def door(
    request: pytest.FixtureRequest,
    find_house: Callable[[str], House],
    expect: Callable[[str, str], Answer],
) -> Iterator[OpenDoor]:
    house, name = request.param
    with DOORS[name].open(find_house(house)) as ask:
        yield OpenDoor(DOORS[name].server, ask, lambda asked: expect(house, asked))


@pytest.mark.parametrize("name", REQUESTS)
def test_request_is_answered_as_the_table_says(door: OpenDoor, name: str) -> None:
    """Every door gives the answer of the table, the same one in every byte, with the headers that make it safe."""
    expected = REQUESTS[name]
    answer = door.ask(expected)
    if door.server in (expected.elsewhere or {}):
        assert answer.status == (expected.elsewhere or {})[door.server]
    else:
        check(answer, expected)
        assert answer == door.expect(name)


def check(answer: Answer, expected: Expectation) -> None:
    assert (answer.status, answer.media_type) == (expected.status, expected.media_type)
    assert answer.headers.items() >= (expected.headers or {}).items()
    assert answer.headers["x-content-type-options"] == "nosniff"
    is_about_images = expected.raw.startswith(b"POST") or b"predict" in expected.raw.partition(b"\r\n")[0]
    if answer.status >= 400 or (answer.status == 200 and is_about_images):
        assert answer.headers["cache-control"] == "no-store"
    if expected.body is not None:
        assert answer.body == expected.body
    elif expected.form is not None:
        # Every field that must be there, in its order, and none that is not described.
        described = expected.form.model_validate_json(answer.body, strict=True)
        written = described.model_dump(exclude_unset=True)
        assert json.dumps(json.loads(answer.body)) == json.dumps(written)


def test_model_in_colour_is_asked_alike() -> None:
    """The requests for a model in colour are answered as their table says, with and without the fast path."""
    house = House(
        lambda: create_app(
            make_settings(SETTINGS),
            load_model=lambda _settings: fake_colour_model(NovelClassifier()),
            load_test_set=load_fake_test_set,
        ),
        "",
        SETTINGS,
    )
    answers: list[dict[str, Answer]] = []
    for name in ("app", "routes"):
        with DOORS[name].open(house) as ask:
            answers.append({asked: ask(expected) for asked, expected in COLOUR_REQUESTS.items()})
    for name, expected in COLOUR_REQUESTS.items():
        check(answers[0][name], expected)
    assert answers[0] == answers[1]


@pytest.mark.parametrize("raw", NO_HTTP.values(), ids=NO_HTTP)
@pytest.mark.parametrize("door", list_doors(has_server=True), indirect=True)
def test_bytes_that_are_no_request_are_refused(door: OpenDoor, raw: bytes) -> None:
    """What is no HTTP is answered 400 by the server, or not at all, and never comes to the app."""
    try:
        answer = door.ask(Expectation(raw, 400, ends=True))
    except ConnectionError:
        return
    assert (answer.status, "x-request-id" in answer.headers) == (400, False)
