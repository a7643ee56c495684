"""The batcher, with classifiers that tests hold and let go; nothing here sleeps or depends on time."""

import asyncio
import random
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from fashion_api.errors import DeadlineExceededError, EngineError, NotReadyError, OverloadedError
from fashion_api.images import Images
from fashion_api.inference.classifier import Classifier, Predictions
from fashion_api.service.batcher import Batcher
from tests.clock import put_clock_forward, run, turn_over
from tests.fakes import FailingClassifier, FakeClassifier
from tests.held import HeldClassifier

LONG_S = 60.0


def images(*classes: int) -> Images:
    """Images in which the fake classifier sees these classes."""
    array = np.zeros((len(classes), 28, 28), np.uint8)
    array[:, 0, 0] = classes
    return array


@asynccontextmanager
async def batcher_of(classifier: Classifier, **changes: float) -> AsyncIterator[Batcher]:
    """A batcher that is closed afterwards."""
    parts = {"max_batch_size": 4, "max_queue_size": 100, "timeout_s": LONG_S} | changes
    batcher = Batcher(
        classifier,
        max_batch_size=int(parts["max_batch_size"]),
        max_queue_size=int(parts["max_queue_size"]),
        timeout_s=parts["timeout_s"],
        inline_limit_s=parts.get("inline_limit_s", 0.0),
    )
    try:
        yield batcher
    finally:
        await batcher.aclose()


@asynccontextmanager
async def held(
    inner: Classifier | None = None, **changes: float
) -> AsyncIterator[tuple[Batcher, HeldClassifier, "asyncio.Task[Predictions]"]]:
    """A batcher whose worker is computing a first request, of class 9, and waits to be let go."""
    classifier = HeldClassifier(inner)
    async with batcher_of(classifier, **changes) as batcher:
        first = asyncio.create_task(batcher.classify(images(9)))
        await classifier.wait_until_entered()
        try:
            yield batcher, classifier, first
        finally:
            classifier.release()
            await asyncio.gather(first, return_exceptions=True)


def ask(batcher: Batcher, *requests: Images) -> "list[asyncio.Task[Predictions]]":
    """Ask for several requests at once."""
    return [asyncio.create_task(batcher.classify(request)) for request in requests]


def test_lone_request_is_answered() -> None:
    """A request on its own is computed at once, as it is."""

    async def test() -> None:
        async with batcher_of(FakeClassifier()) as batcher:
            assert (await batcher.classify(images(3, 5))).class_ids.tolist() == [3, 5]

    run(test)


def test_waiting_requests_are_computed_together() -> None:
    """What has come while the worker was busy makes the next batch, and each gets its own answer."""

    async def test() -> None:
        async with held() as (batcher, classifier, _):
            tasks = ask(batcher, images(1), images(2, 3), images(4))
            await turn_over()
            classifier.release()
            answers = [(await task).class_ids.tolist() for task in tasks]
            assert (classifier.batches, answers) == ([[9], [1, 2, 3, 4]], [[1], [2, 3], [4]])

    run(test)


def test_requests_that_come_one_a_turn_are_computed_together() -> None:
    """While requests come, each in its own turn of the event loop, they share batches; the first waits for no other."""

    async def test() -> None:
        async with batcher_of(FakeClassifier()) as batcher:
            await batcher.classify(images(0))
            tickets = []
            for value in range(3):
                tickets.append(batcher.submit(images(value)))
                await asyncio.sleep(0)
            await asyncio.gather(*(ticket.answer for ticket in tickets))
            assert [batch.images for batch in batcher.take_batches()] == [1, 3]

    run(test)


def test_threads_that_bring_requests_get_their_turn() -> None:
    """Once a batch is computed, before the next that is not full; a request after a pause waits for none."""

    async def test() -> None:
        turns = 0

        def count() -> None:
            nonlocal turns
            turns += 1

        batcher = Batcher(FakeClassifier(), max_batch_size=4, max_queue_size=9, timeout_s=LONG_S, let_others_run=count)
        await batcher.classify(images(0))
        assert turns == 0
        await batcher.classify(images(1))
        assert turns > 0
        await batcher.wait_until_idle()
        turns = 0
        await batcher.classify(images(2))
        assert turns == 0
        await batcher.aclose()

    run(test)


def test_request_that_comes_alone_is_computed_in_the_next_turn() -> None:
    """A request after a pause waits for no other."""

    async def test() -> None:
        async with batcher_of(FakeClassifier(), inline_limit_s=LONG_S) as batcher:
            await batcher.classify(images(0))  # the first goes to the worker, as nobody knows yet how long it takes
            await turn_over()
            ticket = batcher.submit(images(1))
            await asyncio.sleep(0)
            assert ticket.answer.done()

    run(test)


