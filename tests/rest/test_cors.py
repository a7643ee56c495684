"""FASHION_CORS_ORIGINS: pages of these origins may call every route."""

import pytest
from pydantic import SecretStr

from tests.conftest import MakeClient

ORIGIN = "https://shop.example"
PREDICTION = "/api/v1/test-images/9/prediction"


@pytest.mark.parametrize(
    "path", [PREDICTION, "/api/v1/test-images/%39/prediction", "/api/v1/model", "/livez", "/nowhere"]
)
def test_every_response_names_the_origin(make_client: MakeClient, path: str) -> None:
    """Every response to an allowed origin says so, that of an address that does not exist too."""
    response = make_client(cors_origins=(ORIGIN,)).get(path, headers={"Origin": ORIGIN})
    assert response.headers["access-control-allow-origin"] == ORIGIN


def test_pages_may_read_the_protocols_headers(make_client: MakeClient) -> None:
    """A page may read which model has answered, and where the binary data of an answer begin."""
    response = make_client(cors_origins=(ORIGIN,)).get("/v2/models", headers={"Origin": ORIGIN})
    exposed = response.headers["access-control-expose-headers"].lower()
    assert all(name in exposed for name in ("x-model-version", "inference-header-content-length"))


def test_refusal_names_the_origin(make_client: MakeClient) -> None:
    """A request without a key is refused in a way that a page may read."""
    client = make_client(cors_origins=(ORIGIN,), api_keys=(SecretStr("key"),))
    response = client.get(PREDICTION, headers={"Origin": ORIGIN})
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (401, ORIGIN)


@pytest.mark.parametrize("path", [PREDICTION, "/api/v1/predictions", "/api/v1/predictions/upload"])
def test_preflight_needs_no_key(make_client: MakeClient, path: str) -> None:
    """A browser's preflight is answered 200 without a key, and allows the headers that a call needs."""
    client = make_client(cors_origins=(ORIGIN,), api_keys=(SecretStr("key"),))
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key, content-type"}
    response = client.options(path, headers={"Origin": ORIGIN, **asked})
    assert (response.status_code, "x-api-key" in response.headers["access-control-allow-headers"]) == (200, True)


def test_other_origin_is_not_named(make_client: MakeClient) -> None:
    """A response to an origin that is not allowed does not name it."""
    response = make_client(cors_origins=(ORIGIN,)).get(PREDICTION, headers={"Origin": "https://other.example"})
    assert "access-control-allow-origin" not in response.headers


def test_without_the_setting_no_origin_is_named(make_client: MakeClient) -> None:
    """Where no origin is set, responses are for pages of the service's own origin only."""
    response = make_client().get(PREDICTION, headers={"Origin": ORIGIN})
    assert "access-control-allow-origin" not in response.headers
