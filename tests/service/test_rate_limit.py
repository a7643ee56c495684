"""The counters of clients."""

import subprocess
import sys
import time
from contextlib import suppress

import pytest

from fashion_api.errors import RateLimitedError
from fashion_api.service.rate_limit import WINDOW_S, RateLimit


@pytest.fixture
def limit() -> RateLimit:
    return RateLimit(10, shares=2)


def test_limit_is_shared_out_among_processes(limit: RateLimit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of two processes lets half of the images through."""
    monkeypatch.setattr(time, "time", lambda: 1e6)
    passed = 0
    with suppress(RateLimitedError):
        while passed < 1000:
            limit.take("client")
            passed += 1
    assert passed == 10 * WINDOW_S / 2


def test_window_slides(limit: RateLimit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Around the border of two windows there pass no more than in one of them."""
    monkeypatch.setattr(time, "time", lambda: 1e6 + WINDOW_S - 0.001)
    limit.take("client")
    limit.take_more("client", 49)
    monkeypatch.setattr(time, "time", lambda: 1e6 + WINDOW_S + 0.2)
    limit.take("client")
    with pytest.raises(RateLimitedError):
        limit.take("client")


def ask(limit: RateLimit, images: int) -> int:
    """Ask for images in one request; gives the seconds to wait, 0 where they passed."""
    try:
        limit.take("client")
        limit.take_more("client", images - 1)
    except RateLimitedError as error:
        return error.quota.reset_s
    return 0


@pytest.mark.parametrize("early_s", [0, 1], ids=["then", "a second before"])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((0, 40), (3, 20)),
        ((0, 49), (11, 30)),
        ((0, 49), (12, 45)),
        ((8, 30), (12, 50)),
        ((1, 50), (9.5, 1)),
        ((1, 30), (5, 300)),
    ],
    ids=["this window", "the one before", "nearly all", "all", "one image", "more than there ever are"],
)
def test_request_passes_after_the_wait_that_is_named(
    limit: RateLimit,
    monkeypatch: pytest.MonkeyPatch,
    first: tuple[float, int],
    second: tuple[float, int],
    early_s: int,
) -> None:
    """Asked at a time for some images, and again: what is refused passes after the wait, and not a second before."""
    clock = [1e6 + first[0]]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    assert ask(limit, first[1]) == 0
    clock[0] = 1e6 + second[0]
    wait_s = ask(limit, second[1])
    clock[0] += wait_s - early_s
    assert (wait_s > 0, ask(limit, second[1]) > 0) == (True, bool(early_s))


def test_service_without_a_limit_does_not_have_the_library() -> None:
    """Where there is no limit, nothing of it is imported."""
    code = "import sys, fashion_api.server.worker; sys.exit('limits' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603  # our own command
