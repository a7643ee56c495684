"""Batches: the images of concurrent requests are classified together.

Greedy: when the worker is free it takes all images that wait, up to `max_batch_size`. There is no timer: a single
request never waits for others, and under load the batches grow by themselves. (This is group commit; Clipper, Crankshaw
et al., NSDI 2017, calls the variant with a delay adaptive batching.)
"""

import asyncio
import functools
import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue

import numpy as np

from fashion_api.errors import DeadlineExceededError, EngineError, NotReadyError, OverloadedError, UnavailableError
from fashion_api.images import Images
from fashion_api.inference.classifier import Classifier, Predictions
from fashion_api.service.events import Batch

logger = logging.getLogger(__name__)


_PATIENCE = 4  # turns of the event loop: gRPC takes in one call a turn, and a call takes some turns to be submitted

_Outcome = Predictions | UnavailableError | EngineError


class Ticket:
    """A request in the batcher: the images of one caller, and their predictions."""

    __slots__ = ("_batcher", "_parts", "answer", "batches", "deadline", "images", "is_over", "started_at", "taken")

    def __init__(
        self,
        batcher: "Batcher",
        images: Images,
        deadline: float,
        answer: "asyncio.Future[Predictions]",
        *,
        batches: list[Batch] | None,
    ) -> None:
        self._batcher = batcher
        self._parts: list[Predictions] = []
        self.answer = answer
        """Its predictions, or why there are none; `cancel` leaves it as it is."""
        self.images = images
        self.deadline = deadline
        self.batches = batches
        self.is_over = False
        self.taken = 0
        self.started_at = 0.0
        """`time.perf_counter()` when its first batch began; 0 before."""

    @property
    def waiting(self) -> int:
        """Its images that are in no batch yet."""
        return len(self.images) - self.taken

    def cancel(self) -> None:
        """Drop the request: images that are in no batch yet are not computed."""
        if not self.is_over:
            self.is_over = True
            self._batcher.forget(self)

    def add(self, part: Predictions) -> None:
        """Add the next predictions, in the order of the images; the last ones complete the answer."""
        if len(part) == len(self.images):  # all at once, as nearly always
            self.settle(part)
            return
        self._parts.append(part)
        if sum(map(len, self._parts)) == len(self.images):
            self.settle(Predictions.join(self._parts))

    def settle(self, outcome: _Outcome) -> None:
        """Complete the answer, unless the request is over."""
        if self.is_over:
            return
        self.cancel()
        if self.answer.done():  # its caller was cancelled
            return
        if isinstance(outcome, Predictions):
            self.answer.set_result(outcome)
        else:
            self.answer.set_exception(outcome)

    def expire(self) -> None:
        """End the request at its deadline."""
        self.settle(DeadlineExceededError("there was no answer within the request's time"))


@dataclass(frozen=True, slots=True)
class _Slice:
    """The images of one request that are in a batch."""

    request: Ticket
    images: Images


_Answer = Predictions | EngineError


@dataclass(frozen=True, slots=True)
class _Computed:
    """The result of a batch."""

    answers: list[_Answer]
    """One for the whole batch, or one for each image."""
    duration_s: float


