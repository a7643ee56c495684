"""Having a job read and computed, and measuring it, for every carrier."""

import time
from collections.abc import Awaitable, Callable, Generator

from fashion_api.errors import DeadlineExceededError
from fashion_api.inference.classifier import Predictions
from fashion_api.service.batcher import Ticket
from fashion_api.service.events import RequestRecord, Work
from fashion_api.service.limits import UNCOUNTED_BODY_BYTES
from fashion_api.service.service import Service
from fashion_api.wire.operation import Job, ReplyT, Step, finish_steps, stop_before_long


async def compute(  # noqa: PLR0913  # what a request has
    service: Service,
    job: Job[ReplyT],
    record: RequestRecord,
    *,
    deadline: float,
    whole_at: float,
    wait: Callable[[Ticket], Awaitable[Predictions]],
    is_prediction: bool = True,
) -> ReplyT:
    """Classify a job's images and write the reply.

    Args:
        service: the one that has taken the request in.
        job: what was read of it.
        record: gets the work that was done.
        deadline: the event loop's time at which the request has to be answered.
        whole_at: `time.perf_counter()` when its body was whole.
        wait: waits for the predictions, and cancels the ticket when they are no longer wanted.
        is_prediction: whether the images are the caller's, so that their predictions count in the metrics.

    Raises:
        UnavailableError: there is no room, or no answer within the time.
        EngineError: the model failed on one of the images.
    """
    try:
        if service.rate_limit is not None:
            service.rate_limit.take_more(record.client, len(job.images) - 1)
        decoded_at = _check_time(job, record)
        ticket = service.batcher.submit(job.images, deadline=deadline, batches=record.batches)
        predictions = await wait(ticket)
        computed_at = _check_time(job, record)
        reply = job.write(predictions)
    except BaseException:  # a cancelled request too
        service.statistics.failed.add(time.perf_counter() - whole_at)
        raise
    record.work = work = Work(
        service.model,
        len(job.images),
        predictions if is_prediction else None,
        whole_at - record.started_at,
        decoded_at - whole_at,
        ticket.started_at - decoded_at,
        computed_at - ticket.started_at,
        time.perf_counter() - computed_at,
    )
    service.statistics.add_answered(work)
    return reply


def _check_time(job: Job[ReplyT], record: RequestRecord) -> float:
    """Check that a request's own time is not over: the event loop's clock, which deadlines are by, has milliseconds.

    Returns:
        `time.perf_counter()`.

    Raises:
        DeadlineExceededError: it is over.
    """
    now = time.perf_counter()
    if now - record.started_at > job.timeout_s:
        raise DeadlineExceededError("there was no answer within the request's time")
    return now


async def finish_reading(
    service: Service, steps: Generator[Step, None, Job[ReplyT]], *, size: int, deadline: float
) -> Job[ReplyT]:
    """Run the steps that read a request: here where they are short, else beside the event loop.

    Args:
        service: the one that has taken the request in.
        steps: end with the job.
        size: of the body, in bytes.
        deadline: the event loop's time at which the request has to be answered.

    Raises:
        FashionError: what a step raises; or there is no room, or no time.
    """
    timeout_s, short = service.settings.request_timeout_s, stop_before_long(steps)
    if size <= UNCOUNTED_BODY_BYTES:
        job = finish_steps(short)
    else:
        job = await service.decoder.run(short, deadline=deadline, timeout_s=timeout_s)
    if job is None:
        job = await service.preparer.run(steps, deadline=deadline, timeout_s=timeout_s)
    return job
