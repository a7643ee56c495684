"""Predictions by TensorFlow Serving's REST API: each form of each signature, and each mistake."""

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from fashion_api.errors import InvalidRequestError, UnknownModelError
from fashion_api.service.service import Service
from fashion_api.settings import FASHION_MNIST_LABELS
from fashion_api.wire.operation import Reply
from fashion_api.wire.tensorflow_serving import PREDICT, PREDICT_BY_VERSION
from fashion_api.wire.tensorflow_serving_models import ColumnPredictions, RowPredictions
from tests import picture_files
from tests.fakes import NovelClassifier, fake_colour_model, fake_service, fake_test_set
from tests.wire.asking import ask, read_json

TROUSER, DRESS = 1, 3
"""Images of the fake test set, by their classes."""
IMAGES = fake_test_set().images
FURTHER = ["probabilities", "label", "class_id", "probability", "novelty", "accepted"]


@pytest.fixture(scope="module")
def service() -> Service:
    return fake_service(NovelClassifier())


def predict(service: Service, body: object, *, path: tuple[str, ...] = ("fake",)) -> Reply:
    """Ask for predictions, of one version if the path has one; bytes are sent as they are."""
    operation = PREDICT if len(path) == 1 else PREDICT_BY_VERSION
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ask(operation, service, content, parameters=path, content_type="application/x-www-form-urlencoded")


def refuse(service: Service, body: object, *, path: tuple[str, ...] = ("fake",)) -> str:
    """Ask for predictions that are refused; gives what is said."""
    with pytest.raises(InvalidRequestError) as caught:
        predict(service, body, path=path)
    return str(caught.value)


def find_classes(rows: Any) -> list[int]:  # noqa: ANN401  # JSON
    """The most probable class of each row of probabilities."""
    assert np.shape(rows) == (len(rows), 10)
    np.testing.assert_allclose(np.sum(rows, axis=1), 1, atol=1e-6)
    return [int(found) for found in np.argmax(rows, axis=1)]


def floats(*indices: int, shape: tuple[int, ...] = (28, 28)) -> list[Any]:
    """Images with pixels from 0 to 1."""
    return [(IMAGES[index] / 255).reshape(shape).tolist() for index in indices]


def pixels(*indices: int, shape: tuple[int, ...] = (28, 28)) -> list[Any]:
    """Images with pixels from 0 to 255."""
    return [IMAGES[index].reshape(shape).tolist() for index in indices]


def pictures(*indices: int) -> list[dict[str, str]]:
    """Images as PNG files in base64."""
    return [{"b64": base64.b64encode(picture_files.grey_png(IMAGES[index])).decode()} for index in indices]


VALUES = {
    "serving_default": floats(TROUSER, DRESS),
    "pixels": pixels(TROUSER, DRESS),
    "images": pictures(TROUSER, DRESS),
}


@pytest.mark.parametrize("signature", VALUES)
def test_rows_are_answered_in_rows(service: Service, signature: str) -> None:
    """`instances` gives `predictions`: for each image its probabilities, bare, in the order of the images."""
    answer = read_json(predict(service, {"signature_name": signature, "instances": VALUES[signature]}))
    assert RowPredictions.model_validate(answer).model_dump() == answer
    assert find_classes(answer["predictions"]) == [TROUSER, DRESS]


@pytest.mark.parametrize("signature", VALUES)
def test_rows_may_name_the_input(service: Service, signature: str) -> None:
    """A row may be an object with the one input."""
    rows = [{"image": value} for value in VALUES[signature]]
    answer = read_json(predict(service, {"signature_name": signature, "instances": rows}))
    assert find_classes(answer["predictions"]) == [TROUSER, DRESS]


@pytest.mark.parametrize("signature", VALUES)
@pytest.mark.parametrize("is_named", [False, True], ids=["bare", "named"])
def test_columns_are_answered_in_columns(service: Service, signature: str, *, is_named: bool) -> None:
    """`inputs` is a tensor, or an object with the one input, and gives `outputs`: bare probabilities."""
    values = VALUES[signature]
    body = {"signature_name": signature, "inputs": {"image": values} if is_named else values}
    answer = read_json(predict(service, body))
    assert ColumnPredictions.model_validate(answer).model_dump() == answer
    assert find_classes(answer["outputs"]) == [TROUSER, DRESS]