def test_batch_is_never_larger_than_allowed() -> None:
    """A request of more images than a batch holds is computed in parts, and answered whole and in order."""

    async def test() -> None:
        async with held() as (batcher, classifier, _):
            tasks = ask(batcher, images(1, 2, 3), images(*range(9)))
            await turn_over()
            classifier.release()
            assert (await tasks[1]).class_ids.tolist() == list(range(9))
            assert classifier.batches == [[9], [1, 2, 3, 0], [1, 2, 3, 4], [5, 6, 7, 8]]

    run(test)


def test_cancelled_request_leaves_its_neighbours_alone() -> None:
    """When one of four in the same batch goes away while it is computed, the others get their answers."""

    async def test() -> None:
        async with held() as (batcher, classifier, _):
            tasks = ask(batcher, images(1), images(2), images(3), images(4))
            await turn_over()
            classifier.release(1)
            await classifier.wait_until_entered()
            tasks[1].cancel()
            await turn_over()
            classifier.release()
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            assert isinstance(answers.pop(1), asyncio.CancelledError)
            assert [a.class_ids.tolist() for a in answers if isinstance(a, Predictions)] == [[1], [3], [4]]

    run(test)


def test_request_cancelled_while_queued_is_never_computed() -> None:
    """A request whose caller has gone before its turn costs the classifier nothing, and the queue no room."""

    async def test() -> None:
        async with held() as (batcher, classifier, _):
            tasks = ask(batcher, images(1), images(2))
            await turn_over()
            tasks[0].cancel()
            await turn_over()
            assert batcher.waiting_images == 1
            classifier.release()
            await tasks[1]
            assert classifier.batches == [[9], [2]]

    run(test)


def test_deadline_that_passes_while_queued() -> None:
    """A request whose time is over before its turn is answered with that, and never computed."""

    async def test() -> None:
        async with held(timeout_s=5) as (batcher, classifier, first):
            tasks = ask(batcher, images(1))
            await turn_over()
            await put_clock_forward(6)
            with pytest.raises(DeadlineExceededError):
                await tasks[0]
            assert batcher.waiting_images == 0
            classifier.release()
            await asyncio.gather(first, return_exceptions=True)
            assert classifier.batches == [[9]]

    run(test)


def test_deadline_that_passes_while_computing() -> None:
    """A request whose time is over while it is computed is answered with that, without waiting for the end."""

    async def test() -> None:
        async with held(timeout_s=5) as (_, _, first):
            await put_clock_forward(6)
            with pytest.raises(DeadlineExceededError):
                await first

    run(test)


@pytest.mark.parametrize("order", [(5, 20, 10), (20, 10, 5), (10, 5, 20)], ids=["5 first", "5 last", "5 between"])
def test_deadlines_of_their_own_pass_in_their_order(order: tuple[int, ...]) -> None:
    """Requests with deadlines of their own end each at its own, in whatever order they came."""

    async def test() -> None:
        async with held() as (batcher, _, _):
            now = asyncio.get_running_loop().time()
            tasks = {
                seconds: asyncio.create_task(batcher.classify(images(1), deadline=now + seconds)) for seconds in order
            }
            await turn_over()
            over: list[list[int]] = []
            for _ in range(4):
                await put_clock_forward(5.5)
                over.append(sorted(seconds for seconds, task in tasks.items() if task.done()))
            assert over == [[5], [5, 10], [5, 10], [5, 10, 20]]
            ends = await asyncio.gather(*tasks.values(), return_exceptions=True)
            assert {type(end) for end in ends} == {DeadlineExceededError}

    run(test)


def test_request_without_a_deadline_ends_among_those_that_have_one() -> None:
    """A deadline of a request's own changes nothing for the others, which have the batcher's time."""

    async def test() -> None:
        async with held(timeout_s=10) as (batcher, _, first):
            now = asyncio.get_running_loop().time()
            later = asyncio.create_task(batcher.classify(images(1), deadline=now + 30))
            usual = asyncio.create_task(batcher.classify(images(2)))
            await turn_over()
            await put_clock_forward(11)
            assert [task.done() for task in (first, usual, later)] == [True, True, False]
            await asyncio.gather(usual, return_exceptions=True)
            later.cancel()

    run(test)


