"""The limit on the images of each client."""

import time
from typing import Any, cast

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from fashion_api.rest.app import ServiceApp
from tests.asgi import call, running
from tests.clock import run
from tests.conftest import MakeClient
from tests.fakes import fake_app
from tests.rest.test_openapi import HEALTH

IMAGE = [[0] * 28] * 28
PATH = "/api/v1/test-images/1/prediction"
RATE = 0.5
"""Five images in ten seconds."""


class Clock:
    """The time of day."""

    now = 1_000_003.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that stands still."""
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    return clock


@pytest.fixture(params=[True, False], ids=["fast path", "routes"])
def client(request: pytest.FixtureRequest, make_client: MakeClient) -> TestClient:
    """A client of a service with a limit, through either door."""
    made = make_client(rate_limit=RATE)
    app = cast("ServiceApp", made.app)
    if not request.param:
        app.operations = ()
        app.middleware_stack = app.build_middleware_stack()
    return made


def predict(client: TestClient, images: int) -> int:
    return client.post("/api/v1/predictions", json={"images": [IMAGE] * images}).status_code


def test_one_request_too_many_is_refused_until_there_is_room(client: TestClient, clock: Clock) -> None:
    """Beyond the limit a request is refused, and told when to come again; then it is answered."""
    assert [client.get(PATH).status_code for _ in range(5)] == [200] * 5
    refused = client.get(PATH)
    assert (refused.status_code, refused.json()["type"]) == (429, "/problems#rate-limited")
    assert refused.headers["ratelimit-policy"] == '"images";q=5;w=10'
    assert refused.headers["ratelimit"] == '"images";r=0;t=7'
    clock.now += int(refused.headers["retry-after"]) + 1
    assert client.get(PATH).status_code == 200


def test_workers_share_the_limit(make_client: MakeClient) -> None:
    """Each of two workers lets half of the images through."""
    client = make_client(rate_limit=2 * RATE, workers=2)
    assert [client.get(PATH).status_code for _ in range(6)] == [200] * 5 + [429]


def test_images_of_a_request_count(client: TestClient) -> None:
    """A request counts as its images: of one that has too many, only the first."""
    assert [predict(client, images) for images in (3, 2, 1)] == [200, 200, 429]


def test_refused_images_are_not_counted(client: TestClient) -> None:
    """Who has asked for too much at once can ask for less."""
    assert [predict(client, images) for images in (2, 4, 2, 1)] == [200, 429, 200, 429]


def test_request_of_more_than_there_ever_are_takes_all(client: TestClient) -> None:
    """Nobody's request is refused for ever: a large one is answered where nothing else was asked for."""
    assert [predict(client, images) for images in (20, 1)] == [200, 429]


def test_explanation_counts_as_what_it_computes(client: TestClient) -> None:
    """An explanation takes many predictions, and so all that there are."""
    asked = client.post("/api/v1/explanations", json={"images": [IMAGE]})
    assert (asked.status_code, client.get(PATH).status_code) == (200, 429)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", PATH),
        ("HEAD", PATH),
        ("GET", "/api/v1/test-images"),
        ("GET", "/api/v1/test-images/1/image"),
        ("GET", "/api/v1/model"),
        ("GET", "/predict?test_image_num=1"),
        ("GET", "/real?test_image_num=1"),
        ("GET", "/unknown"),
        ("POST", "/api/v1/predictions"),
        ("POST", "/api/v1/predictions/upload"),
        ("POST", "/api/v1/preparations"),
        ("POST", "/api/v1/explanations"),
    ],
)
def test_every_door_is_limited(client: TestClient, method: str, path: str) -> None:
    """A client that has none left is refused at every address, before its body is looked at."""
    assert predict(client, 5) == 200
    assert client.request(method, path, content=b"{" if method == "POST" else None).status_code == 429


def test_request_that_is_wrong_counts(client: TestClient) -> None:
    """Requests that cannot be answered cost work, too."""
    statuses = [client.post("/api/v1/predictions/upload", content=b"{").status_code for _ in range(6)]
    assert (statuses[:5].count(429), statuses[5]) == (0, 429)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/", "/docs", "/problems", "/static/page/app.js"])
def test_health_metrics_and_documentation_are_exempt(client: TestClient, path: str) -> None:
    """What is always answered is not counted, and is answered where nothing is left."""
    assert {client.get(path).status_code for _ in range(10)} == {200}
    assert predict(client, 5) == 200
    assert client.get(path).status_code == 200


