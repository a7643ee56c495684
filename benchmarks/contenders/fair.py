"""A peer: what a careful developer writes by hand, FastAPI with ONNX Runtime in a thread pool."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from benchmarks.contenders.answers import describe
from benchmarks.contenders.model import Engine


class PredictionRequest(BaseModel):
    """The body."""

    images: list[list[list[int]]]


class Prediction(BaseModel):
    """One image's answer."""

    label: str
    class_id: int
    probability: float
    probabilities: dict[str, float]


class PredictionList(BaseModel):
    """The answers."""

    predictions: list[Prediction]


def create_app() -> FastAPI:
    """Build the app: one route, one worker thread, which is what one core has use for."""
    app = FastAPI()
    engine = Engine()
    pool = ThreadPoolExecutor(1)

    @app.post("/api/v1/predictions")
    async def predict(body: PredictionRequest) -> PredictionList:
        try:
            images = np.array(body.images, np.uint8)
        except (ValueError, OverflowError):
            raise HTTPException(422, "images must be of 28 × 28 whole numbers from 0 to 255") from None
        probabilities = await asyncio.get_running_loop().run_in_executor(pool, engine.classify, images)
        return PredictionList(predictions=[Prediction.model_validate(answer) for answer in describe(probabilities)])

    return app


def main() -> None:
    """Serve, with no access log."""
    uvicorn.run(create_app(), host="127.0.0.1", port=int(os.environ["PORT"]), access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
