"""The JSON body of a prediction request."""

import base64
import gc
import json
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashion_api.errors import MAX_FAULTS, FashionError, Fault, InvalidRequestError
from fashion_api.images import Images
from fashion_api.inference.manifest import InputSpec
from fashion_api.wire.examples import IMAGE_BASE64, IMAGE_ROWS
from fashion_api.wire.operation import LONG, finish_steps
from fashion_api.wire.prediction_request import PredictionRequest, read_images
from tests import picture_files as pictures
from tests.fakes import fake_test_set
from tests.wire.asking import list_places, run_steps, the_fault

SPEC = InputSpec(height=28, width=28)
SMALL = InputSpec(height=2, width=2)
BOOT = fake_test_set().images[9].tolist()
PICTURE = base64.b64encode(pictures.grey_png()).decode()


def read_body(body: bytes, spec: InputSpec = SPEC, *, max_images: int = 64) -> tuple[Images, int]:
    """Give the images of a body, and how many steps it took to read them."""
    found, steps = run_steps(read_images(body, spec, max_images=max_images))
    return found.images, len(steps)


def read(images: object) -> Images:
    return read_body(json.dumps({"images": images}).encode())[0]


def refuse(body: bytes, *, max_images: int = 64) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as caught:
        read_body(body, max_images=max_images)
    return caught.value


def replace_pixel(value: object) -> list[list[object]]:
    """An image whose pixel in row 3, column 5 is `value`."""
    rows: list[list[object]] = [list(row) for row in BOOT]
    rows[3][5] = value
    return rows


def test_images_are_read_in_their_order() -> None:
    """Arrays and pictures in base64 may stand side by side, and keep their order."""
    images = read([BOOT, PICTURE, BOOT])
    np.testing.assert_array_equal(images, np.stack([fake_test_set().images[9], pictures.PIXELS, BOOT]))


def test_each_image_is_a_step() -> None:
    """A body is read one image at a step, so that others can be served in between."""
    body = json.dumps({"images": [BOOT, PICTURE, BOOT]}).encode()
    assert read_body(body)[1] >= 3


def count_rows() -> int:
    """Count the lists there are of as many whole numbers as a row of an image has."""
    lists = (each for each in gc.get_objects() if type(each) is list and len(each) == len(BOOT[0]))
    return sum(set(map(type, each)) == {int} for each in lists)


def test_body_leaves_nothing_to_the_garbage_collector() -> None:
    """What a body was parsed into is freed at once: a cycle would keep the lists of hundreds of bodies in memory."""
    read([BOOT, PICTURE])  # what is made once
    gc.collect()
    gc.disable()
    try:
        before = count_rows()
        rows = [list(row) for row in BOOT]
        assert count_rows() == before + len(rows)
        del rows
        for _ in range(3):
            read([BOOT, PICTURE])
        assert count_rows() == before
    finally:
        gc.enable()


def test_other_fields_are_ignored() -> None:
    """Fields that are not known are ignored."""
    images, _ = read_body(json.dumps({"images": [BOOT], "comment": True}).encode())
    np.testing.assert_array_equal(images[0], BOOT)


def test_examples_of_the_documentation_are_one_image() -> None:
    """The two examples of the documentation can be sent, and are the same image."""
    images = read([IMAGE_BASE64, IMAGE_ROWS])
    np.testing.assert_array_equal(images[0], images[1])


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"[]", Fault("", "the body must be an object, not a list")),
        (b"null", Fault("", "the body must be an object, not null")),
        (b"{}", Fault("images", "is missing")),
        (b'{"images": []}', Fault("images", "is empty; at least one image is needed")),
        (b'{"images": "x"}', Fault("images", "must be a list of images, not a string")),
        (b'{"images": null}', Fault("images", "must be a list of images, not null")),
        (b'{"images": {"0": 1}}', Fault("images", "must be a list of images, not an object")),
    ],
    ids=["a list", "null", "no images", "no image", "a string", "images null", "an object"],
)
def test_body_of_another_form_is_refused(body: bytes, fault: Fault) -> None:
    """A body of another form is refused, and the message says what is accepted."""
    assert the_fault(refuse(body)) == fault


