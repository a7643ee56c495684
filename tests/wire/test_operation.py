"""What a request for an operation tells of itself."""

import pytest

from fashion_api.rest.app import OPERATIONS
from fashion_api.wire.operation import OperationTable, RequestHead


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        (b"", {}),
        (b"coverage=0.95", {"coverage": "0.95"}),
        (b"a=1&a=2&b=", {"a": "2", "b": ""}),
        (b"a=%C3%A9+x", {"a": "é x"}),
    ],
    ids=["none", "one", "twice and empty", "escaped"],
)
def test_query_is_read_as_parameters(query: bytes, parameters: dict[str, str]) -> None:
    """The query's parameters are given by name, without their escapes; the last of a name counts."""
    assert RequestHead("", query, ()).read_query() == parameters


@pytest.mark.parametrize(
    ("method", "path"),
    [
        (b"POST", b"/api/v1/test-images/9/prediction"),
        (b"GET", b"/api/v1/predictions"),
        (b"GET", b"/api/v1/test-images/x/prediction"),
        (b"GET", b"/api/v1/test-images/9/prediction/"),
        (b"POST", b"/api/v1/predictions/upload/x"),
        (b"POST", b"/api/v1/predictions\n"),
    ],
)
def test_other_requests_are_for_no_operation(method: bytes, path: bytes) -> None:
    """What is not exactly an operation's method and path is for none."""
    assert OperationTable(OPERATIONS).find(method, path) is None


def test_parameter_is_found_in_the_path() -> None:
    """The operation is found with what the path has in place of its parameter."""
    found = OperationTable(OPERATIONS).find(b"GET", b"/api/v1/test-images/42/prediction")
    assert found == (OPERATIONS[0], "42")
