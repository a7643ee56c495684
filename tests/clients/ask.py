"""Asks a service for every operation, with a client that was generated from its OpenAPI document.

usage: ask.py URL KEY; writes the answers of each operation, by its id, as JSON.
"""

import base64
import json
import sys
from collections.abc import Callable
from io import BytesIO

from fashion_api_client import AuthenticatedClient
from fashion_api_client.api.health import check_liveness, check_readiness
from fashion_api_client.api.model import get_model
from fashion_api_client.api.open_inference_protocol import (
    check_served_model,
    check_served_version,
    check_server_liveness,
    check_server_readiness,
    find_cuda_memory,
    find_system_memory,
    get_all_statistics,
    get_inference_server,
    get_log_settings,
    get_model_config,
    get_model_statistics,
    get_model_trace,
    get_served_model,
    get_served_version,
    get_trace_settings,
    get_version_config,
    get_version_statistics,
    infer_tensor,
    infer_version_tensor,
    keep_log_settings,
    keep_model_trace,
    keep_trace_settings,
    list_cuda_memory,
    list_inference_models,
    list_repository,
    list_system_memory,
    unregister_cuda_memory,
    unregister_cuda_region,
    unregister_system_memory,
    unregister_system_region,
)
from fashion_api_client.api.original_api import get_actual_label, predict_label
from fashion_api_client.api.predictions import explain_images, predict_images, predict_upload, prepare_picture
from fashion_api_client.api.tensor_flow_serving import (
    get_serving_metadata,
    get_serving_status,
    get_serving_version_metadata,
    get_serving_version_status,
    list_serving_models,
    predict_serving,
    predict_serving_version,
)
from fashion_api_client.api.test_images import (
    get_confusion_matrix,
    get_test_image,
    get_test_image_picture,
    list_test_images,
    predict_test_image,
)
from fashion_api_client.models import (
    Base64Picture,
    ColumnPredictions,
    ConfusionMatrix,
    ExplanationList,
    ExplanationRequest,
    Health,
    InferenceRequest,
    InferenceResponse,
    InferenceServer,
    LabelledImage,
    LabelledImagePage,
    LabelledPrediction,
    ListTestImagesLabel,
    Liveness,
    LogSettings,
    ModelCard,
    ModelConfiguration,
    ModelMetadata,
    ModelReadiness,
    NoChange,
    NothingDone,
    PictureInput,
    PictureInputDatatype,
    PictureRows,
    PixelColumns,
    PixelColumnsSignatureName,
    PixelInput,
    PixelInputDatatype,
    PredictImagesCoverage,
    PredictionList,
    PredictionRequest,
    PredictTestImageCoverage,
    Preparation,
    PreparationForm,
    PreparePictureFit,
    PreparePictureInvert,
    ProblemDetails,
    ProtocolError,
    Readiness,
    RepositoryQuery,
    RequestedOutput,
    RequestedOutputName,
    RowPredictions,
    ServedModels,
    ServedNames,
    ServingMetadata,
    ServingStatus,
    StatisticsList,
    TraceSettings,
    UploadForm,
    UploadPredictionList,
)
from fashion_api_client.types import File

client = AuthenticatedClient(sys.argv[1], token=sys.argv[2])


def get_picture(scale: int) -> bytes:
    return get_test_image_picture.sync_detailed(3, client=client, scale=scale).content


def ask_health(ask: Callable[..., object]) -> str:
    health = ask(client=client)
    assert isinstance(health, Health)
    return health.status


def ask_model() -> list[object]:
    model = get_model.sync(client=client)
    assert isinstance(model, ModelCard)
    return [model.name, len(model.labels), model.input_.height]


def ask_test_images() -> list[object]:
    page = list_test_images.sync(client=client, label=ListTestImagesLabel.DRESS, offset=1, limit=2)
    assert isinstance(page, LabelledImagePage)
    return [page.total, [item.index for item in page.items]]


def ask_test_image() -> list[str]:
    found, problem = (get_test_image.sync(index, client=client) for index in (3, 77))
    assert isinstance(found, LabelledImage)
    assert isinstance(problem, ProblemDetails)
    return [found.label, problem.type_]


def ask_prediction_of_test_image() -> list[object]:
    answer = predict_test_image.sync(3, client=client, coverage=PredictTestImageCoverage.PERCENT_99)
    assert isinstance(answer, LabelledPrediction)
    assert answer.prediction.prediction_set is not None
    return [answer.correct, answer.prediction.label, len(answer.prediction.prediction_set)]


def ask_predictions() -> list[tuple[str, int]]:
    rows = [[3 if x == y == 0 else 0 for x in range(28)] for y in range(28)]
    body = PredictionRequest(images=[rows, base64.b64encode(get_picture(1)).decode()])
    answer = predict_images.sync(client=client, body=body, coverage=PredictImagesCoverage.PERCENT_90)
    assert isinstance(answer, PredictionList)
    return [(prediction.label, len(prediction.probabilities.additional_keys)) for prediction in answer.predictions]


