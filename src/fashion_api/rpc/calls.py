"""Calls: what each passes on its way to its method, and what becomes of it.

Messages are read and written here, and not by gRPC: a call is refused before its message is read, and a message that is
none of its type is the caller's mistake.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import unquote

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from fashion_api.errors import (
    DeadlineExceededError,
    Fault,
    InvalidRequestError,
    forget_frames,
)
from fashion_api.inference.classifier import Predictions
from fashion_api.rpc.amounts import check_amount, name_mistake
from fashion_api.rpc.method_server import Handler
from fashion_api.rpc.open_calls import OpenCalls, find_task
from fashion_api.rpc.statuses import Status, UnknownCallError, explain
from fashion_api.service.batcher import Ticket
from fashion_api.service.clients import name_client
from fashion_api.service.events import RequestEvent, RequestRecord, TraceContext
from fashion_api.service.following import ModelFollower
from fashion_api.service.request_log import REQUEST_ID, RequestLog, find_request_id, make_request_id
from fashion_api.service.service import Service
from fashion_api.wire.computing import compute, finish_reading
from fashion_api.wire.operation import Headers, Job, ReplyT, Step
from fashion_api.wire.trace_context import (
    TRACE_RESPONSE,
    begin_part,
    begin_span,
    read_trace_context,
    write_trace_response,
)

MODEL_VERSION = "x-model-version"
"""In the trailing metadata: the version of the model, which is its digest."""
_OK = 200
_CANCELLED = 499
_EARLY_S = 0.01
"""By how much a caller's deadline may pass before ours does: its clock began to run when it sent the call."""
_CLOSING_S = 0.01
"""How long gRPC may take to say that it has closed a call, as one whose message is too large."""
_UNCOUNTED_BYTES = 16 * 1024
_OTHER_FIELDS = 1000
"""The most fields of a large message beside those of images: there may be one for each picture file."""
_WINDOW = 16
"""The most requests of one stream that are answered at once."""
_WINDOW_BYTES = 64 * 1024
"""The same in bytes: a stream of large requests leaves room in the queue to others, and to its own."""

Context: TypeAlias = "grpc.aio.ServicerContext[Any, bytes]"


class Call(NamedTuple):
    """A request that was taken in: a call, or a message of a stream."""

    service: Service
    record: RequestRecord
    size: int
    """Of the message, in bytes."""
    taken_at: float
    """The event loop's time at which its time began to run."""
    deadline: float
    """The same at which it is answered, or refused."""
    whole_at: float
    """`time.perf_counter()` when its message was there."""


Answer = Callable[[Call, Any], Awaitable[Message]]
"""Answers a request; raises a `FashionError` that says what is wrong."""


class InStream(NamedTuple):
    """Answers each request of a stream, in their order."""

    answer: Answer
    refuse: Callable[[Any, str], Message]
    """Answers a request with a text that says what is wrong; the request is `None` where it could not be read."""


class Openly(NamedTuple):
    """Answers a stream of requests, or one, that need no key and are never refused."""

    answer: Callable[[ModelFollower, AsyncIterator[Any]], AsyncIterator[Message]]
    """Is given what has the service in force, as streams may outlast a service."""


class Method(NamedTuple):
    """A method of a gRPC service."""

    path: str
    request: type[Message]
    answer: Answer | InStream | Openly


def list_methods(service: ServiceDescriptor, answers: Mapping[str, Answer | InStream | Openly]) -> list[Method]:
    """List the methods of a service; each has an answer by its name."""
    return [
        Method(f"/{service.full_name}/{method.name}", GetMessageClass(method.input_type), answers[method.name])
        for method in service.methods
    ]


async def infer(call: Call, found: Job[ReplyT] | Generator[Step, None, Job[ReplyT]]) -> ReplyT:
    """Finish reading a request, and have its images classified.

    Args:
        call: has the request.
        found: the job, or the steps that read it.

    Raises:
        FashionError: it cannot be answered.
    """
    if isinstance(found, Job):
        job = found
    else:
        job = await finish_reading(call.service, found, size=call.size, deadline=call.deadline)
    deadline = min(call.deadline, call.taken_at + job.timeout_s)
    return await compute(call.service, job, call.record, deadline=deadline, whole_at=call.whole_at, wait=_wait_for)


