"""What is done to a process that the service has to itself, and to no other."""

import asyncio
import gc
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import pytest

from fashion_api.server.process import own_process
from tests.fakes import fake_follower, fake_service

EMBEDDED = """
import asyncio, gc, signal
from fashion_api import create_app
from fashion_api.settings import Settings
from tests.fakes import load_fake_test_set, model_loader

async def main():
    before = gc.get_freeze_count(), signal.getsignal(signal.SIGTERM)
    app = create_app(Settings(_env_file=None), load_model=model_loader(), load_test_set=load_fake_test_set)
    async with app.router.lifespan_context(app):
        print(app.service is not None, (gc.get_freeze_count(), signal.getsignal(signal.SIGTERM)) == before)

asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def _restore_process() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_embedded_service_leaves_the_process_alone() -> None:
    """An app that is started inside another freezes nothing in memory and takes no signal."""
    done = subprocess.run([sys.executable, "-c", EMBEDDED], check=True, capture_output=True, text=True)  # noqa: S603  # our own
    assert done.stdout.split() == ["True", "True"]


def test_memory_of_a_process_of_its_own_is_frozen() -> None:
    """In a process of its own, the garbage collector no longer walks what is there when the service is ready."""

    async def main() -> None:
        gc.unfreeze()  # what the tests themselves have frozen; it is frozen again
        assert gc.get_freeze_count() == 0
        async with own_process(fake_follower()):
            assert gc.get_freeze_count() > 0

    asyncio.run(main())


def test_sigterm_drains_at_once_and_is_obeyed_later() -> None:
    """On SIGTERM the service drains, and the server's own handler is called after the delay."""
    obeyed: list[bool] = []

    async def main() -> None:
        service = fake_service(drain_delay_s=0.01)
        stopped = asyncio.Event()

        def stop(_signum: int, _frame: FrameType | None) -> None:
            obeyed.append(service.is_draining)
            stopped.set()

        signal.signal(signal.SIGTERM, stop)
        async with own_process(fake_follower(service)):
            signal.raise_signal(signal.SIGTERM)
            assert (service.is_draining, obeyed) == (True, [])
            await stopped.wait()
        assert signal.getsignal(signal.SIGTERM) is stop

    asyncio.run(main())
    assert obeyed == [True]


def test_sigterm_that_nobody_handles_only_drains() -> None:
    """Where the server has no handler of its own, as with one of the event loop's, SIGTERM drains the service."""

    async def main() -> None:
        service = fake_service()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        async with own_process(fake_follower(service)):
            signal.raise_signal(signal.SIGTERM)
            await asyncio.sleep(0)
            assert service.is_draining

    asyncio.run(main())


def test_other_threads_change_no_handler() -> None:
    """Outside the main thread, where Python takes no signals, no handler is changed."""

    async def enter() -> object:
        async with own_process(fake_follower()):
            return signal.getsignal(signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with ThreadPoolExecutor() as pool:
        assert pool.submit(lambda: asyncio.run(enter())).result() is before
