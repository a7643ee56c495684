"""What is left of errors once they were answered."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import ClientDisconnect

from fashion_api.errors import FashionError


@contextmanager
def leaving_no_errors() -> Iterator[None]:
    """Check that no error of the service is left of what is done meanwhile, without Python collecting garbage.

    An error keeps the frames that it passed, and they the request's body.
    """
    gc.collect()
    before = _find_errors()
    gc.disable()
    try:
        yield
        left = [error for error in _find_errors() if not any(error is other for other in before)]
    finally:
        gc.enable()
    assert not left


def _find_errors() -> list[Exception]:
    return [found for found in gc.get_objects() if isinstance(found, (FashionError, ClientDisconnect))]
