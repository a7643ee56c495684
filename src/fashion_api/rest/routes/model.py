"""The model: what answers, and how it was made and scored."""

from dataclasses import asdict

from fastapi import APIRouter

from fashion_api.rest import problems
from fashion_api.rest.dependencies import ServiceDep
from fashion_api.rest.openapi import name_operation, responses
from fashion_api.wire.models import ModelCard, ModelWords, PendingModel
from fashion_api.wire.words import choose_words

router = APIRouter(tags=["model"], generate_unique_id_function=name_operation)


@router.get("/api/v1/model", summary="Describe the model", responses=responses(problems.NOT_READY, problems.OVERLOADED))
async def get_model(service: ServiceDep) -> ModelCard:
    """Its name and version, classes and input, and from its manifest how it was trained and how it scored."""
    model = service.model
    words = choose_words(model.labels)
    return ModelCard(
        name=model.name,
        version=model.version,
        labels=list(model.labels),
        input=model.input,
        engine=model.engine,
        training=model.manifest.training if model.manifest else None,
        calibration=model.calibration,
        evaluation=model.manifest.evaluation if model.manifest else None,
        pending=PendingModel(**asdict(service.pending)) if service.pending else None,
        words=ModelWords(**{field: getattr(words, field) for field in ModelWords.model_fields}),
    )
