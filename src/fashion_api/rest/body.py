"""Reading a request's body, within limits of size, time and memory."""

import asyncio
from collections.abc import Generator

from starlette.requests import ClientDisconnect

from fashion_api.errors import BodyTimeoutError, BodyTooLargeError
from fashion_api.rest.content_coding import decode_body, measure_decoded
from fashion_api.rest.taken_request import TakenRequest
from fashion_api.rest.watch import BodyReader
from fashion_api.service.limits import HeldBody

_LENGTH_DIGITS = 18  # Python refuses to convert thousands of digits


async def read_body(request: TakenRequest, held: HeldBody) -> bytes:
    """Read a whole body, and no more than is accepted, whatever its Content-Length says; `held` counts its bytes.

    Raises:
        BodyTooLargeError: it is larger than what is accepted.
        BodyTimeoutError: it did not arrive in time.
        OverloadedError: there is no memory for it.
        ClientDisconnect: the caller has gone.
    """
    settings = request.service.settings
    declared = request.head.find_header(b"content-length")
    max_bytes = settings.max_upload_bytes
    if declared.isdecimal() and (len(declared) > _LENGTH_DIGITS or int(declared) > max_bytes):
        raise _too_large(max_bytes)
    held.reader = reader = BodyReader(request.deadline)
    request.watch.add(reader)
    try:
        return await _read_chunks(request, held)
    except asyncio.CancelledError:
        reader.resume()
        held.check()
        raise BodyTimeoutError(f"the body did not arrive within {settings.request_timeout_s:g} s") from None
    finally:
        request.watch.remove(reader)


def start_decoding(request: TakenRequest, held: HeldBody, body: bytes, coding: str) -> Generator[None, None, bytes]:
    """Give the steps that decode a body with a content coding; `held` counts its decoded bytes at once.

    Raises:
        OverloadedError: there is no memory for them.
    """
    max_bytes = request.service.settings.max_upload_bytes
    most = measure_decoded(body, coding, max_bytes=max_bytes)
    held.add(most, asyncio.get_running_loop().time())
    held.finish()
    return decode_body(body, coding, max_bytes=max_bytes, most=most)


async def _read_chunks(request: TakenRequest, held: HeldBody) -> bytes:
    max_bytes = request.service.settings.max_upload_bytes
    loop = asyncio.get_running_loop()
    chunks: list[bytes] = []
    has_more = True
    while has_more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        has_more = message.get("more_body", False)
        chunks.append(chunk)
        held.add(len(chunk), loop.time())
        if held.size > max_bytes:
            raise _too_large(max_bytes)
    held.finish()
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _too_large(max_bytes: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"the body is larger than the {max_bytes} bytes that are accepted")