class Batcher:
    """Shares one classifier, which computes one batch at a time, among the coroutines of the event loop it is made on.

    Args:
        classifier: computes the batches.
        max_batch_size: the most images of a batch; larger requests are split.
        max_queue_size: the most images that may wait, not counting those being computed.
        timeout_s: seconds from a request's submission to its deadline, for requests without a deadline of their own.
        inline_limit_s: a batch that is expected to take no longer than this is computed on the event loop, as handing
            it to the worker thread and back would take longer; 0 for never. See docs/adr/0004.
        let_others_run: is called in the turns of the event loop that go by before a batch which is not full, as other
            threads may be bringing images.
    """

    def __init__(  # noqa: PLR0913  # what it is limited by
        self,
        classifier: Classifier,
        *,
        max_batch_size: int,
        max_queue_size: int,
        timeout_s: float,
        inline_limit_s: float = 0.0,
        let_others_run: Callable[[], None] | None = None,
    ) -> None:
        self._classifier = classifier
        self._max_batch_size = max_batch_size
        self._max_queue_size = max_queue_size
        self._timeout_s = timeout_s
        self._inline_limit_s = inline_limit_s
        self._let_others_run = let_others_run
        self._loop = asyncio.get_running_loop()
        self._queue: OrderedDict[Ticket, None] = OrderedDict()  # in order, and any of them can be removed
        self._under_way: dict[Ticket, None] = {}  # with those being computed
        self._sweep_timer: asyncio.Handle | None = None
        self._sweep_at = math.inf  # uvloop's timers do not all know it
        self._waiting_images = 0
        self._is_computing = False
        self._most_waiting = 0  # since the last batch was taken
        self._patience = 0  # how many turns of the event loop more are waited for another request
        self._image_s = math.inf  # seconds an image in the last batch; unknown at first
        self._worker = _Worker(self._loop, classifier)
        self._batches: list[Batch] = []
        self._is_closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def waiting_images(self) -> int:
        """Images in the queue."""
        return self._waiting_images

    def take_batches(self) -> list[Batch]:
        """Give the batches that are over since the last call."""
        batches, self._batches = self._batches, []
        return batches

    def check_room(self, images: int) -> None:
        """Check that so many images could be taken in now.

        Raises:
            OverloadedError: the queue has no room for them.
            NotReadyError: the batcher is closed.
        """
        if self._is_closed:
            raise NotReadyError("the service is stopping")
        if self._waiting_images + images > self._max_queue_size:
            raise OverloadedError(
                f"{self._waiting_images} images are waiting already, of at most {self._max_queue_size}"
            )

    async def classify(self, images: Images, *, deadline: float | None = None) -> Predictions:
        """Classify uint8[n, height, width], n at least 1, as `submit` does.

        Raises:
            OverloadedError: the queue has no room for the images.
            DeadlineExceededError: the deadline passed before the answer.
            NotReadyError: the batcher is closed.
            EngineError: the classifier failed on one of these images.
        """
        ticket = self.submit(images, deadline=deadline)
        try:
            return await ticket.answer
        finally:
            ticket.cancel()

    def submit(self, images: Images, *, deadline: float | None = None, batches: list[Batch] | None = None) -> Ticket:
        """Queue images, to be classified together with those of other requests; to be called on the event loop.

        Args:
            images: uint8[n, height, width], n at least 1.
            deadline: the event loop's time at which the answer is no longer wanted; unset: after `timeout_s`.
            batches: is filled with the batches that they are computed in.

        Returns:
            A ticket whose `answer` is to be awaited; `cancel` it when it is no longer wanted.

        Raises:
            OverloadedError: the queue has no room for the images; none was taken in.
            NotReadyError: the batcher is closed.
        """
        self.check_room(len(images))
        deadline = deadline or self._loop.time() + self._timeout_s
        ticket = Ticket(self, images, deadline, self._loop.create_future(), batches=batches)
        self._queue[ticket] = self._under_way[ticket] = None
        self._waiting_images += len(images)
        if not self._is_computing:
            self._is_computing = True
            self._idle.clear()
            self._most_waiting = self._waiting_images  # a request that comes alone after a pause waits for no other
            self._loop.call_soon(self._compute_next)
        if ticket.deadline < self._sweep_at:
            self._schedule_sweep(ticket.deadline)
        return ticket

    def forget(self, ticket: Ticket) -> None:
        """Remove a request that is over."""
        del self._under_way[ticket]
        if ticket in self._queue:
            del self._queue[ticket]
            self._waiting_images -= ticket.waiting

    def _schedule_sweep(self, at: float) -> None:
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        self._sweep_timer, self._sweep_at = self._loop.call_at(at, self._sweep), at

    def _sweep(self) -> None:
        """End the requests whose deadline has passed; one timer serves all deadlines."""
        self._sweep_timer, self._sweep_at = None, math.inf
        now = self._loop.time()
        for ticket in [ticket for ticket in self._under_way if ticket.deadline <= now]:
            ticket.expire()
        if self._under_way:
            self._schedule_sweep(min(ticket.deadline for ticket in self._under_way))

    async def wait_until_idle(self) -> None:
        """Wait until nothing waits or is computed."""
        while self._is_computing:  # again where a request came before this could go on
            await self._idle.wait()

    async def aclose(self) -> None:
        """Refuse new requests, finish those that were taken in, and end the worker thread."""
        self._is_closed = True
        await self._idle.wait()
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        await asyncio.to_thread(self._worker.stop)

    def _compute_next(self) -> None:
        """Compute the next batch, if anything waits, once it is full or no more requests come."""
        if self._waits_for_more():
            if self._let_others_run is not None:
                self._let_others_run()
            self._loop.call_soon(self._compute_next)
            return
        is_short = self._image_s * min(self._waiting_images, self._max_batch_size) <= self._inline_limit_s
        batch = Batch(time.perf_counter())
        parts = self._take_parts(batch, self._loop.time())
        if not parts:
            self._is_computing = False
            self._idle.set()
            return
        try:
            images = parts[0].images if len(parts) == 1 else np.concatenate([part.images for part in parts])
            if is_short:
                self._finish(batch, parts, _classify_isolated(self._classifier, images))
            else:
                self._worker.start(images, functools.partial(self._finish, batch, parts))
        except Exception as error:  # out of memory, say: the callers must get an answer
            logger.exception("a batch of %d request(s) failed", len(parts))
            failure = EngineError(f"the batch failed ({type(error).__name__})")
            self._finish(batch, parts, _Computed([failure], math.inf))

    def _finish(self, batch: Batch, parts: list[_Slice], computed: _Computed) -> None:
        """Deliver a batch's answers, and go on with the next batch."""
        batch.ended_at = time.perf_counter()
        self._image_s = computed.duration_s / batch.images
        self._batches.append(batch)
        _deliver(parts, computed.answers)
        self._patience = _PATIENCE
        self._loop.call_soon(self._compute_next)

    def _waits_for_more(self) -> bool:
        """Whether another turn of the event loop goes by before the next batch, for requests that are on their way."""
        if self._waiting_images >= self._max_batch_size:
            return False
        if self._waiting_images > self._most_waiting:
            self._most_waiting, self._patience = self._waiting_images, _PATIENCE
        self._patience -= 1
        return self._patience >= 0

    def _take_parts(self, batch: Batch, now: float) -> list[_Slice]:
        """Take the images that have waited longest, up to a full batch; end requests whose deadline has passed."""
        parts: list[_Slice] = []
        room = self._max_batch_size
        self._most_waiting = 0
        while room and self._queue:
            request = next(iter(self._queue))
            if now >= request.deadline:  # the timer is late
                request.expire()
                continue
            count = min(room, request.waiting)
            request.started_at = request.started_at or batch.started_at
            if request.batches is not None:
                request.batches.append(batch)
                batch.under_way += 1
            parts.append(_Slice(request, request.images[request.taken : request.taken + count]))
            request.taken += count
            batch.images += count
            self._waiting_images -= count
            room -= count
            if not request.waiting:
                del self._queue[request]
        return parts


