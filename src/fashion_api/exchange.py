"""One request that is answered below the app: its body, its turn in the batcher, its answer. See docs/adr/0007."""

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Protocol

from fashion_api.errors import INTERNAL_TROUBLE, explain, too_slow, write_problem
from fashion_api.exceptions import FashionError, ShuttingDownError
from fashion_api.inference.batcher import Outcome, Ticket
from fashion_api.inference.classifier import Predictions
from fashion_api.logs import RequestEvent
from fashion_api.operations import Answer, Inquiry, Operation, Question
from fashion_api.request_log import CLIENT_CLOSED_REQUEST, find_request_id, make_request_id

if TYPE_CHECKING:
    from fashion_api.dependencies import Service

logger = logging.getLogger(__name__)


class Connection(Protocol):
    """What carries the answer."""

    loop: asyncio.AbstractEventLoop

    def finish(self, exchange: "Exchange", answer: Answer | None, event: RequestEvent) -> None:
        """Send the answer, unless the caller has gone, and go on to the next request."""
        ...


class _NoEvent:
    """Stands where uvicorn wakes up whoever waits for a body: nobody does."""

    def set(self) -> None:
        pass


class Exchange:
    """A request under way; stands where uvicorn keeps a request's cycle, and where it keeps its task.

    The attributes that it looks at, and `cancel`, are named as uvicorn has them.
    """

    __slots__ = (
        "_connection",
        "_inquiry",
        "_operation",
        "_question",
        "_service",
        "_started",
        "_ticket",
        "_timer",
        "body",
        "disconnected",
        "keep_alive",
        "path",
        "request_id",
        "response_complete",
    )
    message_event = _NoEvent()

    def __init__(
        self,
        connection: Connection,
        service: "Service",
        operation: Operation,
        question: Question,
        *,
        path: str,
    ) -> None:
        self._connection = connection
        self._service = service
        self._operation = operation
        self._question = question
        self._inquiry: Inquiry | None = None
        self._ticket: Ticket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._started = time.perf_counter()
        self.path = path
        self.request_id = find_request_id(question.headers) or make_request_id()
        self.body = b""
        self.disconnected = False
        self.keep_alive = True
        self.response_complete = False

    @property
    def is_reading(self) -> bool:
        """Whether some of the body has not come yet."""
        return self._inquiry is None and not self.response_complete

    def wait_for_body(self) -> None:
        """Give the request up where its body does not come in time."""
        if self._timer is None:
            self._timer = self._connection.loop.call_later(self._service.settings.request_timeout_s, self._give_up)

    def start(self) -> None:
        """Read the request, whose body is whole, and have its images classified."""
        if self._timer is not None:
            self._timer.cancel()
        service, operation = self._service, self._operation
        try:
            service.batcher.check_room(1)  # asked first, so that a refusal costs little
            if operation.check is not None:
                operation.check(self._question)
            self._inquiry = operation.read(service, self._question, self.body)
            self._ticket = service.batcher.submit(self._inquiry.images, self._report)
        except Exception as error:  # noqa: BLE001  # the border of the request
            self._fail(error)

    def cancel(self, msg: str | None = None) -> None:  # noqa: ARG002  # the words of a task
        """Answer at the next turn that the service is stopping; uvicorn calls this when it waits no longer."""
        self._connection.loop.call_soon(self._fail, ShuttingDownError("the service is stopping"))

    def abandon(self) -> None:
        """Give up what the caller, who has gone, was waiting for."""
        self._finish(None)

    def _report(self, outcome: Outcome) -> None:
        if not isinstance(outcome, Predictions):
            self._fail(outcome)
            return
        try:
            body = self._inquiry.write(outcome)  # type: ignore[union-attr]  # it was read, or it had no images
        except Exception as error:  # noqa: BLE001  # the border of the request
            self._fail(error)
            return
        self._finish(Answer(200, "application/json", body))

    def _give_up(self) -> None:
        self._fail(too_slow(self._service.settings.request_timeout_s))

    def _fail(self, error: Exception) -> None:
        if isinstance(error, FashionError):
            trouble = explain(error)
        else:
            logger.error("unhandled error", exc_info=error, extra={"request_id": self.request_id})
            trouble = INTERNAL_TROUBLE
        self._finish(write_problem(trouble, instance=self.path, request_id=self.request_id))

    def _finish(self, answer: Answer | None) -> None:
        if self.response_complete:
            return
        self.response_complete = True
        if self._timer is not None:
            self._timer.cancel()
        ticket, self._ticket = self._ticket, None  # it holds this too: the collector would have to find the two
        if ticket is not None:
            ticket.cancel()
        status = CLIENT_CLOSED_REQUEST if answer is None else answer.status
        duration_ms = (time.perf_counter() - self._started) * 1e3
        operation = self._operation
        event = RequestEvent(time.time(), operation.method, operation.path, status, duration_ms, self.request_id)
        self._connection.finish(self, answer, event)
