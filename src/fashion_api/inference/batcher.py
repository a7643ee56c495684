"""Many requests, one model: what waits is computed together.

Greedy: when the worker is free it takes all that is waiting, up to `max_batch_size`. There is no timer, so that a lone
request waits for nothing, and under load the batches grow by themselves. (The idea is that of group commit; Clipper,
Crankshaw et al., NSDI 2017, calls the delayed kind adaptive batching.)
"""

import asyncio
import logging
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from fashion_api.exceptions import DeadlineExceededError, EngineError, OverloadedError, ShuttingDownError
from fashion_api.inference.classifier import Classifier, Images, Predictions

logger = logging.getLogger(__name__)


class _Request:
    """The images of one caller, and the answers so far."""

    def __init__(self, images: Images, deadline: float, answer: "asyncio.Future[Predictions]") -> None:
        self.images = images
        self.deadline = deadline
        self.answer = answer
        self.taken = 0
        self._parts: list[Predictions] = []

    @property
    def waiting(self) -> int:
        """How many of its images no batch has taken yet."""
        return len(self.images) - self.taken

    def add(self, part: Predictions) -> None:
        """Take in the next answers, in the order of the images; the last ones answer the caller."""
        if self.answer.done():
            return  # cancelled, expired or failed: nobody waits for these
        self._parts.append(part)
        if sum(map(len, self._parts)) < len(self.images):
            return
        whole = self._parts[0]
        if len(self._parts) > 1:
            whole = Predictions(np.concatenate([part.probabilities for part in self._parts]))
        self.answer.set_result(whole)

    def fail(self, error: Exception) -> None:
        """Answer the caller with an error, unless it has gone."""
        if not self.answer.done():
            self.answer.set_exception(error)


@dataclass(frozen=True)
class _Slice:
    """The images of one request that are in a batch."""

    request: _Request
    images: Images


class Batcher:
    """Lets coroutines share one classifier, which computes on one worker thread.

    Args:
        classifier: what computes.
        max_batch_size: the most images that it is given at once; larger requests are taken in parts.
        max_queue_size: the most images that may wait, not counting those being computed.
        timeout_s: seconds from asking to the answer; covers waiting and computing.
    """

    def __init__(self, classifier: Classifier, *, max_batch_size: int, max_queue_size: int, timeout_s: float) -> None:
        self._classifier = classifier
        self._max_batch_size = max_batch_size
        self._max_queue_size = max_queue_size
        self._timeout_s = timeout_s
        self._queue: OrderedDict[_Request, None] = OrderedDict()  # ordered, and anyone can leave it at once
        self._waiting_images = 0
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="classifier")
        self._computing: asyncio.Task[None] | None = None
        self._is_closed = False

    @property
    def waiting_images(self) -> int:
        """How many images are in the queue."""
        return self._waiting_images

    async def classify(self, images: Images) -> Predictions:
        """Classify uint8[n, height, width], n at least 1, together with whatever else is waiting.

        Raises:
            OverloadedError: the queue has no room for the images; nothing of them was taken in.
            DeadlineExceededError: there was no answer in time.
            ShuttingDownError: the batcher is closed.
            EngineError: the classifier failed on one of these images.
        """
        if self._is_closed:
            raise ShuttingDownError("the service is stopping")
        if self._waiting_images + len(images) > self._max_queue_size:
            raise OverloadedError(
                f"{self._waiting_images} images are waiting already, of at most {self._max_queue_size}"
            )
        loop = asyncio.get_running_loop()
        request = _Request(images, loop.time() + self._timeout_s, loop.create_future())
        self._queue[request] = None
        self._waiting_images += len(images)
        if self._computing is None:
            self._computing = loop.create_task(self._compute_all())
        try:
            async with asyncio.timeout_at(request.deadline):
                return await request.answer
        except TimeoutError:
            raise self._expired() from None
        finally:
            self._leave_queue(request)

    async def aclose(self) -> None:
        """Take in nothing more, finish what was taken in, and end the worker thread."""
        self._is_closed = True
        if self._computing is not None:
            await self._computing
        self._worker.shutdown()

    async def _compute_all(self) -> None:
        """Compute batch after batch until nothing is waiting."""
        loop = asyncio.get_running_loop()
        try:
            while batch := self._take_batch(loop.time()):
                try:
                    images = batch[0].images if len(batch) == 1 else np.concatenate([part.images for part in batch])
                    answers = await loop.run_in_executor(self._worker, _classify_isolated, self._classifier, images)
                    _deliver(batch, answers)
                except Exception as error:  # out of memory, say: those who wait must hear of it
                    logger.exception("a batch of %d request(s) failed", len(batch))
                    for part in batch:
                        part.request.fail(EngineError(f"the batch failed ({type(error).__name__})"))
        finally:
            self._computing = None

    def _take_batch(self, now: float) -> list[_Slice]:
        """Take the images that have waited longest; drop the requests that nobody waits for any more."""
        batch: list[_Slice] = []
        room = self._max_batch_size
        while room and self._queue:
            request = next(iter(self._queue))
            if request.answer.done() or now >= request.deadline:
                request.fail(self._expired())
                self._leave_queue(request)
                continue
            count = min(room, request.waiting)
            batch.append(_Slice(request, request.images[request.taken : request.taken + count]))
            request.taken += count
            self._waiting_images -= count
            room -= count
            if not request.waiting:
                del self._queue[request]
        return batch

    def _leave_queue(self, request: _Request) -> None:
        if request in self._queue:
            del self._queue[request]
            self._waiting_images -= request.waiting

    def _expired(self) -> DeadlineExceededError:
        return DeadlineExceededError(f"no answer within {self._timeout_s:g} s")


_Answer = Predictions | EngineError


def _classify_isolated(classifier: Classifier, images: Images) -> list[_Answer]:
    """Classify a batch; where that fails, image by image, so that a bad input fails alone. Runs on the worker.

    Returns:
        One answer for the whole batch, or one for each image.
    """
    try:
        return [_classify_checked(classifier, images)]
    except EngineError as error:
        if len(images) == 1:
            return [error]
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
    except BaseException as error:  # whatever an engine raises, a SystemExit too, must reach those who wait
        logger.exception("the classifier failed on %d image(s)", len(images))
        raise EngineError("the model failed on this input") from error
    if len(predictions) != len(images):
        logger.error("the classifier gave %d answers for %d images", len(predictions), len(images))
        raise EngineError("the model failed on this input")
    return predictions


def _deliver(batch: list[_Slice], answers: list[_Answer]) -> None:
    """Hand each caller its answers."""
    whole = answers[0]
    start = 0
    for part in batch:
        stop = start + len(part.images)
        if len(answers) > 1:
            _deliver_singly(part.request, answers[start:stop])
        elif isinstance(whole, EngineError):
            part.request.fail(whole)
        else:
            part.request.add(Predictions(whole.probabilities[start:stop]))
        start = stop


def _deliver_singly(request: _Request, answers: list[_Answer]) -> None:
    for answer in answers:
        if isinstance(answer, EngineError):
            request.fail(answer)
        else:
            request.add(answer)
