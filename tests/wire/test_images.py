"""The pydantic type of one image in JSON."""

import base64
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from fashion_api.errors import MAX_FAULTS, Fault
from fashion_api.inference.manifest import InputSpec
from fashion_api.wire.images import ImageContext, OtherSize, Pixels
from fashion_api.wire.validation import list_faults
from tests import picture_files as pictures
from tests.fakes import GREY

ADAPTER: TypeAdapter[bytes | OtherSize] = TypeAdapter(Pixels)
ROWS = pictures.PIXELS.tolist()
FAST = ImageContext(GREY, max_images=1, may_hold_booleans=False)
CAREFUL = ImageContext(GREY, max_images=1)

contexts = pytest.mark.parametrize("context", [FAST, CAREFUL], ids=["fast", "careful"])


def find_faults(value: object, context: ImageContext = CAREFUL) -> list[Fault]:
    with pytest.raises(ValidationError) as caught:
        ADAPTER.validate_python(value, context=context)
    return list_faults(caught.value.errors())


def replace_pixel(value: object) -> list[list[object]]:
    """An image whose pixel in row 3, column 5 is `value`."""
    rows: list[list[object]] = [list(row) for row in ROWS]
    rows[3][5] = value
    return rows


@contexts
@pytest.mark.parametrize("convert", [int, float], ids=["integers", "floats"])
def test_rows_of_whole_numbers_become_pixels(convert: type[float], context: ImageContext) -> None:
    """Rows of whole numbers, which some languages write as 9.0, give their pixels."""
    rows = [[convert(value) for value in row] for row in ROWS]
    assert ADAPTER.validate_python(rows, context=context) == pictures.PIXELS.tobytes()


@contexts
def test_base64_becomes_pixels(context: ImageContext) -> None:
    """A picture file in base64 gives its pixels."""
    text = base64.b64encode(pictures.grey_png()).decode()
    assert ADAPTER.validate_python(text, context=context) == pictures.PIXELS.tobytes()


def test_size_is_that_of_the_context() -> None:
    """An image has the height and width that the context names, which need not be equal."""
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    context = ImageContext(InputSpec(height=2, width=3), max_images=1)
    assert ADAPTER.validate_python(pixels.tolist(), context=context) == pixels.tobytes()


@contexts
@pytest.mark.parametrize(
    ("value", "shown"),
    [(256, "256"), (-1, "-1"), (0.5, "0.5"), (float("nan"), "nan"), (float("inf"), "inf"), ("7", "a string"),
     (None, "null"), (10**30, "1e+30"), (10**400, "a number of more than 300 digits"), ([1], "a list"),
     ({}, "an object"), (10**12, "1000000000000")],
    ids=["256", "-1", "0.5", "NaN", "infinity", "a string", "null", "31 digits", "401 digits", "a list", "an object",
         "13 digits"],
)  # fmt: skip
def test_wrong_pixel_is_named_with_its_place(value: object, shown: str, context: ImageContext) -> None:
    """A pixel that is no whole number from 0 to 255 is a fault at its row and column."""
    assert find_faults(replace_pixel(value), context) == [
        Fault("[3][5]", f"must be a whole number from 0 to 255, not {shown}")
    ]


@pytest.mark.parametrize("value", [True, False])
def test_boolean_is_no_pixel(*, value: bool) -> None:
    """`true` and `false` are not read as 1 and 0."""
    assert find_faults(replace_pixel(value)) == [Fault("[3][5]", "must be a whole number from 0 to 255, not a boolean")]


@contexts
@pytest.mark.parametrize(
    ("image", "fault"),
    [
        (ROWS[:27], Fault("", "has 27 rows, not 28")),
        ([], Fault("", "has 0 rows, not 28")),
        ([*ROWS[:27], ROWS[27][:27]], Fault("[27]", "has 27 values, not 28")),
        ([*ROWS[:27], 28], Fault("[27]", "must be a row of 28 whole numbers, not a number")),
        ([*ROWS[:27], "x" * 28], Fault("[27]", "must be a row of 28 whole numbers, not a string")),
        ([*ROWS[:27], dict.fromkeys("abcdefghijklmnopqrstuvwxyz12")],
         Fault("[27]", "must be a row of 28 whole numbers, not an object")),
        (5, Fault("", "must be 28 rows of 28 whole numbers, or a base64 string, not a number")),
        (None, Fault("", "must be 28 rows of 28 whole numbers, or a base64 string, not null")),
        ({}, Fault("", "must be 28 rows of 28 whole numbers, or a base64 string, not an object")),
    ],
    ids=["27 rows", "no rows", "a row of 27", "a number for a row", "a string for a row", "an object for a row",
         "a number", "null", "an object"],
)  # fmt: skip
def test_wrong_form_is_named_with_its_place(image: object, fault: Fault, context: ImageContext) -> None:
    """A value of another form is a fault, at the row that is wrong."""
    assert find_faults(image, context) == [fault]