def ask_uploads() -> list[tuple[str | None, str]]:
    picture = get_picture(1)
    form = UploadForm(file=[File(BytesIO(picture), name, "image/png") for name in ("a.png", "b.png")])
    answers = [predict_upload.sync(client=client, body=body) for body in (form, File(BytesIO(picture)))]
    named: list[tuple[str | None, str]] = []
    for answer in answers:
        assert isinstance(answer, UploadPredictionList)
        named += [(prediction.filename, prediction.label) for prediction in answer.predictions]
    return named


def ask_preparation() -> list[object]:
    form = PreparationForm(file=File(BytesIO(get_picture(4)), "a.png", "image/png"))
    answer = prepare_picture.sync(
        client=client,
        body=form,
        crop="0,0,0.5,0.5",
        turn=90,
        invert=PreparePictureInvert.FALSE,
        fit=PreparePictureFit.COVER,
    )
    assert isinstance(answer, Preparation)
    picture = base64.b64decode(answer.image)
    size = [int.from_bytes(picture[at : at + 4], "big") for at in (16, 20)]
    return ["image/png" if picture[1:4] == b"PNG" else "", size, answer.steps.turn, answer.steps.crop]


def read_nothing(answer: object) -> dict[str, object]:
    assert isinstance(answer, NothingDone)
    return answer.to_dict()


def ask_explanations() -> list[tuple[str, int]]:
    body = ExplanationRequest(images=[base64.b64encode(get_picture(1)).decode()])
    answer = explain_images.sync(client=client, body=body)
    assert isinstance(answer, ExplanationList)
    return [(explanation.label, len(explanation.heat_map)) for explanation in answer.explanations]


def ask_confusions() -> list[int]:
    while not isinstance(answer := get_confusion_matrix.sync(client=client), ConfusionMatrix):
        assert isinstance(answer, ProblemDetails)  # the test set is not predicted yet
    return [answer.total, len(answer.labels), sum(row[number] for number, row in enumerate(answer.matrix))]


def ask_served_models() -> list[str]:
    answer = list_serving_models.sync(client=client)
    assert isinstance(answer, ServedNames)
    return answer.models


def read_status(answer: object) -> list[object]:
    assert isinstance(answer, ServingStatus)
    return [answer.ready, answer.model_version_status[0].state]


def ask_signatures() -> list[str]:
    answer = get_serving_metadata.sync("fake", client=client)
    assert isinstance(answer, ServingMetadata)
    return answer.metadata.signature_def.signature_def.additional_keys


def ask_input_type() -> str:
    answer = get_serving_version_metadata.sync("fake", "1", client=client)
    assert isinstance(answer, ServingMetadata)
    return answer.metadata.signature_def.signature_def["serving_default"].inputs["image"].dtype


def ask_served_rows() -> list[object]:
    picture = Base64Picture(b64=base64.b64encode(get_picture(1)).decode())
    body = PictureRows(signature_name="images", instances=[picture, picture])
    answer, error = (predict_serving.sync(name, client=client, body=body) for name in ("fake", "none"))
    assert isinstance(answer, RowPredictions)
    assert isinstance(error, ProtocolError)
    return [[len(row) for row in answer.predictions if isinstance(row, list)], error.error]


def ask_served_columns() -> object:
    rows = [[3 if x == y == 0 else 0 for x in range(28)] for y in range(28)]
    body = PixelColumns(signature_name=PixelColumnsSignatureName.DETAILS, inputs=[rows])
    answer = predict_serving_version.sync("fake", "1", client=client, body=body)
    assert isinstance(answer, ColumnPredictions)
    assert not isinstance(answer.outputs, list)
    return answer.outputs["label"]


def ask_server() -> list[object]:
    server = get_inference_server.sync(client=client)
    live = check_server_liveness.sync(client=client)
    ready = check_server_readiness.sync(client=client)
    assert isinstance(server, InferenceServer)
    assert isinstance(live, Liveness)
    assert isinstance(ready, Readiness)
    return [server.name, live.live, ready.ready]


def read_metadata(answer: object) -> list[object]:
    assert isinstance(answer, ModelMetadata)
    return [answer.versions, answer.inputs[0].shape, answer.outputs[0].datatype]


def read_readiness(answer: object) -> bool:
    assert isinstance(answer, ModelReadiness)
    return answer.ready


def read_config(answer: object) -> list[object]:
    assert isinstance(answer, ModelConfiguration)
    return [answer.input_[0].format_, answer.output[0].dims]


def read_statistics(answer: object) -> list[object]:
    assert isinstance(answer, StatisticsList)
    return [answer.model_stats[0].name, answer.model_stats[0].inference_stats.cache_hit.count]


def read_trace(answer: object) -> list[str]:
    assert isinstance(answer, TraceSettings)
    return answer.trace_level


def read_logging(answer: object) -> bool:
    assert isinstance(answer, LogSettings)
    return answer.log_info


def ask_inference_models() -> list[str]:
    answer = list_inference_models.sync(client=client)
    assert isinstance(answer, ServedModels)
    return answer.models


