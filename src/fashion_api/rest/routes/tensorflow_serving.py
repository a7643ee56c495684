"""TensorFlow Serving's REST API, which KServe's first protocol shares."""

import re
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request, Response

from fashion_api.rest import problems
from fashion_api.rest.dependencies import OperationRouter, ServiceDep
from fashion_api.rest.openapi import OF_A_BODY, OF_A_PREDICTION, describe_json, describe_parameters, protocol_responses
from fashion_api.service.service import Service
from fashion_api.wire.tensorflow_serving import (
    MODEL_VERSION,
    PREDICT,
    PREDICT_BY_VERSION,
    describe_metadata,
    describe_status,
)
from fashion_api.wire.tensorflow_serving_models import (
    ColumnPredictions,
    RowPredictions,
    ServedNames,
    ServedPath,
    ServedVersionPath,
    ServingMetadata,
    ServingRequest,
    ServingStatus,
)
from fashion_api.wire.validation import wrong

EndpointT = TypeVar("EndpointT", bound=Callable[..., object])

router = OperationRouter(tags=["TensorFlow Serving"])

_PATH = "/v1/models"
_MODEL = _PATH + "/{name}"
_VERSION = _MODEL + "/versions/{version}"

_OF_A_MODEL: dict[str, Any] = {"parameters": describe_parameters(path=ServedPath)}
_OF_A_VERSION: dict[str, Any] = {"parameters": describe_parameters(path=ServedVersionPath)}
_ABOUT_ALL = protocol_responses(problems.NOT_READY, problems.OVERLOADED)
_ABOUT_A_MODEL = protocol_responses(problems.NOT_READY, problems.OVERLOADED, problems.NOT_FOUND)
_ABOUT_A_PREDICTION = protocol_responses(*OF_A_BODY, *OF_A_PREDICTION, problems.NOT_FOUND)
_EXAMPLES = {
    "floats": ("Rows of floats", "serving_floats"),
    "pixels": ("Rows of pixels from 0 to 255", "serving_pixels"),
    "picture file": ("A PNG file in base64", "serving_pictures"),
}
_BODY: dict[str, Any] = {"requestBody": describe_json(ServingRequest, _EXAMPLES)}
_DESCRIPTION = """Classify images in the form of a signature of the model: `serving_default` (floats; where no other is
named), `pixels` and `details` (numbers from 0 to 255), `images` (picture files in base64).

An image is rows of pixels, rows of lists of one pixel, or one list of all pixels. `instances` is answered in rows,
`inputs` in columns. Images may stand under the input's name, and the body may have any media type.
"""


async def _name_version(service: ServiceDep, response: Response) -> Service:
    """Give the service, and name the version of its model in the response."""
    response.raw_headers.append((MODEL_VERSION, service.model.version.encode()))
    return service


async def _read_path(request: Request) -> tuple[str, ...]:
    return tuple(request.path_params.values())


_Served = Annotated[Service, Depends(_name_version)]
_Path = Annotated[tuple[str, ...], Depends(_read_path)]
"""The name of a model and, where the path has one, its version."""


def _match(pattern: str) -> None:
    """Match the paths of the route that was added last by a pattern, without regard to case."""
    route: Any = router.routes[-1]
    route.path_regex = re.compile(rf"{pattern}\Z", re.IGNORECASE | re.DOTALL)


def _get(path: str, **description: Any) -> Callable[[EndpointT], EndpointT]:  # noqa: ANN401  # router.get's own
    """Add a route that has its paths with a slash behind them, too: no client follows a redirection.

    A name has no colon, which is before a verb.
    """

    def add(endpoint: EndpointT) -> EndpointT:
        router.get(path, **description)(endpoint)
        _match(re.sub(r"{(\w+)}", r"(?P<\1>[^/:]+)", path) + "/?")
        return endpoint

    return add


@_get(_PATH, summary="List the served models", responses=_ABOUT_ALL)
async def list_serving_models(service: _Served) -> ServedNames:
    """What the model that is served is called by clients of the inference protocols."""
    return ServedNames(models=[service.served_name])


@_get(_MODEL, summary="Say whether a served model is ready", responses=_ABOUT_A_MODEL, openapi_extra=_OF_A_MODEL)
async def get_serving_status(path: _Path, service: _Served) -> ServingStatus:
    """The state of the model's one version; 503 while the service is stopping."""
    return describe_status(service, *path)


@_get(
    _VERSION,
    summary="Say whether a version of a served model is ready",
    responses=_ABOUT_A_MODEL,
    openapi_extra=_OF_A_VERSION,
)
async def get_serving_version_status(path: _Path, service: _Served) -> ServingStatus:
    """As for the model without its version."""
    return describe_status(service, *path)


@_get(
    _MODEL + "/metadata",
    summary="Describe the signatures of a served model",
    responses=_ABOUT_A_MODEL,
    openapi_extra=_OF_A_MODEL,
)
async def get_serving_metadata(path: _Path, service: _Served) -> ServingMetadata:
    """For each signature its input and its outputs, in TensorFlow's words."""
    return describe_metadata(service, *path)


@_get(
    _VERSION + "/metadata",
    summary="Describe the signatures of a version of a served model",
    responses=_ABOUT_A_MODEL,
    openapi_extra=_OF_A_VERSION,
)
async def get_serving_version_metadata(path: _Path, service: _Served) -> ServingMetadata:
    """As for the model without its version."""
    return describe_metadata(service, *path)


router.add_operation(
    PREDICT,
    name="predict_serving",
    summary="Classify images as TensorFlow Serving does",
    description=_DESCRIPTION,
    response_model=RowPredictions | ColumnPredictions,
    responses=_ABOUT_A_PREDICTION,
    openapi_extra=_OF_A_MODEL | _BODY,
)
router.add_operation(
    PREDICT_BY_VERSION,
    name="predict_serving_version",
    summary="Classify images by a version as TensorFlow Serving does",
    description=_DESCRIPTION,
    response_model=RowPredictions | ColumnPredictions,
    responses=_ABOUT_A_PREDICTION,
    openapi_extra=_OF_A_VERSION | _BODY,
)


@router.api_route(_MODEL + "/labels/{label}", methods=["GET", "POST"], include_in_schema=False)
async def refuse_label(label: str) -> None:
    """Refuse a version by its label."""
    raise wrong("", f"Unrecognized servable version label: {label:.100}; versions have numbers here, and no labels")


_match("/v1/models/[^/:]+/labels/(?P<label>[^/:]*).*")


@router.post(_MODEL + ":{verb}", include_in_schema=False)
async def refuse_verb(verb: str) -> None:
    """Refuse what TensorFlow Serving and KServe can be asked for besides predictions."""
    raise wrong("", f"`{verb:.100}` is not offered; `predict` is")


_match("/v1/models/[^/:]+(?:/versions/[^/:]+)?:(?P<verb>.*)")
