"""The load generator's own limit: a server that answers whatever comes with a constant, and looks at nothing."""

import asyncio
import os
from typing import cast

import uvloop

_BODY = b'{"predictions":[{"label":"Ankle boot","class_id":9,"probability":0.98,"probabilities":{}}]}'
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(_BODY), _BODY)


class Idle(asyncio.Protocol):
    """Answers every piece that comes in; a request of the size of a GET comes in one."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:  # noqa: ARG002  # not looked at
        """Reply."""
        self._transport.write(_ANSWER)


async def serve() -> None:
    """Serve until SIGTERM."""
    server = await asyncio.get_running_loop().create_server(Idle, "127.0.0.1", int(os.environ["PORT"]))
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