@pytest.mark.parametrize("name", [{}, {"signature_name": ""}], ids=["none", "empty"])
def test_default_signature_takes_floats(service: Service, name: dict[str, str]) -> None:
    """Without the name of a signature, pixels are from 0 to 1."""
    answer = read_json(predict(service, {**name, "instances": floats(DRESS)}))
    assert find_classes(answer["predictions"]) == [DRESS]


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 1), (784,)], ids=str)
@pytest.mark.parametrize(("signature", "make"), [("serving_default", floats), ("pixels", pixels)])
def test_every_shape_is_read(service: Service, signature: str, make: Any, shape: tuple[int, ...]) -> None:  # noqa: ANN401  # one of two functions
    """An image is rows, rows of lists of one pixel, or one list."""
    body = {"signature_name": signature, "instances": make(TROUSER, DRESS, shape=shape)}
    assert find_classes(read_json(predict(service, body))["predictions"]) == [TROUSER, DRESS]


def test_pictures_may_stand_in_lists_of_one(service: Service) -> None:
    """The tensor of pictures may have the shape `[n, 1]`."""
    body = {"signature_name": "images", "inputs": [[picture] for picture in pictures(TROUSER, DRESS)]}
    assert find_classes(read_json(predict(service, body))["outputs"]) == [TROUSER, DRESS]


def test_whole_numbers_are_floats_too(service: Service) -> None:
    """In the default signature, 0 and 1 need no decimal point."""
    rows = [[0] * 28 for _ in range(28)]
    rows[27][27] = 1  # 255, the last pixel: a novelty of 25.5, over the threshold of 2
    answer = read_json(predict(service, {"instances": [rows]}))
    assert find_classes(answer["predictions"]) == [0]


def test_floats_are_pixels_rounded_to_the_nearest(service: Service) -> None:
    """The engine takes whole pixels."""
    rows = pixels(0)
    rows[0][0][0], rows[0][27][27] = 2.51, 2.49
    details = read_json(predict(service, {"signature_name": "details", "instances": rows}))["predictions"][0]
    assert (details["class_id"], details["novelty"]) == (3, pytest.approx(0.1))


def test_images_with_and_without_fractions_stand_together(service: Service) -> None:
    """An image of whole numbers, all of them 0 or 1, may stand beside one of fractions."""
    rows = pixels(TROUSER, DRESS)
    rows[1][0][0] = 3.2
    body = {"signature_name": "pixels", "instances": rows}
    assert find_classes(read_json(predict(service, body))["predictions"]) == [TROUSER, DRESS]


def test_default_signature_can_be_of_0_to_255() -> None:
    """The operator says what the default signature takes; the other signatures are the same."""
    service = fake_service(serving_default_range="0-255")
    bodies: list[dict[str, Any]] = [{"instances": pixels(9)}, {"signature_name": "pixels", "instances": pixels(9)}]
    assert [find_classes(read_json(predict(service, body))["predictions"]) for body in bodies] == [[9], [9]]
    assert "multiply them by 255" in refuse(service, {"instances": floats(9)})


def test_details_are_all_outputs_in_rows(service: Service) -> None:
    """With several outputs, a row is an object of their values."""
    rows = pixels(DRESS)
    rows[0][27][27] = 30
    answer = read_json(predict(service, {"signature_name": "details", "instances": [*pixels(TROUSER), *rows]}))
    assert RowPredictions.model_validate(answer).model_dump() == answer
    assert [list(row) for row in answer["predictions"]] == [FURTHER, FURTHER]
    first, second = answer["predictions"]
    assert find_classes([first["probabilities"], second["probabilities"]]) == [TROUSER, DRESS]
    assert [(row["label"], row["class_id"], row["novelty"], row["accepted"]) for row in (first, second)] == [
        (FASHION_MNIST_LABELS[TROUSER], TROUSER, 0, True),
        (FASHION_MNIST_LABELS[DRESS], DRESS, 1.5, False),
    ]
    assert first["probability"] == pytest.approx(0.91)


def test_details_are_all_outputs_in_columns(service: Service) -> None:
    """With several outputs, `outputs` is an object of them."""
    answer = read_json(predict(service, {"signature_name": "details", "inputs": pixels(TROUSER, DRESS)}))
    assert ColumnPredictions.model_validate(answer).model_dump() == answer
    outputs = answer["outputs"]
    assert list(outputs) == FURTHER
    assert find_classes(outputs["probabilities"]) == [TROUSER, DRESS]
    assert (outputs["class_id"], outputs["accepted"]) == ([TROUSER, DRESS], [True, True])
    assert outputs["label"] == [FASHION_MNIST_LABELS[TROUSER], FASHION_MNIST_LABELS[DRESS]]


