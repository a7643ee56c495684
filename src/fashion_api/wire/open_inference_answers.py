"""What the Open Inference Protocol over REST answers of a server and of its model."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel

from fashion_api.service.service import Service
from fashion_api.service.statistics import Total
from fashion_api.wire.json_body import read_json, refuse_mark
from fashion_api.wire.open_inference_models import (
    BatchStatistics,
    ConfigParameter,
    Duration,
    DynamicBatching,
    InferenceServer,
    InferenceStatistics,
    InputConfig,
    ModelConfiguration,
    ModelMetadata,
    ModelStatistics,
    OutputConfig,
    RepositoryModel,
    StatisticsList,
    TensorMetadata,
)
from fashion_api.wire.operation import finish_steps
from fashion_api.wire.served_model import (
    EXTENSIONS,
    PLATFORM,
    SERVER_NAME,
    STATE,
    ServedTensor,
    describe_config,
    describe_model,
    find_server_version,
    read_statistics,
)
from fashion_api.wire.validation import name_json_type, wrong

SettingsT = TypeVar("SettingsT", bound=BaseModel)

_MAX_VALUES = 10
"""More than there are settings."""


def write_server() -> InferenceServer:
    """Describe the server."""
    return InferenceServer(name=SERVER_NAME, version=find_server_version(), extensions=list(EXTENSIONS))


def write_metadata(service: Service) -> ModelMetadata:
    """Describe the model."""
    model = describe_model(service)
    return ModelMetadata(
        name=model.name,
        versions=[model.version],
        platform=PLATFORM,
        inputs=[_write_tensor(model.input)],
        outputs=[_write_tensor(model.output)],
        properties=dict(model.properties),
    )


def _write_tensor(tensor: ServedTensor) -> TensorMetadata:
    return TensorMetadata(name=tensor.name, datatype=tensor.datatype, shape=list(tensor.shape))


def write_config(service: Service) -> ModelConfiguration:
    """Describe how the model is served."""
    config = describe_config(service)
    first, last = config.input, config.output
    return ModelConfiguration(
        name=config.name,
        platform=PLATFORM,
        max_batch_size=config.max_batch_size,
        input=[InputConfig(name=first.name, data_type=f"TYPE_{first.datatype}", dims=list(first.shape))],
        output=[OutputConfig(name=last.name, data_type=f"TYPE_{last.datatype}", dims=list(last.shape))],
        dynamic_batching=DynamicBatching(preferred_batch_size=[config.preferred_batch_size]),
        parameters={name: ConfigParameter(string_value=value) for name, value in config.parameters.items()},
    )


def write_statistics(service: Service) -> StatisticsList:
    """Say what this process has done."""
    statistics = read_statistics(service)
    requests = InferenceStatistics(
        success=_measure(statistics.answered),
        fail=_measure(statistics.failed),
        queue=_measure(statistics.queued),
        compute_input=_measure(statistics.decoded),
        compute_infer=_measure(statistics.computed),
        compute_output=_measure(statistics.encoded),
    )
    model = ModelStatistics(
        name=service.served_name,
        version=str(service.settings.served_version),
        last_inference=int(statistics.last_batch_at_s * 1e3),
        inference_count=statistics.images,
        execution_count=statistics.batches,
        inference_stats=requests,
        batch_stats=[_write_batches(size, total) for size, total in sorted(statistics.by_batch_size.items())],
    )
    return StatisticsList(model_stats=[model])


def _write_batches(size: int, total: Total) -> BatchStatistics:
    no_time = Duration(count=total.count, ns=0)
    return BatchStatistics(
        batch_size=size, compute_input=no_time, compute_infer=_measure(total), compute_output=no_time
    )


def _measure(total: Total) -> Duration:
    return Duration(count=total.count, ns=total.nanoseconds)


def write_index(service: Service, body: bytes) -> list[RepositoryModel]:
    """List the models; `body` may ask for those that are ready.

    Raises:
        InvalidRequestError: the body asks for something else.
    """
    if not isinstance(_read_object(body).get("ready", False), bool):
        raise wrong("ready", "must be a boolean")
    version = str(service.settings.served_version)
    return [RepositoryModel(name=service.served_name, version=version, state=STATE, reason="")]


def keep_settings(settings: SettingsT, body: bytes) -> SettingsT:
    """Give settings, where a request to set some changes none of them.

    Raises:
        InvalidRequestError: it would change one, or there is no such setting.
    """
    for name, value in _read_object(body).items():
        if name not in type(settings).model_fields:
            raise wrong(f"{name:.100}", f"is no setting; there are {', '.join(type(settings).model_fields)}")
        found = getattr(settings, name)
        if (type(value), value) != (type(found), found):  # 1 is not true here
            raise wrong(name, "cannot be changed by a request: who runs the service sets it")
    return settings


def _read_object(body: bytes) -> Mapping[str, object]:
    refuse_mark(body)
    document = finish_steps(read_json(body, max_lists=1, max_values=_MAX_VALUES)) if body else {}
    if not isinstance(document, dict):
        raise wrong("", f"the body must be an object, not {name_json_type(document)}")
    return document
