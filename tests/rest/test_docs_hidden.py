"""A service whose page and documentation are hidden."""

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from tests.conftest import MakeClient

HIDDEN = ["/docs", "/redoc", "/openapi.json", "/static/page/app.js", "/static-docs/swagger-ui.css"]


@pytest.fixture
def hidden(make_client: MakeClient) -> TestClient:
    return make_client(docs=False)


@pytest.mark.parametrize("path", HIDDEN)
def test_page_and_documentation_are_not_found(hidden: TestClient, path: str) -> None:
    """What is hidden is answered as any unknown address is, and nothing leads there."""
    answers = [hidden.get(address, headers={"Accept": "text/html"}) for address in (path, "/unknown")]
    found, unknown = [answer.json() | {"instance": "", "request_id": ""} for answer in answers]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert found["detail"].replace(path, "/unknown") == unknown["detail"] == "there is nothing at /unknown"


def test_unknown_address_leads_to_documentation_that_is_there(client: TestClient) -> None:
    """Where nothing is hidden, an unknown address is answered with where to look."""
    assert "/docs" in client.get("/unknown").json()["detail"]


def test_what_errors_lead_to_is_there(hidden: TestClient) -> None:
    """The kinds of problem are explained all the same, for errors lead there."""
    assert hidden.get("/problems").status_code == 200


@pytest.mark.parametrize("path", HIDDEN)
def test_with_keys_they_need_one_as_any_unknown_address_does(make_client: MakeClient, path: str) -> None:
    """Nobody without a key can tell a hidden address from an unknown one; health and kinds of problem need none."""
    hidden = make_client(docs=False, api_keys=(SecretStr("key"),))
    assert [hidden.get(address).status_code for address in (path, "/unknown")] == [401, 401]
    assert [hidden.get(address).status_code for address in ("/livez", "/readyz", "/problems")] == [200, 200, 200]


def test_clients_see_all_the_same_that_the_service_is_alive(make_client: MakeClient) -> None:
    """At the page's address, who asks for HTML or shows no key learns that the service is alive, and nothing more."""
    hidden = make_client(docs=False, api_keys=(SecretStr("key"),))
    answers = [hidden.get("/", headers={"Accept": accept}) for accept in ("*/*", "text/html")]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, {"status": "alive"})] * 2
