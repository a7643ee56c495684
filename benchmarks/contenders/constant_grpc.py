"""A floor: a gRPC servicer that reads no message, and answers with bytes that were once answered."""

import os
from pathlib import Path

import grpc
import uvloop

from benchmarks.contenders.recorded import read_answers


async def serve() -> None:
    """Serve until SIGTERM."""
    answer = read_answers(Path(os.environ["RECORDED_ANSWERS"]))["grpc"].body

    async def infer(_request: bytes, _context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        return answer

    methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {"ModelInfer": grpc.unary_unary_rpc_method_handler(infer)}
    server = grpc.aio.server(handlers=[grpc.method_handlers_generic_handler("inference.GRPCInferenceService", methods)])
    server.add_insecure_port(f"127.0.0.1:{os.environ['GRPC_PORT']}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(serve())
