"""A floor: FastAPI routes of the inference protocols that read the body, and answer with what was once answered."""

import os
from pathlib import Path

from fastapi import FastAPI, Request, Response

from benchmarks.contenders.constant import serve
from benchmarks.contenders.recorded import Recorded, read_answers

_LARGE_BODY_BYTES = 4096


def create_app(answers: dict[str, Recorded]) -> FastAPI:
    """Build the app; a large body under /v2 is that of many images."""
    app = FastAPI()

    @app.post("/v2/models/{name}/infer")
    async def infer(name: str, request: Request) -> Response:  # noqa: ARG001  # read, not used
        body = await request.body()
        answer = answers["v2-binary-1" if len(body) < _LARGE_BODY_BYTES else "v2-binary-32"]
        return Response(answer.body, headers=answer.headers)

    @app.post("/v1/models/{name}:predict")
    async def predict(name: str, request: Request) -> Response:  # noqa: ARG001  # read, not used
        await request.body()
        answer = answers["predict"]
        return Response(answer.body, headers=answer.headers)

    return app


if __name__ == "__main__":
    serve(create_app(read_answers(Path(os.environ["RECORDED_ANSWERS"]))))