def test_deadline_within_a_millisecond_leaves_others_alone() -> None:
    """The service's own event loop counts milliseconds, and has no time for a timer that is due at once."""
    uvloop = pytest.importorskip("uvloop")

    async def test() -> None:
        async with batcher_of(FakeClassifier()) as batcher:
            now = asyncio.get_running_loop().time()
            short = asyncio.create_task(batcher.classify(images(1), deadline=now + 1e-4))
            usual = asyncio.create_task(batcher.classify(images(2)))
            assert (await usual).class_ids.tolist() == [2]
            await asyncio.gather(short, return_exceptions=True)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(test())


def test_request_whose_timer_is_late_is_not_computed() -> None:
    """A request whose time is over when its turn comes is dropped, though its timer has not run yet."""

    async def test() -> None:
        classifier = FakeClassifier()
        async with batcher_of(classifier) as batcher:
            with pytest.raises(DeadlineExceededError):
                await batcher.classify(images(1), deadline=asyncio.get_running_loop().time() - 1)

    run(test)


def test_cancelled_answer_disturbs_no_neighbour() -> None:
    """Where a caller has cancelled its answer, its neighbours in the batch get theirs."""

    async def test() -> None:
        async with held() as (batcher, classifier, _):
            batcher.submit(images(1)).answer.cancel()
            (neighbour,) = ask(batcher, images(2))
            await turn_over()
            classifier.release()
            assert (await neighbour).class_ids.tolist() == [2]

    run(test)


def test_batch_that_cannot_be_made_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    """Images that do not fit into one batch fail their requests, and the next are answered."""

    async def test() -> None:
        async with held() as (batcher, classifier, _):
            tasks = ask(batcher, images(1), np.zeros((1, 3, 3), np.uint8))
            await turn_over()
            classifier.release()
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(answer) for answer in answers] == [EngineError, EngineError]
            assert (await batcher.classify(images(3))).class_ids.tolist() == [3]

    run(test)
    assert "a batch of 2 request(s) failed" in caplog.text


def test_full_queue_refuses_at_once() -> None:
    """A request that the queue has no room for is refused at once, and those in the queue keep their places."""

    async def test() -> None:
        async with held(max_queue_size=3) as (batcher, classifier, _):
            tasks = ask(batcher, images(1, 2))
            await turn_over()
            with pytest.raises(OverloadedError):
                await batcher.classify(images(3, 4))
            classifier.release()
            assert (await tasks[0]).class_ids.tolist() == [1, 2]

    run(test)


def test_queue_takes_what_just_fits() -> None:
    """A queue of three images takes a third one, when two are waiting."""

    async def test() -> None:
        async with held(max_queue_size=3) as (batcher, classifier, _):
            tasks = ask(batcher, images(1, 2), images(3))
            await turn_over()
            classifier.release()
            assert (await tasks[1]).class_ids.tolist() == [3]

    run(test)


@pytest.mark.parametrize("error", [ValueError("bad"), MemoryError(), SystemExit(1)], ids=["raises", "memory", "dies"])
def test_bad_input_fails_alone(error: BaseException) -> None:
    """A batch that fails is tried again image by image, so that only the request with the bad image fails."""

    async def test() -> None:
        async with held(FailingClassifier([6], error)) as (batcher, classifier, _):
            tasks = ask(batcher, images(1), images(2, 6), images(3))
            await turn_over()
            classifier.release()
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(answer).__name__ for answer in answers] == ["Predictions", "EngineError", "Predictions"]

    run(test)


def test_classifier_that_always_fails_answers_every_request() -> None:
    """When nothing can be computed, every request is told so, and the batcher goes on taking requests."""

    async def test() -> None:
        async with batcher_of(FailingClassifier()) as batcher:
            answers = await asyncio.gather(*ask(batcher, images(1), images(2, 3)), return_exceptions=True)
            assert [type(answer) for answer in answers] == [EngineError, EngineError]
            with pytest.raises(EngineError):
                await batcher.classify(images(4))

    run(test)


class MiscountingClassifier(FakeClassifier):
    """Gives one answer too few."""

    def classify(self, images: Images) -> Predictions:
        return Predictions(super().classify(images).probabilities[1:])


def test_answers_that_do_not_add_up_are_an_error() -> None:
    """A classifier that gives fewer answers than images fails the request; no answer goes to the wrong caller."""

    async def test() -> None:
        async with batcher_of(MiscountingClassifier()) as batcher:
            with pytest.raises(EngineError):
                await batcher.classify(images(1, 2))

    run(test)


class ThreadClassifier(FakeClassifier):
    """Remembers on which thread it computed."""

    def __init__(self) -> None:
        self.threads: list[str] = []

    def classify(self, images: Images) -> Predictions:
        self.threads.append(threading.current_thread().name)
        return super().classify(images)


