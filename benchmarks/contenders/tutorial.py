"""A peer: the tutorial's pattern, `Model.predict` called in the handler."""

import os
from typing import Any

import keras
import numpy as np
import uvicorn
from fastapi import FastAPI, Request

from benchmarks.contenders.answers import describe


def create_app() -> FastAPI:
    """Build the app."""
    app = FastAPI()
    model: Any = keras.models.load_model(os.environ["MODEL_H5"], compile=False)
    scale = float(os.environ["PIXEL_SCALE"])

    @app.post("/api/v1/predictions")
    async def predict(request: Request) -> dict[str, Any]:
        body = await request.json()
        images = np.array(body["images"], "float32")[..., None] / scale
        probabilities = model.predict(images, verbose=0)
        return {"predictions": describe(probabilities)}

    return app


def main() -> None:
    """Serve, with no access log."""
    uvicorn.run(create_app(), host="127.0.0.1", port=int(os.environ["PORT"]), access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
