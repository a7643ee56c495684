"""A floor: FastAPI routes with the service's own response models, which read the body, and answer with a constant."""

import os

import uvicorn
from fastapi import FastAPI, Request

from fashion_api.settings import FASHION_MNIST_LABELS
from fashion_api.wire.models import (
    LabelledPrediction,
    ModelId,
    NamedPrediction,
    Prediction,
    PredictionList,
    UploadPredictionList,
)

_PROBABILITIES = dict(zip(FASHION_MNIST_LABELS, (3.1e-07, 2.4e-08, 1.7e-07, 9.9e-08, 4.1e-07) * 2, strict=True))
_MODEL = ModelId(name="fashion_mnist", version="0123456789ab")
_PREDICTION = Prediction(
    label="Ankle boot",
    class_id=9,
    probability=0.9823157,
    probabilities=_PROBABILITIES,
    calibrated=None,  # the model that is compared has no manifest
    prediction_set=None,
    novelty=None,
    accepted=None,
    reason=None,
    reasons=[],
    route="direct",
)
_NAMED = NamedPrediction(**_PREDICTION.model_dump(), filename="0.png")


def create_app() -> FastAPI:
    """Build the app."""
    app = FastAPI()
    by_index = LabelledPrediction(index=0, actual="Ankle boot", correct=True, prediction=_PREDICTION, model=_MODEL)
    for_json = PredictionList(model=_MODEL, predictions=[_PREDICTION])
    for_upload = UploadPredictionList(model=_MODEL, predictions=[_NAMED])

    @app.get("/api/v1/test-images/{index}/prediction")
    async def predict_test_image(index: int) -> LabelledPrediction:  # noqa: ARG001  # read, not used
        return by_index

    @app.post("/api/v1/predictions")
    async def predict_images(request: Request) -> PredictionList:
        await request.body()
        return for_json

    @app.post("/api/v1/predictions/upload")
    async def predict_upload(request: Request) -> UploadPredictionList:
        await request.body()
        return for_upload

    return app


def serve(app: FastAPI) -> None:
    """Serve with the options that the service has."""
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        ws="none",
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
    )


if __name__ == "__main__":
    serve(create_app())
