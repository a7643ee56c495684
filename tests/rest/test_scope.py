"""What is kept in and read from an ASGI scope."""

import pytest

from fashion_api.errors import NotReadyError
from fashion_api.rest.scope import HttpRecord, find_route, get_route_path, get_service, is_draining, keep_record
from tests.asgi import make_scope
from tests.fakes import fake_app, fake_service


@pytest.mark.parametrize(
    ("path", "root_path", "expected"),
    [
        ("/livez", "", "/livez"),
        ("/shop/livez", "/shop", "/livez"),
        ("/shop", "/shop", ""),
        ("/livez", "/shop", "/livez"),
        ("/shopping", "/shop", "/shopping"),
    ],
)
def test_route_path_is_below_the_root_path(path: str, root_path: str, expected: str) -> None:
    """The root path is left out, where the server has put it before the path."""
    assert get_route_path(make_scope("GET", path) | {"root_path": root_path}) == expected


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/api/v1/test-images/9", "/api/v1/test-images/{index}"),
        ("DELETE", "/api/v1/model", "/api/v1/model"),
        ("GET", "/static-docs/x.css", "/static-docs"),
        ("GET", "/secret/token", None),
    ],
)
def test_route_of_a_request_that_was_not_routed_is_found(method: str, path: str, expected: str | None) -> None:
    """The route is its template; of a path that has none, nothing is given that a caller has written."""
    scope = make_scope(method, path) | {"app": fake_app()}
    keep_record(scope, HttpRecord("id"))
    assert find_route(scope) == expected


def test_service_is_that_of_the_app() -> None:
    """Before the service has started there is none."""
    app = fake_app()
    scope = {"app": app}
    with pytest.raises(NotReadyError):
        get_service(scope)
    app.service = fake_service()
    assert get_service(scope) is app.service


def test_service_drains_once_it_is_told_to() -> None:
    """A service that is not there does not drain."""
    app = fake_app()
    assert not is_draining({"app": app})
    app.service = fake_service()
    assert not is_draining({"app": app})
    app.service.drain()
    assert is_draining({"app": app})