def test_body_that_is_not_json_is_refused() -> None:
    """A body that is not JSON is refused."""
    assert the_fault(refuse(b"nonsense")).message.startswith("the body is not JSON")


def test_too_many_images_are_refused_with_the_limit() -> None:
    """More images than one request may hold are refused, and the message names the limit."""
    error = refuse(json.dumps({"images": [BOOT] * 3}).encode(), max_images=2)
    assert the_fault(error) == Fault("images", "holds 3 images, but one request may hold 2")


@pytest.mark.parametrize(
    "value",
    [b"[]", b"{}", b"1", b"[" * 500 + b"]" * 500, b'{"a":' * 500 + b"1" + b"}" * 500],
    ids=["lists", "objects", "numbers", "nested lists", "nested objects"],
)
def test_far_too_many_values_are_refused_unparsed(value: bytes) -> None:
    """A large body of far more values than a request can have is refused before its end is reached."""
    error = refuse(b'{"images": [' + b",".join([value] * (1_000_000 // len(value))), max_images=2)
    assert the_fault(error) == Fault("", "the body holds far more lists or values than one request may")


def test_spaces_do_not_count_as_values() -> None:
    """A body that is large by its layout alone is read."""
    body = json.dumps({"images": [BOOT] * 2}, indent=8).encode() + b" " * 1_000_000
    assert len(read_body(body, max_images=2)[0]) == 2


def test_pixel_that_is_wrong_is_named_with_its_place() -> None:
    """The place of a wrong pixel is its image, row and column."""
    error = refuse(json.dumps({"images": [BOOT, replace_pixel(256)]}).encode())
    assert str(error) == "images[1][3][5]: must be a whole number from 0 to 255, not 256"


@pytest.mark.parametrize("value", ["true", "false", "NaN", "1" * 400], ids=["true", "false", "NaN", "400 digits"])
def test_values_that_some_parsers_take_are_no_pixels(value: str) -> None:
    """Values that are read as numbers elsewhere are refused at their place."""
    body = json.dumps({"images": [replace_pixel("?")]}).replace('"?"', value).encode()
    assert list_places(refuse(body)) == ["images[0][3][5]"]


def test_every_wrong_image_is_named() -> None:
    """Where several images are wrong, each fault of each of them is named."""
    two_faults = replace_pixel(256)
    two_faults[4][6] = -1
    error = refuse(json.dumps({"images": [two_faults, BOOT, "???", replace_pixel(-1)]}).encode())
    assert list_places(error) == ["images[0][3][5]", "images[0][4][6]", "images[2]", "images[3][3][5]"]


def test_number_of_faults_described_is_bounded() -> None:
    """A hopeless request has no more faults than are described, and its text says that there are more."""
    error = refuse(json.dumps({"images": ["???"] * 30}).encode())
    assert len(error.faults) == MAX_FAULTS
    assert str(error).endswith("(and more)")


def test_documented_form_is_rows_or_base64() -> None:
    """The JSON schema describes an image as rows of whole numbers from 0 to 255, or base64."""
    images = PredictionRequest.model_json_schema()["properties"]["images"]
    rows, text = images["items"]["anyOf"]
    assert rows["items"]["items"] == {"type": "integer", "minimum": 0, "maximum": 255}
    assert (text["type"], text["contentEncoding"]) == ("string", "base64")
    assert images["minItems"] == 1


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.integers(0, 255),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=4), children, max_size=3),
    max_leaves=8,
)
ROWS = st.lists(st.lists(st.integers(-1, 256) | JSON_VALUES, min_size=2, max_size=2), min_size=2, max_size=2)


