"""Reading a request's body, within limits of size, time and memory."""

import asyncio

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from fashion_api.errors import BodyTimeoutError, BodyTooLargeError
from fashion_api.service.limits import HeldBody
from fashion_api.settings import Settings
from fashion_api.wire.operation import RequestHead

_LENGTH_DIGITS = 18  # of more, Python reads no number in the end


async def read_body(
    receive: Receive, head: RequestHead, held: HeldBody, *, settings: Settings, deadline: float
) -> bytes:
    """Read a whole body, and no more than is accepted, whatever its Content-Length says.

    Args:
        receive: gives the body.
        head: the request's.
        held: counts its bytes.
        settings: the limits.
        deadline: the event loop's time at which it must be whole.

    Raises:
        BodyTooLargeError: it is larger than what is accepted.
        BodyTimeoutError: it did not arrive in time.
        OverloadedError: there is no memory for it.
        ClientDisconnect: the caller has gone.
    """
    max_bytes = settings.max_upload_bytes
    declared = head.find_header(b"content-length")
    if declared.isdecimal() and (len(declared) > _LENGTH_DIGITS or int(declared) > max_bytes):
        raise _too_large(max_bytes)
    loop = asyncio.get_running_loop()
    chunks: list[bytes] = []
    try:
        async with asyncio.timeout_at(deadline) as timeout:
            held.timeout = timeout
            has_more = True
            while has_more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                chunk = message.get("body", b"")
                has_more = message.get("more_body", False)
                chunks.append(chunk)
                held.add(len(chunk), loop.time())
                if held.size > max_bytes:
                    raise _too_large(max_bytes)
    except TimeoutError:
        held.check()
        raise BodyTimeoutError(f"the body did not arrive within {settings.request_timeout_s:g} s") from None
    held.finish()
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(max_bytes: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"the body is larger than the {max_bytes} bytes that are accepted")