def test_model_without_novelty_has_none_in_its_details() -> None:
    """Only outputs that the model has are there."""
    answer = read_json(predict(fake_service(), {"signature_name": "details", "instances": pixels(DRESS)}))
    assert list(answer["predictions"][0]) == FURTHER[:4]


def test_names_are_those_of_the_settings() -> None:
    """The model, its version, its input and its first output are called what the operator says."""
    service = fake_service(
        served_name="fashion_model", served_version=3, served_input="Conv1_input", served_output="Dense"
    )
    body = {"signature_name": "details", "instances": [{"Conv1_input": row} for row in pixels(DRESS)]}
    answer = read_json(predict(service, body, path=("fashion_model", "3")))
    assert next(iter(answer["predictions"][0])) == "Dense"
    assert "Inputs expected to be in the set {Conv1_input}" in refuse(
        service, {"inputs": {"image": pixels(DRESS)}}, path=("fashion_model",)
    )


def test_answer_names_the_model_that_is_in_force(service: Service) -> None:
    """The version of the native API is in a header: the model may change while it runs."""
    headers = dict(predict(service, {"instances": floats(DRESS)}).headers)
    assert headers == {b"cache-control": b"no-store", b"x-model-version": b"0123456789ab"}


def test_other_members_are_ignored(service: Service) -> None:
    """What the protocol does not know is passed over."""
    body = {"instances": floats(DRESS), "parameters": {"x": 1}, "id": None}
    assert find_classes(read_json(predict(service, body))["predictions"]) == [DRESS]


@pytest.mark.parametrize(("signature", "scale"), [("serving_default", 255), ("pixels", 1)])
@pytest.mark.parametrize("shape", [(32, 32, 3)], ids=str)
def test_model_in_colour_takes_colours(signature: str, scale: int, shape: tuple[int, ...]) -> None:
    """Each pixel is a list of three."""
    image = np.zeros(shape, np.uint8)
    image[0, 0] = (7, 200, 100)
    values = (image / scale if scale > 1 else image).tolist()
    service = fake_service(model=fake_colour_model())
    answer = read_json(predict(service, {"signature_name": signature, "instances": [values]}))
    assert find_classes(answer["predictions"]) == [7]


def edit(rows: list[Any], value: object) -> list[Any]:
    """Put a value in place of the pixel in row 2 and column 5 of the last image."""
    rows[-1][2][5] = value
    return rows


