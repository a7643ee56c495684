"""The prefix and the scheme that a proxy was asked for."""

from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from fashion_api.rest.middleware.forwarded import ForwardedMiddleware
from fashion_api.settings import Settings
from tests.asgi import Call, make_scope
from tests.clock import run

PREFIX = b"x-forwarded-prefix"
PROTO = b"x-forwarded-proto"


def adapt(scope: Scope, *, root_path: str = "", trusted: str | None = None) -> tuple[str, bytes | None, str, str]:
    """What comes of a scope: path, raw path, root path and scheme."""
    changes: dict[str, Any] = {} if trusted is None else {"trusted_proxies": trusted}
    settings = Settings(_env_file=None, root_path=root_path, **changes)
    seen: list[Scope] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope)

    async def test() -> None:
        made = ForwardedMiddleware(app, root_path=settings.root_path, trusted_proxies=settings.trusted_proxies)
        await Call(made, scope).task

    run(test)
    (adapted,) = seen
    return adapted["path"], adapted.get("raw_path"), adapted["root_path"], adapted.get("scheme", "")


@pytest.mark.parametrize("path", ["/docs", "/shop/docs"], ids=["stripped", "kept"])
@pytest.mark.parametrize("source", ["setting", "header"])
def test_prefix_is_the_root_path(path: str, source: str) -> None:
    """Whether the proxy leaves the prefix in the path or not, it is in the path and in the root path."""
    headers = [(PREFIX, b"/shop")] if source == "header" else []
    adapted = adapt(make_scope("GET", path, headers), root_path="/shop" if source == "setting" else "")
    assert adapted == ("/shop/docs", b"/shop/docs", "/shop", "http")


def test_prefix_of_the_server_is_not_added_again() -> None:
    """Where the server knows the prefix too, as from `uvicorn --root-path`, it is there once."""
    scope = make_scope("GET", "/shop/docs") | {"root_path": "/shop"}
    assert adapt(scope, root_path="/shop")[:3] == ("/shop/docs", b"/shop/docs", "/shop")


def test_prefix_stands_before_the_place_where_the_app_is_mounted() -> None:
    """In an app that is mounted, the prefix comes before the mount's own path."""
    scope = make_scope("GET", "/tenant/docs") | {"root_path": "/tenant"}
    assert adapt(scope, root_path="/shop")[:3] == ("/shop/tenant/docs", b"/shop/tenant/docs", "/shop/tenant")


def test_path_that_only_begins_like_the_prefix_is_another() -> None:
    """A prefix ends at a slash: /shopping is not below /shop."""
    assert adapt(make_scope("GET", "/shopping"), root_path="/shop")[:3] == (
        "/shop/shopping",
        b"/shop/shopping",
        "/shop",
    )


def test_server_without_a_raw_path_has_none_afterwards() -> None:
    """The raw path is optional in ASGI."""
    scope = make_scope("GET", "/docs") | {"raw_path": None}
    assert adapt(scope, root_path="/shop")[:3] == ("/shop/docs", None, "/shop")


def test_header_of_the_proxy_wins() -> None:
    """A proxy that names a prefix is believed over the setting."""
    scope = make_scope("GET", "/docs", [(PREFIX, b"/other/")])
    assert adapt(scope, root_path="/shop")[2] == "/other"


def test_first_of_several_proxies_is_believed() -> None:
    """Where proxies have added to one another's headers, the first value is what the caller asked for."""
    scope = make_scope("GET", "/docs", [(PREFIX, b"/shop, /inner"), (PROTO, b"https,http")])
    assert adapt(scope)[2:] == ("/shop", "https")


@pytest.mark.parametrize(
    ("client", "trusted"),
    [
        (("203.0.113.9", 1), None),
        (("127.0.0.1", 1), "10.0.0.0/8"),
        (("127.0.0.1", 1), "[]"),
        (("testclient", 1), None),
        (None, None),
    ],
    ids=["a stranger", "loopback, not trusted", "nobody trusted", "no address", "unknown"],
)
def test_headers_of_others_are_not_believed(client: tuple[str, int] | None, trusted: str | None) -> None:
    """Who is no trusted proxy cannot change the prefix or the scheme."""
    scope = make_scope("GET", "/docs", [(PREFIX, b"/evil"), (PROTO, b"https")], client=client)
    assert adapt(scope, trusted=trusted) == ("/docs", b"/docs", "", "http")


@pytest.mark.parametrize("client", ["10.1.2.3", "2001:db8::1", "::ffff:10.1.2.3"])
def test_named_networks_are_trusted(client: str) -> None:
    """The networks that the settings name are believed, in either version of IP, and on a socket for both."""
    scope = make_scope("GET", "/docs", [(PREFIX, b"/shop"), (PROTO, b"https")], client=(client, 1))
    assert adapt(scope, trusted="10.0.0.0/8, 2001:db8::/32")[2:] == ("/shop", "https")


@pytest.mark.parametrize(
    "header",
    [(PREFIX, b"//evil.example"), (PREFIX, b"evil"), (PREFIX, b"/a b"), (PREFIX, b"/"), (PREFIX, b""),
     (PREFIX, b'/"><script>'), (PREFIX, b"/\xe9"), (PROTO, b"javascript"), (PROTO, b""), (b"x-forwarded-port", b"1"),
     (b"x-forwarded-for", b"evil")],
    ids=["another host", "no slash", "a blank", "nothing but a slash", "empty", "markup", "other letters",
         "another scheme", "no scheme", "another header",
         "no address"],
)  # fmt: skip
def test_odd_values_are_passed_over(header: tuple[bytes, bytes]) -> None:
    """A prefix or a scheme that could harm a page or a redirect is not taken."""
    assert adapt(make_scope("GET", "/docs", [header])) == ("/docs", b"/docs", "", "http")


def test_other_protocols_pass() -> None:
    """What is no HTTP request is passed on as it is."""
    scope = {"type": "lifespan", "path": "/", "root_path": ""}
    assert adapt(scope, root_path="/shop")[2] == ""