COLOUR_ROWS = pictures.COLOURS.tolist()
COLOUR = InputSpec(height=28, width=28, channels=3)
FAST_COLOUR = FAST._replace(spec=COLOUR)
CAREFUL_COLOUR = CAREFUL._replace(spec=COLOUR)

colour_contexts = pytest.mark.parametrize("context", [FAST_COLOUR, CAREFUL_COLOUR], ids=["fast", "careful"])


def replace_colour(*place: int, value: object) -> Any:  # noqa: ANN401  # JSON
    """An image in colour with another value at a place: a row, a pixel of it, or a channel of that."""
    rows: Any = pictures.COLOURS.tolist()
    inner = rows
    for index in place[:-1]:
        inner = inner[index]
    inner[place[-1]] = value
    return rows


@colour_contexts
@pytest.mark.parametrize("convert", [int, float], ids=["integers", "floats"])
def test_rows_of_triples_become_pixels(convert: type[float], context: ImageContext) -> None:
    """For a model in colour, rows of red, green and blue give their pixels."""
    rows = [[[convert(value) for value in pixel] for pixel in row] for row in COLOUR_ROWS]
    assert ADAPTER.validate_python(rows, context=context) == pictures.COLOURS.tobytes()


@colour_contexts
@pytest.mark.parametrize(
    ("image", "fault"),
    [
        (replace_colour(3, 5, 1, value=256), Fault("[3][5][1]", "must be a whole number from 0 to 255, not 256")),
        (replace_colour(3, 5, 2, value="x"), Fault("[3][5][2]", "must be a whole number from 0 to 255, not a string")),
        (replace_colour(3, 5, 0, value=[1]), Fault("[3][5][0]", "must be a whole number from 0 to 255, not a list")),
        (replace_colour(3, 5, value=[1, 2]), Fault("[3][5]", "has 2 values, not 3")),
        (replace_colour(3, 5, value="abc"),
         Fault("[3][5]", "must be a pixel, a list of 3 whole numbers, not a string")),
        (replace_colour(3, 5, value=7), Fault("[3][5]", "must be a pixel, a list of 3 whole numbers, not 7")),
        (replace_colour(3, value=[[0, 0, 0]] * 27), Fault("[3]", "has 27 pixels, not 28")),
        (replace_colour(3, value=7), Fault("[3]", "must be a row of 28 pixels [red, green, blue], not a number")),
        (COLOUR_ROWS[:27], Fault("", "has 27 rows, not 28")),
        (None, Fault("", "must be 28 rows of 28 pixels [red, green, blue], or a base64 string, not null")),
    ],
    ids=["256", "a string", "a list", "two values", "a string for a pixel", "a number for a pixel", "27 pixels",
         "a number for a row", "27 rows", "null"],
)  # fmt: skip
def test_wrong_colour_is_named_with_its_place(image: object, fault: Fault, context: ImageContext) -> None:
    """What is wrong in an image in colour is a fault at its row, its column and its channel."""
    assert find_faults(image, context) == [fault]


@pytest.mark.parametrize("value", [True, False])
def test_boolean_is_no_colour(*, value: bool) -> None:
    """`true` and `false` are not read as 1 and 0."""
    (fault,) = find_faults(replace_colour(3, 5, 0, value=value), CAREFUL_COLOUR)
    assert fault.message == "must be a whole number from 0 to 255, not a boolean"


def test_picture_of_another_size_is_left_to_be_resized() -> None:
    """Where pictures of other sizes are resized, the file is given, as that takes longer than reading JSON."""
    content = pictures.grey_png(pictures.make_pixels(30, 40))
    context = CAREFUL._replace(resize="crop")
    assert ADAPTER.validate_python(base64.b64encode(content).decode(), context=context) == OtherSize(content, "crop")


def test_all_wrong_pixels_are_named() -> None:
    """Several wrong pixels of an image are a fault each."""
    rows = replace_pixel(256)
    rows[27][0] = -1
    assert [fault.where for fault in find_faults(rows)] == ["[3][5]", "[27][0]"]


def test_number_of_faults_is_bounded() -> None:
    """An image of wrong pixels gives no more faults than are described."""
    assert len(find_faults([["x"] * 28] * 28)) == MAX_FAULTS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not base64!", "the text is not base64"),
        (base64.b64encode(b"plain text").decode(), "not a picture of a type that is read"),
        (base64.b64encode(pictures.truncated_png()).decode(), "cut short"),
        ("", "the file is empty"),
        ("\ud800", "the text is not base64"),
    ],
    ids=["no base64", "no picture", "truncated", "empty", "a lone surrogate"],
)
def test_base64_of_no_picture_is_a_fault(text: str, message: str) -> None:
    """Text that is no base64, or base64 of no picture that is read, is one fault."""
    (fault,) = find_faults(text)
    assert fault.where == ""
    assert message in fault.message
