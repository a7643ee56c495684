"""The service: what all requests share."""

import asyncio
import dataclasses
import threading
from collections.abc import Generator

import pytest

from fashion_api.errors import DataNotFoundError, NotReadyError, UnknownModelError
from fashion_api.service.batcher import Batcher
from tests.clock import run
from tests.fakes import FakeClassifier, fake_service, fake_test_set


def test_test_set_is_given() -> None:
    """The service gives its test set."""
    test_set = fake_test_set()
    assert fake_service(test_set=test_set).get_test_set() is test_set


def test_missing_test_set_is_an_error() -> None:
    """Where there is no test set, asking for it says why."""
    with pytest.raises(DataNotFoundError, match="nowhere"):
        fake_service(test_set=DataNotFoundError("nowhere")).get_test_set()


def test_closed_service_leaves_no_thread() -> None:
    """Closing a service ends the threads that decode bodies and prepare pictures."""

    def work() -> Generator[None, None, None]:
        yield

    async def test() -> None:
        before = set(threading.enumerate())  # other tests' threads may be about to end
        batcher = Batcher(FakeClassifier(), max_batch_size=1, max_queue_size=1, timeout_s=1)
        service = dataclasses.replace(fake_service(), batcher=batcher)
        for decoder in (service.decoder, service.preparer):
            await decoder.run(work(), deadline=asyncio.get_running_loop().time() + 60, timeout_s=60)
        await service.aclose()
        left = {thread.name for thread in threading.enumerate() if thread not in before}
        assert not left & {"classifier", "decoder"}

    run(test)


def test_findings_need_a_test_set() -> None:
    """Where there is no test set, there is nothing to predict."""
    with pytest.raises(DataNotFoundError, match="nowhere"):
        fake_service(test_set=DataNotFoundError("nowhere")).get_findings()


def test_closed_service_is_draining_and_takes_nothing_in() -> None:
    """Closing a service makes it say that it is stopping, and its batcher refuses what comes."""

    async def test() -> None:
        batcher = Batcher(FakeClassifier(), max_batch_size=1, max_queue_size=1, timeout_s=1)
        service = dataclasses.replace(fake_service(), batcher=batcher)
        assert not service.is_draining
        await service.aclose()
        assert service.is_draining
        with pytest.raises(NotReadyError):
            batcher.check_room(1)

    run(test)


def test_served_name_outlives_a_change_of_the_model() -> None:
    """Clients of the inference protocols go on asking for the name that the model had at the start."""

    async def test() -> None:
        service = fake_service()
        successor = service.succeed(dataclasses.replace(service.model, name="other"))
        await successor.batcher.aclose()
        successor.check_served("fake", "1")
        with pytest.raises(UnknownModelError, match="unknown model: 'other'"):
            successor.check_served("other")

    run(test)