class _Worker:
    """A thread that computes one batch after another; cheaper than an executor, with its two futures a batch."""

    def __init__(self, loop: asyncio.AbstractEventLoop, classifier: Classifier) -> None:
        self._loop = loop
        self._classifier = classifier
        self._jobs: SimpleQueue[tuple[Images, Callable[[_Computed], None]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="classifier", daemon=True)
        self._thread.start()

    def start(self, images: Images, done: Callable[[_Computed], None]) -> None:
        """Compute a batch in the thread, and call `done` on the event loop."""
        self._jobs.put((images, done))

    def stop(self) -> None:
        """Wait for the batch under way, and end the thread; blocks."""
        self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while job := self._jobs.get():
            images, done = job
            computed = _classify_isolated(self._classifier, images)
            self._loop.call_soon_threadsafe(done, computed)


def _classify_isolated(classifier: Classifier, images: Images) -> _Computed:
    """Classify a batch; where that fails, image by image, so that only the bad input fails."""
    started = time.perf_counter()
    try:
        answers: list[_Answer] = [_classify_checked(classifier, images)]
    except EngineError as error:
        answers = [error] if len(images) == 1 else _classify_singly(classifier, images)
    return _Computed(answers, time.perf_counter() - started)


def _classify_singly(classifier: Classifier, images: Images) -> list[_Answer]:
    answers: list[_Answer] = []
    for index in range(len(images)):
        try:
            answers.append(_classify_checked(classifier, images[index : index + 1]))
        except EngineError as error:
            answers.append(error)
    return answers


def _classify_checked(classifier: Classifier, images: Images) -> Predictions:
    try:
        predictions = classifier.classify(images)
    except BaseException as error:  # whatever an engine raises, SystemExit too, must reach the callers
        logger.exception("the classifier failed on %d image(s)", len(images))
        raise EngineError("the model failed on this input") from error
    if len(predictions) != len(images):
        logger.error("the classifier gave %d answers for %d images", len(predictions), len(images))
        raise EngineError("the model failed on this input")
    return predictions


def _deliver(batch: list[_Slice], answers: list[_Answer]) -> None:
    """Give each request its predictions."""
    whole = answers[0]
    start = 0
    for part in batch:
        stop = start + len(part.images)
        if len(answers) > 1:
            _deliver_singly(part.request, answers[start:stop])
        elif isinstance(whole, EngineError):
            part.request.settle(whole)
        else:
            part.request.add(whole.take(start, stop))
        start = stop


def _deliver_singly(request: Ticket, answers: list[_Answer]) -> None:
    for answer in answers:
        if isinstance(answer, EngineError):
            request.settle(answer)
        else:
            request.add(answer)
