"""Likely mistakes in a prediction request: the message names the mistake and the form that works."""

import json
from collections.abc import Callable

import pytest

from fashion_api.errors import InvalidRequestError
from fashion_api.inference.manifest import InputSpec
from fashion_api.wire.operation import finish_steps
from fashion_api.wire.prediction_request import read_images

ROWS = [[(x + y) % 256 for x in range(28)] for y in range(28)]
WANTED = "28 rows of 28 whole numbers from 0 to 255"


def refuse(document: object, *, channels: int = 1) -> str:
    """Read a body that must be refused, and give the message."""
    with pytest.raises(InvalidRequestError) as caught:
        finish_steps(
            read_images(
                json.dumps(document).encode(), InputSpec(height=28, width=28, channels=channels), max_images=256
            )
        )
    return str(caught.value)


def of_each_pixel(change: Callable[[int], object]) -> list[list[object]]:
    """An image with every pixel changed."""
    return [[change(pixel) for pixel in row] for row in ROWS]


IMAGES = {
    "one list of values": ([pixel for row in ROWS for pixel in row], "is one list of 784 values"),
    "a list for each pixel": (of_each_pixel(lambda pixel: [pixel]), "has each pixel in a list of its own (28×28×1)"),
    "three values a pixel": (of_each_pixel(lambda pixel: [pixel] * 3), "has pixels of three values"),
    "four values a pixel": (of_each_pixel(lambda pixel: [pixel] * 4), "has pixels of four values"),
    "pixels from 0 to 1": (of_each_pixel(lambda pixel: pixel / 255), "has pixels from 0 to 1; multiply them by 255"),
    "one list too many": ([ROWS], "is in one list too many"),
}


@pytest.mark.parametrize(("image", "message"), IMAGES.values(), ids=IMAGES.keys())
def test_image_in_another_form_is_recognised(image: object, message: str) -> None:
    """An image in a usual other form is refused with one fault, which says what it is and what to send."""
    answer = refuse({"images": [image]})
    assert answer.startswith(f"images[0]: {message}")
    assert WANTED in answer


@pytest.mark.parametrize("name", ["instances", "inputs", "data", "image"])
def test_other_name_of_the_list_is_recognised(name: str) -> None:
    """A list of images under another service's name is refused, and both names are said."""
    assert refuse({name: [ROWS]}) == (
        f"images: is missing; `{name}` is not read here: name the list of images `images`"
    )


def test_missing_list_around_one_image_is_recognised() -> None:
    """An image in place of the list of images is refused, and the form that works is shown."""
    assert refuse({"images": ROWS}) == (
        'images: is one image, not a list of images; put it into a list: {"images": [image]}'
    )


def test_values_without_rows_and_list_are_recognised() -> None:
    """784 values in place of the list of images are refused as one fault."""
    assert refuse({"images": [0] * 784}).startswith("images: is one list of 784 values; send a list of images")


def test_single_wrong_pixel_keeps_its_place() -> None:
    """An image with one wrong pixel is no mistake of form: the fault has its place."""
    rows = [list(row) for row in ROWS]
    rows[3][5] = 256
    assert refuse({"images": [rows]}) == "images[0][3][5]: must be a whole number from 0 to 255, not 256"


def test_boolean_is_no_pixel_from_0_to_1() -> None:
    """It is named where it stands, also where all numbers are from 0 to 1."""
    rows: list[list[object]] = [[0] * 28 for _ in ROWS]
    rows[3][5] = True
    assert refuse({"images": [rows]}).startswith("images[0][3][5]: must be a whole number from 0 to 255, not")


WANTED_COLOURS = "send 28 rows of 28 pixels [red, green, blue], whole numbers from 0 to 255"
COLOUR_IMAGES = {
    "a grey image": (ROWS, "has pixels of one value, but this model takes images in colour"),
    "four values a pixel": (of_each_pixel(lambda pixel: [pixel] * 4), "has pixels of four values"),
    "one list of values": ([0] * 2352, "is one list of 2352 values"),
    "a plane for each colour": ([ROWS] * 3, "is 3 planes, one for each colour"),
    "one list too many": ([of_each_pixel(lambda pixel: [pixel] * 3)], "is in one list too many"),
    "colours from 0 to 1": (of_each_pixel(lambda pixel: [pixel / 255] * 3), "has pixels from 0 to 1; multiply them"),
}


@pytest.mark.parametrize(("image", "message"), COLOUR_IMAGES.values(), ids=COLOUR_IMAGES.keys())
def test_image_in_another_form_than_in_colour_is_recognised(image: object, message: str) -> None:
    """A model in colour refuses a grey image, and other forms, with one fault that says what to send."""
    answer = refuse({"images": [image]}, channels=3)
    assert answer.startswith(f"images[0]: {message}")
    assert WANTED_COLOURS in answer


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("values", [1, 3])
def test_missing_list_around_an_image_in_colour_is_recognised(channels: int, values: int) -> None:
    """An image in place of the list is refused as that, whatever the model takes."""
    image = ROWS if values == 1 else of_each_pixel(lambda pixel: [pixel] * values)
    assert "put it into a list" in refuse({"images": image}, channels=channels)


def test_three_small_grey_images_are_no_image_in_colour() -> None:
    """Three grey images of 3×3 are read as what they are."""
    images = [[[1, 2, 3]] * 3] * 3
    body = json.dumps({"images": images}).encode()
    read = finish_steps(read_images(body, InputSpec(height=3, width=3), max_images=3))
    assert read.images.tolist() == images