def test_keys_have_limits_of_their_own(make_client: MakeClient) -> None:
    """Clients that show keys are told apart by them, whatever their address; without a key nothing is counted."""
    client = make_client(rate_limit=RATE, api_keys=(SecretStr("one"), SecretStr("two")))
    statuses = [client.get(PATH, headers={"X-API-Key": key}).status_code for key in [*["one"] * 6, "none", "two"]]
    assert statuses == [200] * 5 + [429, 401, 200]


def ask_from(*callers: tuple[str, str]) -> list[int]:
    """Ask five times from the first address with its X-Forwarded-For, then once from each; gives their statuses."""

    async def ask(app: ServiceApp, host: str, forwarded: str) -> int:
        headers = {"X-Forwarded-For": forwarded} if forwarded else {}
        return (await call(app, "GET", PATH, headers, client=(host, 1)).read_answer()).status

    async def test() -> list[int]:
        app = fake_app(rate_limit=RATE)
        async with running(app):
            assert [await ask(app, *callers[0]) for _ in range(5)] == [200] * 5
            return [await ask(app, *caller) for caller in callers]

    found: list[int] = []

    async def keep() -> None:
        found.extend(await test())

    run(keep)
    return found


PROXY = "127.0.0.1"
SAME: dict[str, Any] = {
    "an address": (("203.0.113.9", ""), ("203.0.113.9", "")),
    "a stranger who names others": (("203.0.113.9", ""), ("203.0.113.9", "198.51.100.1")),
    "behind a proxy": ((PROXY, "203.0.113.9"), (PROXY, "203.0.113.9")),
    "who writes a hop of its own": ((PROXY, "203.0.113.9"), (PROXY, "198.51.100.1, 203.0.113.9")),
    "behind two proxies": ((PROXY, "203.0.113.9"), (PROXY, "198.51.100.1, 203.0.113.9, 127.0.0.2")),
    "with a port": ((PROXY, "203.0.113.9"), (PROXY, "203.0.113.9:4711")),
    "no address": ((PROXY, ""), (PROXY, "203.0.113.9, unknown")),
    "one network of IPv6": (("2001:db8:1:2::3", ""), ("2001:db8:1:2:ffff::", "")),
    "IPv6 with a port": ((PROXY, "2001:db8:1:2::3"), (PROXY, "[2001:db8:1:2::4]:4711")),
    "IPv4 within IPv6": (("::ffff:203.0.113.9", ""), ("203.0.113.9", "")),
}
OTHERS: dict[str, Any] = {
    "another address": (("203.0.113.9", ""), ("203.0.113.8", "")),
    "behind one proxy": ((PROXY, "203.0.113.9"), (PROXY, "203.0.113.8")),
    "another network of IPv6": (("2001:db8:1:2::3", ""), ("2001:db8:1:3::3", "")),
    "another within IPv6": (("::ffff:203.0.113.9", ""), ("::ffff:203.0.113.8", "")),
}


@pytest.mark.parametrize("callers", SAME.values(), ids=SAME)
def test_one_client_is_known_by_its_address(callers: tuple[tuple[str, str], ...]) -> None:
    """Requests from one address, or one /64, count together, whatever a client itself claims."""
    assert ask_from(*callers) == [429, 429]


@pytest.mark.parametrize("callers", OTHERS.values(), ids=OTHERS)
def test_other_clients_are_not_limited_with_it(callers: tuple[tuple[str, str], ...]) -> None:
    """Other addresses, also those behind a trusted proxy, have a limit of their own."""
    assert ask_from(*callers) == [429, 200]


def test_refusal_is_described_where_there_is_a_limit(make_client: MakeClient) -> None:
    """The OpenAPI document has 429 at every route that is limited, and at none where there is no limit."""
    limited = make_client(rate_limit=RATE).get("/openapi.json").json()["paths"]
    free = make_client().get("/openapi.json").json()["paths"]
    assert (find_limited(limited), find_limited(free)) == (set(limited) - HEALTH, set())


def find_limited(paths: dict[str, Any]) -> set[str]:
    return {path for path, item in paths.items() for operation in item.values() if "429" in operation["responses"]}


def test_refusals_are_counted(make_client: MakeClient) -> None:
    """The metrics have refused requests by their reason."""
    client = make_client(rate_limit=RATE)
    assert [predict(client, 5), predict(client, 1)] == [200, 429]
    cast("ServiceApp", client.app).request_log.flush()
    assert 'fashion_refusals_total{reason="rate-limited"} 1.0' in client.get("/metrics").text