def ask_repository() -> list[list[str]]:
    answer = list_repository.sync(client=client, body=RepositoryQuery(ready=True))
    assert isinstance(answer, list)
    return [[model.name, model.state] for model in answer]


def ask_inference() -> list[object]:
    values = [3] + [0] * 783
    tensor = PixelInput(name="image", shape=[1, 28, 28, 1], datatype=PixelInputDatatype.UINT8, data=values)
    body = InferenceRequest(inputs=[tensor], id="a")
    answer, error = (infer_tensor.sync(name, client=client, body=body) for name in ("fake", "none"))
    assert isinstance(answer, InferenceResponse)
    assert isinstance(error, ProtocolError)
    return [answer.id, answer.outputs[0].shape, error.error]


def ask_inference_of_picture() -> object:
    picture = base64.b64encode(get_picture(1)).decode()
    tensor = PictureInput(name="image", shape=[1], datatype=PictureInputDatatype.BYTES, data=[picture])
    body = InferenceRequest(inputs=[tensor], outputs=[RequestedOutput(name=RequestedOutputName.LABEL)])
    answer = infer_version_tensor.sync("fake", "1", client=client, body=body)
    assert isinstance(answer, InferenceResponse)
    return answer.outputs[0].data


CALLS: dict[str, Callable[[], object]] = {
    "check_liveness": lambda: ask_health(check_liveness.sync),
    "check_readiness": lambda: ask_health(check_readiness.sync),
    "get_model": ask_model,
    "list_test_images": ask_test_images,
    "get_test_image": ask_test_image,
    # The width, by the PNG specification.
    "get_test_image_picture": lambda: int.from_bytes(get_picture(2)[16:20], "big"),
    "predict_test_image": ask_prediction_of_test_image,
    "predict_images": ask_predictions,
    "predict_upload": ask_uploads,
    "prepare_picture": ask_preparation,
    "explain_images": ask_explanations,
    "get_confusion_matrix": ask_confusions,
    "predict_label": lambda: predict_label.sync(client=client, test_image_num=3),
    "get_actual_label": lambda: get_actual_label.sync(client=client, test_image_num=3),
    "list_serving_models": ask_served_models,
    "get_serving_status": lambda: read_status(get_serving_status.sync("fake", client=client)),
    "get_serving_version_status": lambda: read_status(get_serving_version_status.sync("fake", "1", client=client)),
    "get_serving_metadata": ask_signatures,
    "get_serving_version_metadata": ask_input_type,
    "predict_serving": ask_served_rows,
    "predict_serving_version": ask_served_columns,
    "get_inference_server": lambda: ask_server()[0],
    "check_server_liveness": lambda: ask_server()[1],
    "check_server_readiness": lambda: ask_server()[2],
    "list_inference_models": ask_inference_models,
    "get_served_model": lambda: read_metadata(get_served_model.sync("fake", client=client)),
    "get_served_version": lambda: read_metadata(get_served_version.sync("fake", "1", client=client)),
    "check_served_model": lambda: read_readiness(check_served_model.sync("fake", client=client)),
    "check_served_version": lambda: read_readiness(check_served_version.sync("fake", "1", client=client)),
    "get_model_config": lambda: read_config(get_model_config.sync("fake", client=client)),
    "get_version_config": lambda: read_config(get_version_config.sync("fake", "1", client=client)),
    "get_all_statistics": lambda: read_statistics(get_all_statistics.sync(client=client)),
    "get_model_statistics": lambda: read_statistics(get_model_statistics.sync("fake", client=client)),
    "get_version_statistics": lambda: read_statistics(get_version_statistics.sync("fake", "1", client=client)),
    "infer_tensor": ask_inference,
    "infer_version_tensor": ask_inference_of_picture,
    "list_repository": ask_repository,
    "get_log_settings": lambda: read_logging(get_log_settings.sync(client=client)),
    "keep_log_settings": lambda: read_logging(keep_log_settings.sync(client=client, body=NoChange())),
    "get_trace_settings": lambda: read_trace(get_trace_settings.sync(client=client)),
    "keep_trace_settings": lambda: read_trace(keep_trace_settings.sync(client=client, body=NoChange())),
    "get_model_trace": lambda: read_trace(get_model_trace.sync("fake", client=client)),
    "keep_model_trace": lambda: read_trace(keep_model_trace.sync("fake", client=client, body=NoChange())),
    "list_system_memory": lambda: list_system_memory.sync(client=client),
    "list_cuda_memory": lambda: list_cuda_memory.sync(client=client),
    "find_system_memory": lambda: find_system_memory.sync("region", client=client),
    "find_cuda_memory": lambda: find_cuda_memory.sync("region", client=client),
    "unregister_system_memory": lambda: read_nothing(unregister_system_memory.sync(client=client)),
    "unregister_cuda_memory": lambda: read_nothing(unregister_cuda_memory.sync(client=client)),
    "unregister_system_region": lambda: read_nothing(unregister_system_region.sync("region", client=client)),
    "unregister_cuda_region": lambda: read_nothing(unregister_cuda_region.sync("region", client=client)),
}

json.dump({name: call() for name, call in CALLS.items()}, sys.stdout)