@given(
    st.fixed_dictionaries({"images": st.lists(ROWS | JSON_VALUES, max_size=4) | JSON_VALUES})
    | st.dictionaries(st.text(max_size=4), JSON_VALUES, max_size=3)
    | JSON_VALUES
)
def test_any_json_is_read_or_refused(document: object) -> None:
    """Whatever JSON value stands at whatever place, the body gives images or one of our errors."""
    with suppress(FashionError):
        images, _ = read_body(json.dumps(document).encode(), SMALL)
        assert images.shape[1:] == (2, 2)


@given(st.lists(st.lists(st.lists(st.integers(0, 255), min_size=2, max_size=2), min_size=2, max_size=2), min_size=1))
def test_right_images_are_read_as_they_are(images: Sequence[Sequence[Sequence[int]]]) -> None:
    """Images of the right form give exactly their pixels."""
    read_back, _ = read_body(json.dumps({"images": images}).encode(), SMALL)
    assert read_back.tolist() == images


SMALL_COLOUR = InputSpec(height=2, width=2, channels=3)
_TRIPLES = st.lists(st.integers(0, 255), min_size=3, max_size=3)
_COLOUR_IMAGES = st.lists(st.lists(_TRIPLES, min_size=2, max_size=2), min_size=2, max_size=2)


@given(st.lists(_COLOUR_IMAGES, min_size=1))
def test_right_images_in_colour_are_read_as_they_are(images: Sequence[object]) -> None:
    """Images in colour of the right form give exactly their pixels."""
    read_back, _ = read_body(json.dumps({"images": images}).encode(), SMALL_COLOUR)
    assert read_back.tolist() == images


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
        max_leaves=40,
    )
)
def test_any_json_is_read_in_colour_or_refused(image: object) -> None:
    """Whatever JSON value stands for an image in colour, the body gives images or one of our errors."""
    with suppress(FashionError):
        images, _ = read_body(json.dumps({"images": [image]}).encode(), SMALL_COLOUR)
        assert images.shape == (1, 2, 2, 3)


def test_full_body_of_colours_is_read() -> None:
    """As many images in colour as one request may hold pass the limits on what is parsed."""
    images = np.arange(64 * 28 * 28 * 3, dtype=np.uint8).reshape(64, 28, 28, 3)
    body = json.dumps({"images": images.tolist()}).encode()
    read_back, _ = read_body(body, InputSpec(height=28, width=28, channels=3))
    np.testing.assert_array_equal(read_back, images)


def encode_size(height: int, width: int) -> str:
    return base64.b64encode(pictures.grey_png(pictures.make_pixels(height, width))).decode()


def test_pictures_of_other_sizes_are_resized_at_their_places() -> None:
    """Each picture of another size is resized after a step that says so, and stays at its place among the others."""
    body = json.dumps({"images": [BOOT, encode_size(56, 28), PICTURE, encode_size(28, 56)]}).encode()
    found, marks = run_steps(read_images(body, SPEC, max_images=4, resize="fit"))
    assert marks.count(LONG) == 2
    assert found.resized == {1: "fit", 3: "fit"}
    np.testing.assert_array_equal(found.images[[0, 2]], np.stack([np.array(BOOT), pictures.PIXELS]))
    assert not found.images[1, :, :7].any()  # black at two sides
    assert found.images[1, 14, 14]


def test_wrong_images_beside_those_to_resize_are_named() -> None:
    """A picture that cannot be resized is a fault at its place, as any other."""
    bomb = base64.b64encode(pictures.bomb_png()).decode()
    body = json.dumps({"images": [[], encode_size(56, 28), bomb, PICTURE, "x"]}).encode()
    with pytest.raises(InvalidRequestError) as caught:
        finish_steps(read_images(body, SPEC, max_images=5, resize="fit"))
    assert list_places(caught.value) == ["images[0]", "images[2]", "images[4]"]