class SizesClassifier(FakeClassifier):
    """Remembers how many images it was given at a time."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def classify(self, images: Images) -> Predictions:
        self.sizes.append(len(images))
        return super().classify(images)


def test_short_batches_are_computed_on_the_event_loop() -> None:
    """Once a batch has shown to be short, the next is computed where it is asked for; and every answer is right."""

    async def test() -> None:
        classifier = ThreadClassifier()
        async with batcher_of(classifier, inline_limit_s=LONG_S) as batcher:
            answers = [(await batcher.classify(images(i))).class_ids.tolist() for i in (1, 2)]
        assert (answers, classifier.threads) == ([[1], [2]], ["classifier", threading.current_thread().name])

    run(test)


def test_requests_of_one_turn_of_the_loop_share_a_short_batch() -> None:
    """On the event loop too, what has come in the same turn is computed together."""

    async def test() -> None:
        classifier = ThreadClassifier()
        async with batcher_of(classifier, inline_limit_s=LONG_S) as batcher:
            await batcher.classify(images(0))
            answers = await asyncio.gather(*ask(batcher, images(1), images(2), images(3)))
        assert [answer.class_ids.tolist() for answer in answers] == [[1], [2], [3]]
        assert len(classifier.threads) == 2

    run(test)


def test_the_event_loop_is_held_up_for_one_batch_at_a_time() -> None:
    """However many wait, the event loop computes one batch, and sees to what else there is before the next."""

    async def test() -> None:
        classifier = SizesClassifier()
        async with batcher_of(classifier, inline_limit_s=LONG_S, max_batch_size=4) as batcher:
            await batcher.classify(images(0))
            answers = asyncio.gather(*ask(batcher, *map(images, range(10))))
            seen = []
            while not answers.done():
                await asyncio.sleep(0)
                seen.append(len(classifier.sizes))
            assert [answer.class_ids.tolist() for answer in await answers] == [[i] for i in range(10)]
        assert classifier.sizes == [1, 4, 4, 2]
        assert {1, 2, 3, 4} <= set(seen)  # others ran between the batches

    run(test)


def test_bad_input_fails_alone_on_the_event_loop() -> None:
    """A short batch that fails is tried again image by image as well."""

    async def test() -> None:
        async with batcher_of(FailingClassifier([6]), inline_limit_s=LONG_S) as batcher:
            await batcher.classify(images(0))
            answers = await asyncio.gather(*ask(batcher, images(1), images(6)), return_exceptions=True)
            assert [type(answer).__name__ for answer in answers] == ["Predictions", "EngineError"]

    run(test)


def test_close_finishes_what_was_taken_in() -> None:
    """Closing answers what is computed and what is queued, and refuses what comes after."""

    async def test() -> None:
        async with held() as (batcher, classifier, first):
            queued = ask(batcher, images(1))
            await turn_over()
            closing = asyncio.create_task(batcher.aclose())
            await turn_over()
            with pytest.raises(NotReadyError):
                await batcher.classify(images(2))
            classifier.release()
            await closing
            assert [(await task).class_ids.tolist() for task in (first, *queued)] == [[9], [1]]

    run(test)


@pytest.mark.parametrize("inline_limit_s", [0.0, LONG_S], ids=["on the worker", "on the event loop"])
def test_requests_cancelled_at_random_leave_nothing_behind(inline_limit_s: float) -> None:
    """After 10,000 requests, many cancelled at random points, the queue is empty and every other has its answer."""

    async def test() -> None:
        rng = random.Random(0)  # noqa: S311  # a seeded one, for the same test each time
        limits = {"max_batch_size": 16, "max_queue_size": 50_000, "inline_limit_s": inline_limit_s}
        async with batcher_of(FakeClassifier(), **limits) as batcher:
            tasks: list[asyncio.Task[Predictions]] = []
            for index in range(10_000):
                tasks.extend(ask(batcher, images(*[index % 10] * rng.randint(1, 3))))
                if rng.random() < 0.3:
                    rng.choice(tasks[-50:]).cancel()
                if rng.random() < 0.1:
                    await asyncio.sleep(0)
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            right = sum(
                isinstance(answer, Predictions) and set(answer.class_ids.tolist()) == {index % 10}
                for index, answer in enumerate(answers)
            )
            cancelled = sum(isinstance(answer, asyncio.CancelledError) for answer in answers)
            assert (right + cancelled, cancelled > 1000, batcher.waiting_images) == (10_000, True, 0)

    run(test)
