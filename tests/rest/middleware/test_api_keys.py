"""API keys."""

import contextlib
import logging

import pytest
from pydantic import SecretStr
from starlette.types import Receive, Scope, Send

from fashion_api.errors import UnauthenticatedError
from fashion_api.rest.middleware.api_keys import ApiKeyMiddleware
from fashion_api.rest.scope import HttpRecord, get_record, keep_record
from fashion_api.service.keys import ApiKeys
from fashion_api.settings import Settings
from tests.asgi import Call, make_scope
from tests.clock import run
from tests.conftest import MakeClient


def may_pass(scope: Scope, keys: tuple[str, ...] = ("first", "second")) -> bool:
    """Whether a request comes to the app; its path is open if it is /open."""
    keep_record(scope, HttpRecord("id"))
    reached: list[Scope] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        reached.append(scope)

    known = ApiKeys(Settings(_env_file=None, api_keys=tuple(SecretStr(key) for key in keys)))
    guard = ApiKeyMiddleware(app, keys=known, is_open=lambda path: path == "/open")

    async def test() -> None:
        with contextlib.suppress(UnauthenticatedError):
            await Call(guard, scope).task

    run(test)
    return bool(reached)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ((b"x-api-key", b"first"), True),
        ((b"x-api-key", b"second"), True),
        ((b"authorization", b"Bearer second"), True),
        ((b"authorization", b"bearer  second "), True),
        ((b"authorization", b"Basic second"), False),
        ((b"authorization", b"second"), False),
        ((b"x-api-key", b"firs"), False),
        ((b"x-api-key", b"first,second"), False),
        ((b"x-api-key", b"\xff"), False),
        ((b"x-api-key", b""), False),
        ((b"cookie", b"x-api-key=first"), False),
    ],
)
def test_key_must_be_one_of_those(header: tuple[bytes, bytes], *, expected: bool) -> None:
    """A request passes with one of the keys in one of the two headers, and with nothing else."""
    assert may_pass(make_scope("GET", "/closed", [header])) is expected


def test_first_key_shown_counts() -> None:
    """A request shows one key."""
    headers = [(b"x-api-key", b"wrong"), (b"x-api-key", b"first")]
    assert not may_pass(make_scope("GET", "/closed", headers))


def test_key_counts_before_a_bearer_token() -> None:
    """Where both headers are shown, the key is in its own; the order of headers of other names has no meaning."""
    shown = [(b"x-api-key", b"first"), (b"authorization", b"Bearer of-a-proxy")]
    assert may_pass(make_scope("GET", "/closed", shown))
    assert may_pass(make_scope("GET", "/closed", shown[::-1]))


def test_open_path_needs_no_key() -> None:
    """Open paths are for all, also below a root path."""
    assert may_pass(make_scope("GET", "/open"))
    assert may_pass(make_scope("GET", "/shop/open") | {"root_path": "/shop"})
    assert not may_pass(make_scope("GET", "/open/more"))


def test_without_keys_every_request_passes() -> None:
    """Where the operator asks for no key, none is needed."""
    assert may_pass(make_scope("GET", "/closed"), keys=())


def test_other_protocols_need_no_key() -> None:
    """What is no HTTP request is passed on as it is."""
    assert may_pass({"type": "lifespan"})


def test_name_of_the_key_is_kept() -> None:
    """What is known of a request has the name of its key, for the log, and never the key."""
    scope = make_scope("GET", "/closed", [(b"x-api-key", b"second")])
    assert may_pass(scope)
    assert get_record(scope).key_name == "FASHION_API_KEYS[1]"


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-API-Key": "secret-one"}, {"Authorization": "Bearer secret-one"}, {"X-API-Key": "secret-none"}],
    ids=["none", "header", "bearer", "wrong"],
)
def test_no_key_is_logged(make_client: MakeClient, headers: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    """Neither a key of the settings nor one that a caller sends is logged, at any level."""
    caplog.set_level(logging.DEBUG)
    client = make_client(api_keys=(SecretStr("secret-one"), SecretStr("secret-two")))
    client.get("/api/v1/model", headers=headers)
    client.close()
    assert not [record for record in caplog.records if "secret" in f"{record.getMessage()} {vars(record)}"]