async def _wait_for(ticket: Ticket) -> Predictions:
    """Wait for predictions; where the call is cancelled meanwhile, the images leave the queue uncomputed."""
    try:
        return await ticket.answer
    finally:
        ticket.cancel()


class Calls:
    """All calls of a server.

    Args:
        follower: has the service in force.
        methods: those that there are.
        log: takes in the calls that are over.
        open_calls: watches those that are not.
    """

    def __init__(
        self, follower: ModelFollower, methods: Iterable[Method], log: RequestLog, open_calls: OpenCalls
    ) -> None:
        settings = follower.service.settings
        self._follower = follower
        self._log = log
        self._scheme = settings.scheme
        self._find_trace: Callable[[Headers], TraceContext | None] = (
            begin_span if settings.tracing else read_trace_context
        )
        self._calls = open_calls
        self.handlers: Mapping[str, Handler] = {method.path: self._make_handler(method) for method in methods}
        """What handles the calls of each method, by its path."""
        self.unknown: Handler = self._make_handler(None)
        """What handles all other calls."""

    def _make_handler(self, method: Method | None) -> Handler:
        """Make the handler of a method. A request that is one message is read here too, as a stream that has one."""

        async def handle(_: object, context: Context) -> bytes:
            return await self._handle(method, context)

        if method is not None and isinstance(method.answer, (InStream, Openly)):
            return grpc.stream_stream_rpc_method_handler(handle)
        return grpc.stream_unary_rpc_method_handler(handle)

    async def _handle(self, method: Method | None, context: Context) -> bytes:
        """Answer a call; the answers of streams are written on the way."""
        started_at = time.perf_counter()
        task = find_task()
        task.add_done_callback(self._calls.forget)
        headers = [
            (name.encode(), value if isinstance(value, bytes) else value.encode())
            for name, value in context.invocation_metadata() or ()
        ]
        trace = self._find_trace(headers)
        record = RequestRecord(find_request_id(headers) or make_request_id(), started_at=started_at, trace=trace)
        record.route = None if method is None else method.path
        self._describe(context, record, self._follower.service)
        try:
            reply = await self._serve(method, context, headers, record)
        except asyncio.CancelledError as error:
            forget_frames(error)  # which keep each other, and gRPC's part of the call
            reason = self._calls.find_reason(task)
            if reason is None:
                _note_end(context, record)
                raise
            status = _explain(reason, record)
        except Exception as error:  # noqa: BLE001  # the border at which errors become statuses
            status = _explain(error, record)
        else:
            record.status = _OK
            self._calls.begin_answer(task)
            return reply
        finally:
            self._add_event(record)
        await self._calls.wait_to_refuse(task)
        self._calls.begin_answer(task)
        with suppress(grpc.aio.InternalError):  # the call is over already
            await context.abort(status.code, status.details)
        return b""

    def _describe(self, context: Context, record: RequestRecord, service: Service) -> None:
        """Set the trailing metadata of a call."""
        described: tuple[tuple[str, str], ...] = (
            (REQUEST_ID.decode(), record.request_id),
            (MODEL_VERSION, service.model.version),
        )
        if record.trace is not None and record.trace.span_id is not None:
            described = (*described, (TRACE_RESPONSE.decode(), write_trace_response(record.trace).decode()))
        context.set_trailing_metadata(described)

    async def _serve(self, method: Method | None, context: Context, headers: Headers, record: RequestRecord) -> bytes:
        kind, answer = (Message, None) if method is None else (method.request, method.answer)
        task = find_task()
        if isinstance(answer, Openly):
            self._calls.welcome(task, context.peer())
            return await self._serve_openly(kind, answer, context)
        self._calls.admit(task)
        try:
            self._admit(context, headers, record)
            if answer is None:
                raise UnknownCallError("there is no such method")
            if isinstance(answer, InStream):
                return await self._serve_stream(kind, answer, context, record)
            self._calls.begin_request()
            try:
                return await self._serve_one(kind, answer, context, record)
            finally:
                self._calls.finish_requests()
        finally:
            self._calls.leave(task)

    def _admit(self, context: Context, headers: Headers, record: RequestRecord) -> None:
        """Let a call pass, before anything of its messages is read.

        Raises:
            OverloadedError: too many are under way.
            UnauthenticatedError: it has no valid key.
        """
        service = self._follower.service
        service.request_limit.check()
        record.key_name = service.keys.identify(headers)
        if service.rate_limit is not None:
            record.client = name_client(record.key_name, _read_host(context.peer()))

    async def _serve_openly(self, kind: type[Message], answer: Openly, context: Context) -> bytes:
        async def read() -> AsyncIterator[Message]:
            while (content := await context.read()) is not grpc.aio.EOF:
                yield self._parse(kind, content)

        async for reply in answer.answer(self._follower, read()):
            await self._write(context, reply)
        return b""

    async def _write(self, context: Context, reply: Message) -> None:
        """Write an answer of a stream.

        Raises:
            CancelledError: the call is over.
        """
        task = find_task()
        self._calls.begin_answer(task)
        try:
            await context.write(reply.SerializeToString())
        except grpc.aio.InternalError:
            raise asyncio.CancelledError from None
        self._calls.finish_answer(task)

    async def _serve_one(self, kind: type[Message], answer: Answer, context: Context, record: RequestRecord) -> bytes:
        described = self._follower.service
        taken_at = asyncio.get_running_loop().time()
        limit_s = described.settings.request_timeout_s
        timeout_s = min(limit_s, _find_remaining_s(context))
        task = find_task()
        self._calls.begin_reading(task, taken_at, limit_s)  # gRPC sees to the caller's own deadline
        try:
            content = await context.read()
        finally:
            self._calls.finish_reading(task)
        if content is grpc.aio.EOF:
            await asyncio.sleep(_CLOSING_S)
            if _find_remaining_s(context) == 0:
                raise DeadlineExceededError("the message did not arrive within the call's time")
            raise InvalidRequestError([Fault("", "the call has no message")])
        with self._hold(record, content, taken_at, taken_at + timeout_s) as call:
            if call.service is not described:  # the model has changed since
                self._describe(context, record, call.service)
            return (await answer(call, self._parse(kind, content))).SerializeToString()

    async def _serve_stream(
        self, kind: type[Message], answer: InStream, context: Context, record: RequestRecord
    ) -> bytes:
        """Answer the requests of a stream, several at a time, and write the answers in the requests' order."""
        stream = find_task()
        answers: asyncio.Queue[asyncio.Task[Message] | None] = asyncio.Queue(_WINDOW)
        sizes: deque[int] = deque()  # of the requests that are not yet answered
        has_room = asyncio.Event()
        has_room.set()

        async def read_all() -> None:
            while (content := await context.read()) is not grpc.aio.EOF:
                self._calls.set_idle(stream, is_idle=False)
                is_late = self._calls.is_stopping  # it is refused, and not waited for
                if not is_late:
                    self._calls.begin_request()
                    sizes.append(len(content))
                answering = self._answer_in_stream(kind, answer, context, record, content, is_late=is_late)
                await answers.put(group.create_task(answering))
                if len(sizes) >= _WINDOW or sum(sizes) > _WINDOW_BYTES:
                    has_room.clear()
                    await has_room.wait()
            await answers.put(None)

        self._calls.set_idle(stream, is_idle=True)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(read_all())
                while (task := await answers.get()) is not None:
                    await self._write(context, await task)
                    has_room.set()
                    if sizes:
                        sizes.popleft()
                        self._calls.finish_requests()
                    if not sizes:
                        self._calls.set_idle(stream, is_idle=True)
        finally:
            self._calls.finish_requests(len(sizes))
        return b""

    async def _answer_in_stream(  # noqa: PLR0913  # its stream has them
        self,
        kind: type[Message],
        answer: InStream,
        context: Context,
        of_stream: RequestRecord,
        content: bytes,
        *,
        is_late: bool,
    ) -> Message:
        trace = None if of_stream.trace is None else begin_part(of_stream.trace)
        record = RequestRecord(of_stream.request_id, started_at=time.perf_counter(), trace=trace)
        record.route, record.key_name, record.client = of_stream.route, of_stream.key_name, of_stream.client
        taken_at = asyncio.get_running_loop().time()
        deadline = taken_at + self._follower.service.settings.request_timeout_s
        request = None
        try:
            request = self._parse(kind, content)
            if is_late:
                self._calls.check_running()
            with self._hold(record, content, taken_at, deadline) as call:
                reply = await answer.answer(call, request)
            record.status = _OK
        except asyncio.CancelledError:
            _note_end(context, record)
            raise
        except Exception as error:  # noqa: BLE001  # the same; the stream goes on
            reply = answer.refuse(request, _explain(error, record).details)
        finally:
            self._add_event(record)
        return reply

    def _parse(self, kind: type[Message], content: bytes) -> Message:
        if len(content) > _UNCOUNTED_BYTES:
            service = self._follower.service
            spec = service.model.input
            images = service.max_images
            most_values = images * math.prod(spec.shape)
            check_amount(content, kind, most_fields=images + _OTHER_FIELDS, most_values=most_values)
        try:
            return kind.FromString(content)
        except DecodeError:
            raise name_mistake(kind) from None

    @contextmanager
    def _hold(self, record: RequestRecord, content: bytes, taken_at: float, deadline: float) -> Iterator[Call]:
        """Count a request whose message is there, until it is answered.

        Raises:
            OverloadedError: too many are under way, or there is no memory for it.
            RateLimitedError: its client has asked for too many images.
            DeadlineExceededError: its deadline has passed.
        """
        whole_at = time.perf_counter()
        service = self._follower.service
        limit = service.request_limit
        limit.check()
        if service.rate_limit is not None:
            service.rate_limit.take(record.client)
        now = asyncio.get_running_loop().time()
        if now >= deadline:
            raise DeadlineExceededError("there was no answer within the request's time")
        limit.under_way += 1
        try:
            with service.body_memory.hold() as held:
                held.add(len(content), now)
                held.finish()
                yield Call(service, record, len(content), taken_at, deadline, whole_at)
        finally:
            limit.under_way -= 1

    def _add_event(self, record: RequestRecord) -> None:
        self._log.add(
            RequestEvent(
                time.time(),
                "POST",
                record.route,
                record.status,
                (time.perf_counter() - record.started_at) * 1e3,
                record.request_id,
                record.refusal,
                record.work,
                record.trace,
                record.key_name,
                self._scheme,
                record.batches,
            )
        )


def _find_remaining_s(context: Context) -> float:
    """Give the seconds until the deadline that a call's caller has set; without end where there is none."""
    remaining_s: float | None = context.time_remaining()  # its type does not know that there may be none
    return math.inf if remaining_s is None else remaining_s


def _note_end(context: Context, record: RequestRecord) -> None:
    """Keep how a call ended that its caller did not wait for: its time is over, or its caller has left."""
    if _find_remaining_s(context) <= _EARLY_S:
        _explain(DeadlineExceededError("there was no answer within the call's time"), record)
    else:
        record.status = _CANCELLED


def _explain(error: Exception, record: RequestRecord) -> Status:
    """Give the status that an error is to the caller, and keep it in the record."""
    status = explain(error, request_id=record.request_id)
    record.status, record.refusal = status.http_status, status.refusal
    forget_frames(error)
    return status


def _read_host(peer: str) -> str:
    """Give the address of a peer as gRPC writes it: `ipv4:127.0.0.1:50000` or `ipv6:%5B::1%5D:50000`."""
    return unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]")
