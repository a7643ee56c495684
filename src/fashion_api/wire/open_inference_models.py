"""The pydantic models of the Open Inference Protocol over REST: its public contract."""

from typing import Annotated

from pydantic import ConfigDict, Field, JsonValue

from fashion_api.wire.json_schema import BOUND, PICTURE_FILE, Schema

_Number = Annotated[int, Field(ge=0)]
_Element = str | bool | int | float
_WHOLE: list[JsonValue] = ["UINT8", "UINT16", "UINT32", "UINT64", "INT16", "INT32", "INT64"]
"""The types of whole numbers that every pixel fits."""


class ModelPath(Schema):
    """The part of a path that names a model."""

    name: str = Field(description="The model's name.", json_schema_extra={BOUND: "served_name"})


class VersionPath(ModelPath):
    """The parts of a path that name a version of a model."""

    version: str = Field(description="Its version.", json_schema_extra={BOUND: "served_version"})


class RegionPath(Schema):
    """The part of a path that names a region of shared memory."""

    region: str = Field(description="Any name.", examples=["region"])


class InferenceServer(Schema):
    """The server."""

    name: str = Field(description="Its name.")
    version: str = Field(description="The version of this package.")
    extensions: list[str] = Field(description="The protocol's extensions that it has.")


class Liveness(Schema):
    """That the process is up."""

    live: bool = Field(description="Always true.")


class Readiness(Liveness):
    """That requests are answered."""

    ready: bool = Field(description="Always true; a server that is not ready answers with an error.")


class ServedModels(Schema):
    """The models that there are."""

    models: list[str] = Field(description="Their names: one.")


class TensorMetadata(Schema):
    """An input or an output."""

    name: str = Field(description="Its name.")
    datatype: str = Field(description="The type of its elements.", examples=["UINT8"])
    shape: list[int] = Field(description="Its dimensions; -1 is the number of images.")


class ModelMetadata(Schema):
    """What the model is."""

    name: str = Field(description="Its name.")
    versions: list[str] = Field(description="Its versions: one.")
    platform: str = Field(description="The form of the model.")
    inputs: list[TensorMetadata] = Field(description="One input. `properties` says what else may be sent.")
    outputs: list[TensorMetadata] = Field(
        description="One output, the probabilities; `properties` has those that may be asked for besides."
    )
    properties: dict[str, str] = Field(
        description="`digest`: changes with the model; `labels`: of the classes, a JSON list; `pixel_range`: what "
        "black and white are; `further_outputs`: names and types."
    )


class ModelReadiness(Schema):
    """That a model answers."""

    name: str = Field(description="Its name.")
    ready: bool = Field(description="Always true; a model that is not ready is answered with an error.")


class InputConfig(Schema):
    """The input, in the words of Triton's model configuration."""

    name: str = Field(description="Its name.")
    data_type: str = Field(description="The type of its elements.")
    format: str = Field("FORMAT_NHWC", description="The order of its dimensions.")
    dims: list[int] = Field(description="Height, width and channels of an image; without their number.")
    is_shape_tensor: bool = Field(default=False, description="Always false.")
    allow_ragged_batch: bool = Field(default=False, description="Always false.")
    optional: bool = Field(default=False, description="Always false.")


class OutputConfig(Schema):
    """The output, in the same words."""

    name: str = Field(description="Its name.")
    data_type: str = Field(description="The type of its elements.")
    dims: list[int] = Field(description="The number of classes.")
    is_shape_tensor: bool = Field(default=False, description="Always false.")


class DynamicBatching(Schema):
    """How requests are computed together."""

    preferred_batch_size: list[int] = Field(description="The most images that are computed at once.")
    max_queue_delay_microseconds: _Number = Field(0, description="0: no request waits for others.")


class ConfigParameter(Schema):
    """A parameter of the configuration."""

    string_value: str = Field(description="Its value.")