NAN, INFINITY = float("nan"), float("inf")
YES = True
RANGE = "must be a number from 0 to 1, not"
PLACE = "instances[1][2][5]: "
MISTAKES: dict[str, tuple[object, str]] = {
    # The body
    "empty": (b"", "the body is not JSON"),
    "no JSON": (b"instances=1", "the body is not JSON: see line 1 column 1"),
    "cut": (b'{"instances": [[', "the body is not JSON"),
    "null": (None, "the body must be an object, not null"),
    "a list": (floats(1), "the body must be an object, not a list"),
    "invalid UTF-8": (b'{"signature_name": "\xff"}', "the body is not JSON"),
    "a byte-order mark": (b"\xef\xbb\xbf{}", "the body begins with a byte-order mark"),
    "UTF-16": ('{"instances": []}'.encode("utf-16"), "JSON is sent in UTF-8"),
    "a hundred thousand brackets": (b'{"instances": ' + b"[" * 100_000, "the body"),
    "a hundred thousand empty lists": (b'{"instances": [' + b"[]," * 500_000 + b"[]]}", "far more lists"),
    "neither instances nor inputs": ({}, "one of `instances` and `inputs`, but neither is there"),
    "both": ({"instances": floats(1), "inputs": floats(1)}, "one of `instances` and `inputs`, but both are there"),
    # The signature
    "an unknown signature": (
        {"signature_name": "nope", "instances": floats(1)},
        'Serving signature key "nope" not found; there are serving_default, pixels, images, details',
    ),
    "a signature that is a number": ({"signature_name": 1, "instances": []}, "signature_name: must be a string, not a"),
    "a signature that is null": ({"signature_name": None, "instances": []}, "signature_name: must be a string, not nu"),
    # Rows and columns
    "instances that are null": ({"instances": None}, "instances: must be a list, not null"),
    "instances that are an object": ({"instances": {"image": []}}, "instances: must be a list, not an object"),
    "no instances": ({"instances": []}, "instances: holds 0 images, but one request may hold 1 to 4"),
    "too many instances": ({"instances": floats(1) * 5}, "instances: holds 5 images, but one request may hold 1 to 4"),
    "inputs that are a number": ({"inputs": 1}, "inputs: must be a list, not a number"),
    "no inputs": ({"inputs": {}}, "the signature serving_default takes one input, image, but the request has 0"),
    "an input that is an object": ({"inputs": {"image": {}}}, "inputs.image: must be a list, not an object"),
    "an empty input": ({"inputs": {"image": []}}, "inputs.image: holds 0 images"),
    "a wrong name of an input": (
        {"inputs": {"picture": floats(1)}},
        "input tensor alias not found in signature: picture. Inputs expected to be in the set {image}.",
    ),
    "another input": ({"inputs": {"image": floats(1), "x": 1}}, "input tensor alias not found in signature: x."),
    "a wrong name in a row": ({"instances": [{"picture": floats(1)[0]}]}, "not found in signature: picture."),
    "another name in a row": ({"instances": [{"image": floats(1)[0], "x": 1}]}, "not found in signature: x."),
    "a row without a name": ({"instances": [{}]}, "takes one input, image, but the request has 0"),
    "rows with and without a name": (
        {"instances": [{"image": floats(1)[0]}, *floats(1)]},
        "instances[1]: must be an object by input names, as others of the list are",
    ),
    # Shapes
    "numbers in place of images": ({"instances": [1.0, 2.0]}, "instances[0]: must be a list, not a number"),
    "an image that is null": ({"instances": [None]}, "instances[0]: must be a list, not null"),
    "an empty image": ({"instances": [[]]}, "instances: has the shape [1, 0], but must have [n, 28, 28, 1] or"),
    "empty rows": ({"instances": [[[]] * 28]}, "has the shape [1, 28, 0]"),
    "a row too few": ({"instances": [floats(1)[0][1:]]}, "has the shape [1, 27, 28]"),
    "too many rows with names": (
        {"instances": [{"x": 1}] * 5},
        "instances: holds 5 images, but one request may hold 1 to 4",
    ),
    "one image in place of a list": ({"instances": floats(1)[0]}, "instances: holds 28 images"),
    "one list too many": ({"instances": [floats(1)]}, "has the shape [1, 1, 28, 28]"),
    "five lists within one another": ({"instances": [[[[[[1.0]]]]]]}, "more than 4 lists within one another"),
    "a short row": ({"instances": [[*floats(1)[0][1:], [0.0]]]}, "instances[0]: is ragged"),
    "a pixel in place of a row": ({"instances": [[*floats(1)[0][1:], 0.0]]}, "instances[0]: is ragged"),
    "images of two shapes": (
        {"instances": [*floats(1), *floats(1, shape=(784,))]},
        "instances[1]: has the shape [784], but the image before it [28, 28]",
    ),
    # Numbers
    "NaN": ({"instances": edit(floats(1, 3), NAN)}, f"{PLACE}{RANGE} nan"),
    "Infinity": ({"instances": edit(floats(1, 3), INFINITY)}, f"{PLACE}{RANGE} inf"),
    "a negative number": ({"instances": edit(floats(1, 3), -0.1)}, f"{PLACE}{RANGE} -0.1"),
    "a pixel over 1": (
        {"instances": edit(floats(1, 3), 1.5)},
        f"{PLACE}{RANGE} 1.5; the signature pixels takes pixels from 0 to 255",
    ),
    "a pixel over 255": ({"instances": edit(floats(1, 3), 1e9)}, f"{PLACE}{RANGE} 1000000000.0"),
    "a whole number of 400 digits": ({"instances": edit(floats(1, 3), 10**400)}, f"{PLACE}must be a number (FP64)"),
    "text": ({"instances": edit(floats(1, 3), "0.5")}, f"{PLACE}must be a number (FP64), not a string"),
    "a boolean": ({"instances": edit(floats(1, 3), YES)}, f"{PLACE}must be a number (FP64), not a boolean"),
    "null as a pixel": ({"instances": edit(floats(1, 3), None)}, f"{PLACE}must be a number (FP64), not null"),
    "an object as a pixel": ({"instances": edit(floats(1, 3), {})}, f"{PLACE}must be a number (FP64), not an object"),
    "256": (
        {"signature_name": "pixels", "instances": edit(pixels(1, 3), 256)},
        f"{PLACE}must be a whole number from 0 to 255 (UINT8), not 256",
    ),
    "-1": (
        {"signature_name": "details", "instances": edit(pixels(1, 3), -1)},
        f"{PLACE}must be a whole number from 0 to 255 (UINT8), not -1",
    ),
    "NaN among pixels": (
        {"signature_name": "pixels", "inputs": {"image": edit(pixels(1, 3), NAN)}},
        "image[1][2][5]: must be a number from 0 to 255, not nan",
    ),
    "a boolean among pixels": (
        {"signature_name": "pixels", "instances": edit(pixels(1, 3), YES)},
        f"{PLACE}must be a whole number from 0 to 255 (UINT8), not a boolean",
    ),
    "pixels from 0 to 1 in another signature": (
        {"signature_name": "pixels", "instances": floats(1, 3)},
        "instances: has pixels from 0 to 1, where they must be from 0 to 255; the signature serving_default takes",
    ),
    # Picture files
    "a picture in a signature of numbers": (
        {"instances": pictures(1)},
        "send picture files to the signature images; serving_default takes numbers, of the type DT_FLOAT",
    ),
    "numbers in place of pictures": (
        {"signature_name": "images", "instances": pixels(1)},
        'instances[0]: must be {"b64": "…"} and nothing else, a picture file in base64; the signature pixels takes',
    ),
    "text in place of pictures": (
        {"signature_name": "images", "instances": ["GIF89a"]},
        'instances[0]: must be {"b64": "…"} and nothing else',
    ),
    "a tensor of another protocol": (
        {"inputs": [{"name": "image", "shape": [1, 28, 28, 1], "datatype": "UINT8", "data": []}]},
        "inputs[0]: must be an image as rows of numbers, not an object; a request of the Open Inference Protocol",
    ),
    "another key beside b64": (
        {"signature_name": "images", "instances": [*pictures(1), pictures(1)[0] | {"x": 1}]},
        'instances[1]: must be {"b64": "…"} and nothing else',
    ),
    "b64 that is a number": ({"signature_name": "images", "inputs": [{"b64": 1}]}, "inputs[0]: must be {"),
    "b64 that is no base64": (
        {"signature_name": "images", "inputs": [{"b64": "?"}]},
        "inputs[0]: the text is not base",
    ),
    "no picture": (
        {"signature_name": "images", "instances": [{"b64": base64.b64encode(picture_files.TEXT_FILE).decode()}]},
        "instances[0]: ",
    ),
    "a picture of another size": (
        {"signature_name": "images", "instances": [{"b64": base64.b64encode(picture_files.bomb_png(29)).decode()}]},
        "instances[0]: ",
    ),
    "one picture of several that is none": (
        {"signature_name": "images", "instances": [*pictures(1), {"b64": ""}]},
        "instances[1]: ",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_named(name: str) -> None:
    """Whatever is wrong, the error says where, and what is accepted."""
    body, said = MISTAKES[name]
    assert said in refuse(fake_service(NovelClassifier(), max_images_per_request=4), body)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (("nope",), "Servable not found for request: Latest(nope)"),
        (("nope", "1"), "Servable not found for request: Specific(nope, 1)"),
        (("fake", "2"), "Servable not found for request: Specific(fake, 2)"),
        (("fake", "0123456789ab"), "Servable not found for request: Specific(fake, 0123456789ab)"),
        (("Fake",), "Servable not found for request: Latest(Fake)"),
    ],
    ids=str,
)
def test_unknown_model_is_named_to_the_letter(service: Service, path: tuple[str, ...], said: str) -> None:
    """Health checks ask for a made-up model and compare the text; the body is not looked at."""
    with pytest.raises(UnknownModelError) as caught:
        predict(service, b"{", path=path)
    assert str(caught.value) == said


@limits(deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=20))
def test_any_values_are_read_or_refused(value: object) -> None:
    """Whatever stands in the place of images, the request is answered or refused."""
    refuse(fake_service(), {"instances": value})
    refuse(fake_service(), {"signature_name": "images", "inputs": {"image": value}})
