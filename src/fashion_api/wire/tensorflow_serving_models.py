"""The pydantic models of TensorFlow Serving's REST API, which are KServe's too: its contract."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from fashion_api.wire.json_schema import BOUND, PICTURE_FILE, Schema


class ServedPath(BaseModel):
    """The path of a model."""

    name: str = Field(description="What the model is called.", json_schema_extra={BOUND: "served_name"})


class ServedVersionPath(ServedPath):
    """The path of a version of a model."""

    version: str = Field(description="Its version.", json_schema_extra={BOUND: "served_version"})


class ServedNames(Schema):
    """The models that there are."""

    models: list[str] = Field(description="What they are called.")


class VersionError(Schema):
    """What is wrong with a version of a model."""

    error_code: Literal["OK"] = Field("OK", description="Always `OK`: another is an error.")
    error_message: str = Field("", description="Always empty.")


class VersionStatus(Schema):
    """The state of a version of a model."""

    version: str = Field(description="The version, a whole number.")
    state: str = Field(description="Always `AVAILABLE`: else the answer is an error.")
    status: VersionError = Field(description="That nothing is wrong with it.")


class ServingStatus(Schema):
    """The state of a model, as TensorFlow Serving and KServe each say it."""

    name: str = Field(description="What the model is called.")
    ready: bool = Field(description="Always true: else the answer is an error.")
    model_version_status: list[VersionStatus] = Field(description="One for its one version.")


class TensorDim(Schema):
    """A dimension of a tensor."""

    size: str = Field(description="Its size, a whole number; `-1`: as many as there are images.")
    name: str = Field("", description="Always empty.")


class TensorShape(Schema):
    """The shape of a tensor."""

    dim: list[TensorDim] = Field(description="Its dimensions.")
    unknown_rank: Literal[False] = Field(default=False, description="Always false.")


class TensorInfo(Schema):
    """An input or an output."""

    dtype: str = Field(description="The type of its elements, as in `DT_FLOAT`.")
    tensor_shape: TensorShape = Field(description="Its shape.")
    name: str = Field(description="The name of a tensor.")


class SignatureDef(Schema):
    """A form in which the model takes images, and what it answers."""

    inputs: dict[str, TensorInfo] = Field(description="Its one input, by its name.")
    outputs: dict[str, TensorInfo] = Field(description="Its outputs, by their names.")
    method_name: str = Field(description="What it is for.")
    defaults: dict[str, Any] = Field({}, description="Always empty.")


class SignatureMap(Schema):
    """The signatures of a model."""

    signature_def: dict[str, SignatureDef] = Field(description="By their names.")


class SignatureMaps(Schema):
    """The metadata of a model."""

    signature_def: SignatureMap = Field(description="Its signatures.")


class ModelSpec(Schema):
    """Which model is described."""

    name: str = Field(description="What the model is called.")
    signature_name: str = Field("", description="Always empty: all signatures are described.")
    version: str = Field(description="Its version.")


class ServingMetadata(Schema):
    """A model and its signatures."""

    model_spec: ModelSpec = Field(description="Which model it is.")
    metadata: SignatureMaps = Field(description="Its signatures.")


class RowPredictions(Schema):
    """What is answered to `instances`."""

    predictions: list[list[float] | dict[str, Any]] = Field(
        description="One for each image, in their order: the probabilities in the order of class ids; in the signature "
        "`details` an object with the values of all outputs, by their names."
    )


class ColumnPredictions(Schema):
    """What is answered to `inputs`."""

    outputs: list[list[float]] | dict[str, list[Any]] = Field(
        description="The probabilities, a list for each image; in the signature `details` an object with the values of "
        "all outputs, by their names."
    )


class Base64Picture(BaseModel):
    """A picture file in base64."""

    model_config = ConfigDict(extra="forbid")

    b64: str = Field(description="A PNG, JPEG, GIF, BMP or WebP file.", json_schema_extra=PICTURE_FILE)


_Value = Annotated[float, Field(ge=0, json_schema_extra={BOUND: "serving_value"})]
_FloatRow = Annotated[list[_Value], Field(json_schema_extra={BOUND: "serving_row"})]
_FloatRows = Annotated[list[_FloatRow], Field(json_schema_extra={BOUND: "rows"})]
_PixelRow = Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(json_schema_extra={BOUND: "row"})]
_PixelRows = Annotated[list[_PixelRow], Field(json_schema_extra={BOUND: "rows"})]

_FloatImages = Annotated[
    list[_FloatRows], Field(min_length=1, description="Rows of pixels, as floats.", json_schema_extra={BOUND: "images"})
]
_PixelImages = Annotated[
    list[_PixelRows],
    Field(min_length=1, description="Rows of pixels from 0 to 255.", json_schema_extra={BOUND: "images"}),
]
_Pictures = Annotated[
    list[Base64Picture], Field(min_length=1, description="Picture files.", json_schema_extra={BOUND: "images"})
]


class FloatRows(BaseModel):
    """Images as floats, to be answered in rows."""

    signature_name: Literal["serving_default"] = Field("serving_default", description="The signature.")
    instances: _FloatImages


class PixelRows(BaseModel):
    """Images as whole numbers, to be answered in rows."""

    signature_name: Literal["pixels", "details"] = Field(description="The signature.")
    instances: _PixelImages


class PictureRows(BaseModel):
    """Picture files, to be answered in rows."""

    signature_name: Literal["images"] = Field(description="The signature.")
    instances: _Pictures


class FloatColumns(BaseModel):
    """Images as floats, to be answered in columns."""

    signature_name: Literal["serving_default"] = Field("serving_default", description="The signature.")
    inputs: _FloatImages


class PixelColumns(BaseModel):
    """Images as whole numbers, to be answered in columns."""

    signature_name: Literal["pixels", "details"] = Field(description="The signature.")
    inputs: _PixelImages


class PictureColumns(BaseModel):
    """Picture files, to be answered in columns."""

    signature_name: Literal["images"] = Field(description="The signature.")
    inputs: _Pictures


class ServingRequest(RootModel[FloatRows | PixelRows | PictureRows | FloatColumns | PixelColumns | PictureColumns]):
    """Images to classify, in the form of a signature."""

    # Only describes: reading a request so would take several times as long.