class ModelConfiguration(Schema):
    """How the model is served, in the words of Triton's model configuration."""

    name: str = Field(description="The model's name.")
    platform: str = Field(description="The form of the model.")
    max_batch_size: _Number = Field(description="The most images of a request.")
    input: list[InputConfig] = Field(description="One input.")
    output: list[OutputConfig] = Field(description="One output.")
    dynamic_batching: DynamicBatching = Field(description="How requests are computed together.")
    parameters: dict[str, ConfigParameter] = Field(description="The metadata's `properties`.")


class Duration(Schema):
    """How often something was done, and for how long."""

    count: _Number = Field(description="How often.")
    ns: _Number = Field(description="Nanoseconds together.")


class InferenceStatistics(Schema):
    """What was done for requests."""

    success: Duration = Field(description="Requests that were answered, from the whole body to the answer.")
    fail: Duration = Field(description="Requests that were read and not answered.")
    queue: Duration = Field(description="Of those answered: waiting for their first batch.")
    compute_input: Duration = Field(description="The same: reading the images.")
    compute_infer: Duration = Field(description="The same: from the first batch to the predictions.")
    compute_output: Duration = Field(description="The same: writing the answer.")
    cache_hit: Duration = Field(Duration(count=0, ns=0), description="None: nothing is cached.")
    cache_miss: Duration = Field(Duration(count=0, ns=0), description="None.")


class BatchStatistics(Schema):
    """What was done in batches of one size."""

    batch_size: _Number = Field(description="The images of a batch.")
    compute_input: Duration = Field(description="The batches; requests are read one by one, which takes them no time.")
    compute_infer: Duration = Field(description="The batches, and the time of computing them.")
    compute_output: Duration = Field(description="The batches; answers are written one by one.")


class ModelStatistics(Schema):
    """What a model has done."""

    name: str = Field(description="The model's name.")
    version: str = Field(description="Its version.")
    last_inference: _Number = Field(description="Milliseconds since 1970 at the end of the last batch; 0 before any.")
    inference_count: _Number = Field(description="Images that were computed.")
    execution_count: _Number = Field(description="Batches that they were computed in.")
    inference_stats: InferenceStatistics = Field(description="What was done for requests of all protocols.")
    batch_stats: list[BatchStatistics] = Field(description="What was done in batches of each size.")


class StatisticsList(Schema):
    """What this process has done since it started; of several workers, each has its own figures."""

    model_stats: list[ModelStatistics] = Field(description="One for each model: one.")


class NoChange(Schema):
    """Settings that stay as they are; any that are set already may be named too."""

    model_config = ConfigDict(json_schema_extra={"maxProperties": 0})


class NothingDone(Schema):
    """There was nothing to do."""

    model_config = ConfigDict(json_schema_extra={"maxProperties": 0})


class RepositoryQuery(Schema):
    """Which models are asked for."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    ready: bool = Field(default=False, description="Whether only those that are ready: the one that is served is.")


class RepositoryModel(Schema):
    """A model in the repository."""

    name: str = Field(description="Its name.")
    version: str = Field(description="Its version.")
    state: str = Field(description="Always `READY`.")
    reason: str = Field(description="Always empty.")


class TraceSettings(Schema):
    """How requests are traced, which the service's own settings say."""

    trace_level: list[str] = Field(description="`TIMESTAMPS` where requests are traced, else `OFF`.")
    trace_rate: str = Field(description="Always 1.")
    trace_count: str = Field(description="Always -1: no limit.")
    log_frequency: str = Field(description="Always 0.")
    trace_file: str = Field(description="Always empty.")
    trace_mode: str = Field(description="`opentelemetry` where requests are traced, else `triton`.")


