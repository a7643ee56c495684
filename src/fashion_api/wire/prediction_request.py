"""The JSON body of a prediction request."""

from collections.abc import Generator, Iterable
from typing import Annotated

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo

from fashion_api.errors import MAX_FAULTS, Fault, ImageError, InvalidRequestError
from fashion_api.inference.manifest import InputSpec
from fashion_api.pictures.resizing import Resize
from fashion_api.wire.images import ImageContext, OtherSize, Pixels
from fashion_api.wire.json_body import may_hold_booleans, read_json
from fashion_api.wire.json_schema import BOUND
from fashion_api.wire.mistakes import describe_list_mistake, find_other_name
from fashion_api.wire.operation import Step
from fashion_api.wire.sized_images import SizedImages, resize_picture
from fashion_api.wire.validation import list_faults, make_error, name_json_type, validate


def _check_images(value: object, info: ValidationInfo[ImageContext]) -> object:
    if not isinstance(value, list):
        raise make_error(f"must be a list of images, not {name_json_type(value)}")
    if not value:
        raise make_error("is empty; at least one image is needed")
    mistake = describe_list_mistake(value, info.context.spec.shape)
    if mistake is not None:
        raise make_error(mistake)
    if len(value) > info.context.max_images:
        raise make_error(f"holds {len(value)} images, but one request may hold {info.context.max_images}")
    return value


_ImageList = Annotated[Iterable[Pixels], Field(min_length=1), BeforeValidator(_check_images)]


class PredictionRequest(BaseModel):
    """Images to classify."""

    # Is validated with an ImageContext. The docstring is the documentation of the API.
    model_config = ConfigDict(frozen=True)

    images: _ImageList = Field(
        description="Each is rows of pixels, whole numbers from 0 (black) to 255, or a picture file in base64.",
        json_schema_extra={BOUND: "images"},
    )
    """Can be iterated over once. Each image is validated when the iteration reaches it; where that raises a
    `ValidationError`, the next iteration goes on with the image after it."""


class ExplanationRequest(PredictionRequest):
    """Images to explain."""

    # Is read as a prediction request, with fewer images at most.
    images: _ImageList = Field(
        description=PredictionRequest.model_fields["images"].description, json_schema_extra={BOUND: "explained_images"}
    )


def _check_name(body: object) -> None:
    """Refuse a body that has its images under another name."""
    if isinstance(body, dict) and "images" not in body and (name := find_other_name(body)) is not None:
        message = f"is missing; `{name}` is not read here: name the list of images `images`"
        raise InvalidRequestError([Fault("images", message)])


def read_images(
    body: bytes, spec: InputSpec, *, max_images: int, resize: Resize | None = None
) -> Generator[Step, None, SizedImages]:
    """Read the body of a prediction request, one image at a step.

    Args:
        body: as it was sent.
        spec: what an image is.
        max_images: the most images.
        resize: what is done with picture files of another size; `None`: they are refused.

    Returns:
        From 1 to `max_images` images, to be read only.

    Raises:
        InvalidRequestError: the body is not a `PredictionRequest`; says what is wrong with each image.
    """
    context = ImageContext(spec, max_images, may_hold_booleans=may_hold_booleans(body), resize=resize)
    lists = max_images * (spec.height + 1)
    values = lists * spec.width
    if spec.channels > 1:  # each pixel is a list
        lists, values = lists + values, values * (1 + spec.channels)
    document = yield from read_json(body, max_lists=lists, max_values=values)
    _check_name(document)
    request = validate(PredictionRequest, document, context=context)
    images = request.images
    vars(request).clear()  # pydantic's iterator refers to the model: a cycle, which would keep the whole document
    pixels: list[bytes] = []
    resized: dict[int, Resize] = {}
    faults: list[Fault] = []
    is_complete = False
    while not is_complete and len(faults) < MAX_FAULTS:
        try:
            for image in images:  # goes on after an image that is wrong
                if isinstance(image, OtherSize):
                    resized[len(pixels)] = image.resize
                    image = (yield from resize_picture(image.content, image.resize, spec)).tobytes()  # noqa: PLW2901
                pixels.append(image)
                yield None
            is_complete = True
        except ValidationError as error:
            faults += list_faults(error.errors(include_url=False, include_context=False), within=("images",))
        except ImageError as error:
            faults.append(Fault(f"images[{len(pixels)}]", str(error)))
        if not is_complete:
            pixels.append(b"")  # in place of the image that is wrong
            yield None
    if faults:
        raise InvalidRequestError(faults)
    joined = pixels[0] if len(pixels) == 1 else b"".join(pixels)
    return SizedImages(np.frombuffer(joined, np.uint8).reshape(len(pixels), *spec.shape), resized)
