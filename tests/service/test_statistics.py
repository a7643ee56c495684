"""What the service has done so far, in sums."""

import time

import pytest

from fashion_api.service.events import Batch, Work
from fashion_api.service.statistics import Statistics
from fashion_api.wire.served_model import read_statistics
from tests.asgi import ask, running
from tests.clock import run
from tests.fakes import FailingClassifier, fake_app, fake_model

PREDICTION = "/api/v1/test-images/%d/prediction"


def make_batch(images: int, seconds: float) -> Batch:
    """A batch that has just ended."""
    batch = Batch(time.perf_counter() - seconds)
    batch.ended_at = batch.started_at + seconds
    batch.images = images
    return batch


def test_answered_request_is_added_step_by_step() -> None:
    """Each step of an answered request counts once, and its time is added; the time of reading is the caller's."""
    statistics = Statistics()
    work = Work(fake_model(), 3, None, read_s=9.0, decode_s=0.5, queue_s=0.25, compute_s=2.0, encode_s=0.125)
    statistics.add_answered(work)
    statistics.add_answered(work)
    steps = (statistics.decoded, statistics.queued, statistics.computed, statistics.encoded, statistics.answered)
    assert [step.count for step in steps] == [2] * 5
    assert [step.nanoseconds for step in steps] == [10**9, 5 * 10**8, 4 * 10**9, 25 * 10**7, 575 * 10**7]


def test_batches_are_added_by_their_size() -> None:
    """The images of batches are summed up, and their number and time, for each size."""
    statistics = Statistics()
    statistics.add_batches([make_batch(1, 0.5), make_batch(4, 1.0)])
    statistics.add_batches([make_batch(4, 2.0)])
    assert (statistics.images, statistics.batches) == (9, 3)
    by_size = statistics.by_batch_size
    assert {size: total.count for size, total in by_size.items()} == {1: 1, 4: 2}
    assert {size: total.seconds for size, total in by_size.items()} == pytest.approx({1: 0.5, 4: 3.0})


def test_time_of_the_last_batch_is_the_clocks() -> None:
    """The last batch has the wall clock's time, which does not go back where an earlier batch comes late."""
    statistics = Statistics()
    assert statistics.last_batch_at_s == 0
    statistics.add_batches([make_batch(1, 0.0)])
    last = statistics.last_batch_at_s
    assert last <= time.time() < last + 60
    earlier = Batch(0.0)
    earlier.images = 1
    statistics.add_batches([earlier])
    assert statistics.last_batch_at_s == last


@pytest.mark.parametrize("metrics", [True, False])
def test_requests_are_in_the_statistics_at_once(metrics: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """Answered and failed requests are counted before the next one, with metrics for Prometheus and without."""

    async def test() -> None:
        app = fake_app(FailingClassifier([3]), metrics=metrics)
        async with running(app) as service:
            before = read_statistics(service).images
            statuses = [(await ask(app, "GET", PREDICTION % index)).status for index in (1, 2, 3)]
            statistics = read_statistics(service)
            assert statuses == [200, 200, 500]
            assert (statistics.answered.count, statistics.failed.count) == (2, 1)
            assert statistics.images == before + 3
            assert statistics.batches == sum(total.count for total in statistics.by_batch_size.values())
            assert statistics.images == sum(size * total.count for size, total in statistics.by_batch_size.items())

    run(test)


def test_next_model_goes_on_with_the_statistics() -> None:
    """What was counted of one model stays when another comes into force."""

    async def test() -> None:
        app = fake_app()
        async with running(app) as service:
            await ask(app, "GET", PREDICTION % 1)
            successor = service.succeed(fake_model())
            assert read_statistics(successor).answered.count == 1
            await successor.batcher.aclose()

    run(test)