class LogSettings(Schema):
    """What is logged, which the service's own settings say."""

    log_file: str = Field(description="Always empty.")
    log_info: bool = Field(description="Whether messages of level info are logged.")
    log_warning: bool = Field(description="Whether warnings are logged.")
    log_error: bool = Field(description="Whether errors are logged.")
    log_verbose_level: _Number = Field(description="1 where messages of level debug are logged, else 0.")
    log_format: str = Field(description="Always `default`.")


class _Parameters(Schema):
    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, _Element]


class InputParameters(_Parameters):
    """How an input is meant; parameters that are not known are ignored."""


class _Input(Schema):
    name: str = Field(description="The input's name.", json_schema_extra={BOUND: "served_input"})
    parameters: InputParameters = Field(default_factory=InputParameters, description="How it is meant.")


class PixelInput(_Input):
    """Images as whole numbers; floats are read too, see the description of the operation."""

    shape: list[int] = Field(
        description="Images, rows, columns, channels; rows with columns, or all three, may be one number.",
        json_schema_extra={BOUND: "tensor_shape"},
    )
    datatype: str = Field(description="Any type of whole numbers.", json_schema_extra={"enum": _WHOLE})
    data: list[Annotated[int, Field(ge=0, le=255)]] = Field(
        description="From 0, black, to 255, row by row; in lists within one another too.",
        json_schema_extra={BOUND: "tensor_data"},
    )


class PictureInput(_Input):
    """Images as picture files."""

    shape: list[int] = Field(description="The number of files.", json_schema_extra={BOUND: "picture_shape"})
    datatype: str = Field(description="Byte strings.", json_schema_extra={"enum": ["BYTES"]})
    data: list[Annotated[str, Field(json_schema_extra=PICTURE_FILE)]] = Field(
        min_length=1, max_length=1, description="Picture files in base64."
    )


class OutputParameters(_Parameters):
    """How an output is wanted; parameters that are not known are ignored.

    `classification`: how many of the most probable classes are wanted of the probabilities, as texts
    `probability:index:label`. `binary_data`: whether the values follow the JSON.
    """


class RequestedOutput(Schema):
    """An output that is asked for."""

    name: str = Field(description="Its name.", json_schema_extra={BOUND: "served_output"})
    parameters: OutputParameters = Field(default_factory=OutputParameters, description="How it is wanted.")


class InferenceParameters(_Parameters):
    """What else a request asks for; parameters that are not known are ignored.

    `timeout`: microseconds that its caller waits. `pixel_range`: `0-1` or `0-255`. `binary_data_output`: whether the
    values of outputs follow the JSON.
    """


class InferenceRequest(Schema):
    """A tensor of images to classify: here of one; the first dimension of its shape is their number."""

    # Defaults that are made are not in the schema: generators would take the fields for required.

    id: str = Field(default_factory=str, description="Is in the answer too, if it is not empty.")
    parameters: InferenceParameters = Field(default_factory=InferenceParameters, description="What else is asked for.")
    inputs: list[PixelInput | PictureInput] = Field(min_length=1, max_length=1, description="The model's input.")
    outputs: list[RequestedOutput] = Field(
        default_factory=list,
        max_length=1,
        description="The outputs that are wanted, each once; without any, the probabilities.",
    )


class InferredParameters(Schema):
    """What else there is to know of an answer."""

    digest: str = Field(description="Of the model that has answered; it changes with the model.")


class InferredOutput(Schema):
    """An output."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    name: str = Field(description="Its name.")
    datatype: str = Field(description="The type of its elements.")
    shape: list[int] = Field(description="Its dimensions; the first is the number of images.")
    data: list[_Element] | None = Field(None, description="Its elements, row by row.")


class InferenceResponse(Schema):
    """What the model sees in the images."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    id: str | None = Field(None, description="The request's, if it has one.")
    model_name: str = Field(description="The model's name.")
    model_version: str = Field(description="Its version.")
    parameters: InferredParameters = Field(description="What else there is to know.")
    outputs: list[InferredOutput] = Field(description="The outputs, in the order in which they were asked for.")
