"""The model as clients of the Open Inference Protocol see it: metadata, configuration, statistics; as plain data."""

import json
from collections.abc import Mapping
from importlib.metadata import version
from typing import Final, NamedTuple

from fashion_api.errors import NotReadyError
from fashion_api.service.service import Service
from fashion_api.service.statistics import Statistics
from fashion_api.wire.tensors import list_outputs, list_shapes

SERVER_NAME: Final = "fashion-api"
EXTENSIONS: Final = ("binary_tensor_data", "classification", "model_configuration", "statistics")
"""Extensions of the protocol that are there as a whole."""
PLATFORM: Final = "onnx_onnxv1"
DATATYPE: Final = "UINT8"
"""The type of pixels that metadata name; others are read too."""
STATE: Final = "READY"
"""Of the model in the repository's index."""
NO_CONTROL: Final = "the service loads and unloads its model itself: load and unload are not allowed"
NO_SHARED_MEMORY: Final = "shared memory is not offered: send tensors with the request"


class ServedTensor(NamedTuple):
    """An input or an output."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    """-1 for the number of images."""


class ServedModel(NamedTuple):
    """What the model is."""

    name: str
    version: str
    input: ServedTensor
    output: ServedTensor
    """The probabilities."""
    properties: Mapping[str, str]
    """What else there is to know."""


class ServedConfig(NamedTuple):
    """How the model is served."""

    name: str
    max_batch_size: int
    """The most images of a request."""
    input: ServedTensor
    """Its shape without the number of images: `(height, width, channels)`."""
    output: ServedTensor
    """Its shape without the number of images: `(classes,)`."""
    preferred_batch_size: int
    """The most images that are computed together."""
    parameters: Mapping[str, str]


def check_ready(service: Service) -> None:
    """Check that the service takes requests.

    Raises:
        NotReadyError: it is stopping.
    """
    if service.is_draining:
        raise NotReadyError("the service is stopping")


def find_server_version() -> str:
    """Give the version of this package."""
    return version(SERVER_NAME)


def describe_model(service: Service) -> ServedModel:
    """Describe the model that a service has."""
    settings, model = service.settings, service.model
    probabilities, *further = list_outputs(model)
    return ServedModel(
        service.served_name,
        str(settings.served_version),
        ServedTensor(settings.served_input, DATATYPE, list_shapes(model.input)[0]),
        ServedTensor(settings.served_output, probabilities.datatype, probabilities.shape),
        {
            "digest": model.version,
            "labels": json.dumps(model.labels, ensure_ascii=False),
            "pixel_range": "0-255; floats from 0 to 1 with the parameter pixel_range: 0-1",
            "further_outputs": ", ".join(f"{output.key} {output.datatype}" for output in further),
        },
    )


def describe_config(service: Service) -> ServedConfig:
    """Describe how a service serves its model."""
    model = describe_model(service)
    return ServedConfig(
        model.name,
        service.max_images,
        model.input._replace(shape=model.input.shape[1:]),
        model.output._replace(shape=model.output.shape[1:]),
        service.settings.max_batch_size,
        model.properties,
    )


def read_statistics(service: Service) -> Statistics:
    """Give what the service's worker has done up to now; with several workers, each has its own."""
    service.count()  # the batches since the last count
    return service.statistics


def describe_trace_settings(service: Service) -> Mapping[str, str | list[str]]:
    """Give what is set for tracing, which OpenTelemetry does, in the protocol's own names."""
    is_on = service.settings.tracing
    return {
        "trace_level": ["TIMESTAMPS" if is_on else "OFF"],
        "trace_rate": "1",
        "trace_count": "-1",
        "log_frequency": "0",
        "trace_file": "",
        "trace_mode": "opentelemetry" if is_on else "triton",
    }


def describe_log_settings(service: Service) -> Mapping[str, str | bool | int]:
    """Give what is set for the log, in the protocol's own names; where it goes to is not said."""
    levels = ("debug", "info", "warning", "error")
    least = service.settings.log_level
    logged = levels[levels.index(least) :] if least in levels else ()
    return {
        "log_file": "",
        "log_info": "info" in logged,
        "log_warning": "warning" in logged,
        "log_error": "error" in logged,
        "log_verbose_level": int("debug" in logged),
        "log_format": "default",
    }
