"""Tensors: to the pixels that the model takes, and from its predictions."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashion_api.errors import InvalidRequestError
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.manifest import InputSpec
from fashion_api.pictures.resizing import Resize
from fashion_api.settings import FASHION_MNIST_LABELS
from fashion_api.wire.operation import finish_steps
from fashion_api.wire.sized_images import SizedImages
from fashion_api.wire.tensors import (
    NUMBERS,
    PixelRange,
    Tensor,
    compute_output,
    describe_classes,
    flatten,
    list_outputs,
    list_shapes,
    pack_bytes,
    parse_numbers,
    read_tensor,
    unpack_bytes,
    unpack_numbers,
)
from tests import picture_files
from tests.fakes import NovelClassifier, fake_model

SPEC = InputSpec(height=2, width=3)
COLOUR = InputSpec(height=2, width=2, channels=3)
GREYS = np.array([0, 1, 2, 253, 254, 255], np.uint8)
PICTURES = InputSpec(height=28, width=28)


def read(  # noqa: PLR0913  # what a tensor is read by
    values: Any,  # noqa: ANN401  # as in `Tensor`
    shape: Sequence[int] = (1, 2, 3, 1),
    datatype: str = "UINT8",
    *,
    pixel_range: PixelRange = "0-255",
    spec: InputSpec = SPEC,
    resize: Resize | None = None,
) -> SizedImages:
    """Read a tensor of up to two images."""
    tensor = Tensor("image", datatype, shape, values)
    steps = read_tensor(tensor, spec, max_images=2, pixel_range=pixel_range, resize=resize, advice=" (say so)")
    return finish_steps(steps)


def refuse(*arguments: Any, **options: Any) -> str:  # noqa: ANN401  # of `read`
    """Read a tensor that is refused; gives what is said."""
    with pytest.raises(InvalidRequestError) as caught:
        read(*arguments, **options)
    return str(caught.value)


@pytest.mark.parametrize("shape", [(1, 2, 3, 1), (1, 2, 3), (1, 6)], ids=str)
@pytest.mark.parametrize("datatype", sorted(NUMBERS.keys() - {"INT8", "BF16"}))
def test_pixels_of_every_type_and_shape_are_read(datatype: str, shape: Sequence[int]) -> None:
    """Pixels from 0 to 255 are read as numbers of any type that holds them, in each of three shapes."""
    images = read(GREYS.astype(NUMBERS[datatype]), shape, datatype).images
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, GREYS.reshape(1, 2, 3))


def test_pixels_in_colour_are_read() -> None:
    """A model in colour takes one shape, with its channels last."""
    pixels = np.arange(24, dtype=np.uint8)
    np.testing.assert_array_equal(read(pixels, (2, 2, 2, 3), spec=COLOUR).images, pixels.reshape(2, 2, 2, 3))
    assert "must have [n, 2, 2, 3]" in refuse(pixels, (2, 2, 2), spec=COLOUR)


@pytest.mark.parametrize(("value", "pixel"), [(0.0, 0), (0.4, 0), (0.6, 1), (127.5, 128), (254.6, 255), (255.0, 255)])
def test_floats_are_rounded_to_the_nearest_pixel(value: float, pixel: int) -> None:
    """Floats from 0 to 255 become whole pixels."""
    values = np.array([value, 2, 2, 2, 2, 2], np.float32)
    assert read(values, datatype="FP32").images[0, 0, 0] == pixel


@settings(deadline=None)
@given(st.integers(0, 255), st.sampled_from(["FP16", "FP32", "FP64"]))
def test_pixels_from_0_to_1_are_scaled(pixel: int, datatype: str) -> None:
    """A pixel that was divided by 255 is the same pixel again."""
    values = np.full(6, pixel / 255).astype(NUMBERS[datatype])
    assert read(values, datatype=datatype, pixel_range="0-1").images.tolist() == [[[pixel] * 3] * 2]


def test_floats_up_to_1_must_be_declared() -> None:
    """Floats with no value over 1 are refused with the words that declare them; black alone is right in both ranges."""
    assert "must be from 0 to 255 (say so)" in refuse(np.eye(2, 3, dtype=np.float32).ravel(), datatype="FP32")
    assert not read(np.zeros(6, np.float32), datatype="FP32").images.any()
    assert read(np.array([1, 0, 0, 0, 0, 1], np.uint8)).images.sum() == 2


@pytest.mark.parametrize(
    ("value", "datatype", "pixel_range", "message"),
    [
        (256, "UINT16", "0-255", "must be a whole number from 0 to 255, not 256"),
        (-1, "INT8", "0-255", "must be a whole number from 0 to 255, not -1"),
        (2**63, "UINT64", "0-255", "not 9223372036854775808"),
        (np.nan, "FP32", "0-255", "must be a number from 0 to 255, not nan"),
        (np.inf, "FP16", "0-255", "not inf"),
        (-0.1, "FP64", "0-255", "not -0.1"),
        (1.1, "FP64", "0-1", "must be a number from 0 to 1, not 1.1"),
        (np.nan, "FP64", "0-1", "from 0 to 1, not nan"),
    ],
    ids=str,
)
def test_pixel_outside_the_range_is_named(value: float, datatype: str, pixel_range: PixelRange, message: str) -> None:
    """Nothing is clipped or wrapped: the image, the row and the column are said."""
    values = np.zeros(12, NUMBERS[datatype])
    values[10] = value
    said = refuse(values, (2, 2, 3), datatype, pixel_range=pixel_range)
    assert said.startswith("image[1][1][1]: ")
    assert message in said


def test_whole_numbers_are_no_pixels_from_0_to_1() -> None:
    """Pixels from 0 to 1 must be floats, so that a mask of 0 and 1 is not taken for black and white unnoticed."""
    assert "must be floats" in refuse(GREYS, pixel_range="0-1")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((), "has the shape [], but must have [n, 2, 3, 1] or [n, 2, 3] or [n, 6]"),
        ((6,), "has the shape [6]"),
        ((1, 3, 2), "has the shape [1, 3, 2]"),
        ((1, 1, 2, 3), "has the shape [1, 1, 2, 3]"),
        ((0, 6), "holds 0 images, but one request may hold 1 to 2"),
        ((-1, 6), "holds -1 images"),
        ((3, 6), "holds 3 images"),
        ((2**62, 6), "holds 4611686018427387904 images"),
        ((2**62, 2**62), "has the shape [4611686018427387904, 4611686018427387904]"),
        ((2, 6), "has 6 values, but its shape [2, 6] means 12"),
        ((1,) * 7, "has the shape [1, 1, 1, 1, 1, …]"),
        ((10**1000, 6), "images"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_wrong_shape_is_named(shape: Sequence[int], message: str) -> None:
    """A shape that does not fit the model or the values is refused, and the right ones are said."""
    assert message in refuse(GREYS, shape)


@pytest.mark.parametrize("shape", [(2,), (2, 1)], ids=str)
def test_picture_files_are_read(shape: Sequence[int]) -> None:
    """Byte strings are picture files, by the rules of uploads."""
    files = [picture_files.grey_png(), picture_files.grey_jpeg()]
    assert read(files, shape, "BYTES", spec=PICTURES).images.shape == (2, 28, 28)


def test_picture_files_of_other_sizes_are_resized_where_they_may_be() -> None:
    """A picture of another size is refused or resized, as who runs the service has set."""
    file = picture_files.grey_png(picture_files.make_pixels(56, 56))
    assert "image[0]: the picture is 56×56 pixels" in refuse([file], (1,), "BYTES", spec=PICTURES)
    assert read([file], (1,), "BYTES", spec=PICTURES, resize="fit").resized == {0: "fit"}


def test_wrong_picture_files_are_named() -> None:
    """Each broken file is named by its place."""
    assert refuse([b"hello"], (1,), "BYTES").startswith("image[0]: this is not a picture")
    said = refuse([picture_files.grey_png(), b"hello"], (2,), "BYTES", spec=PICTURES)
    assert said.startswith("image[1]: this is not a picture")
    assert "but must have [n] or [n, 1]" in refuse([b""], (1, 1, 1), "BYTES")


@pytest.mark.parametrize("datatype", sorted(NUMBERS.keys() - {"BF16"}))
def test_numbers_are_unpacked(datatype: str) -> None:
    """Little-endian bytes become the numbers that they were."""
    values = np.array([0, 1, 100], NUMBERS[datatype])
    np.testing.assert_array_equal(unpack_numbers("image", values.tobytes(), datatype), values)
    if values.itemsize > 1:
        with pytest.raises(InvalidRequestError, match=f"bytes, but each {datatype} has {values.itemsize}"):
            unpack_numbers("image", values.tobytes()[1:], datatype)


def test_numbers_of_bf16_are_unpacked() -> None:
    """BF16 is the upper half of a float32."""
    values = np.array([0.0, 1.0, -2.5, 255.0, np.inf], np.float32)
    packed = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    np.testing.assert_array_equal(unpack_numbers("image", packed, "BF16"), values)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=20), max_size=5))
def test_byte_strings_are_unpacked_as_they_were_packed(elements: list[bytes]) -> None:
    """Packing and unpacking changes nothing, and any cut is noticed."""
    packed = pack_bytes(elements)
    assert unpack_bytes("image", packed, most=9) == unpack_bytes("image", memoryview(packed), most=9) == elements
    assert len(packed) == sum(4 + len(element) for element in elements)
    if packed and elements[-1]:
        with pytest.raises(InvalidRequestError, match="is cut short"):
            unpack_bytes("image", packed[:-1], most=9)


def test_lengths_are_little_endian() -> None:
    """A length has four bytes, the lowest first."""
    assert pack_bytes([b"a" * 258]) == b"\x02\x01\0\0" + b"a" * 258


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_half_a_length_is_cut_short(cut: int) -> None:
    """Fewer bytes than a length has are no element."""
    with pytest.raises(InvalidRequestError, match=r"image\[1\]: is cut short"):
        unpack_bytes("image", pack_bytes([b"abc"]) + bytes(cut), most=9)


@pytest.mark.parametrize(
    ("data", "shape"),
    [([1, 2, 3], (3,)), ([[1, 2], [3, 4]], (2, 2)), ([[[[1], [2]]]], (1, 1, 2, 1)), ([], (0,)), ([[], []], (2, 0))],
    ids=str,
)
def test_lists_are_flattened(data: list[Any], shape: tuple[int, ...]) -> None:
    """Nested lists become a flat one, row by row, and their shape."""
    values, found = flatten("image", data)
    assert found == shape
    assert values == np.array(data).ravel().tolist()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([[1], [2, 3]], "is ragged"),
        ([[1], 2], "is ragged"),
        ([1, [2]], "not a list"),
        ([[[1]], [2]], "is ragged"),
        ([[[[[1]]]]], "has more than 4 lists"),
        ({}, "must be a list, not an object"),
        (None, "must be a list, not null"),
        (1, "must be a list, not a number"),
    ],
    ids=str,
)
def test_ragged_lists_are_refused(data: object, message: str) -> None:
    """Lists of other forms are no tensor."""
    with pytest.raises(InvalidRequestError, match=message):
        parse_numbers("image", flatten("image", data)[0], "UINT8")


@pytest.mark.parametrize("datatype", ["UINT8", "INT64", "FP32", "FP64"])
def test_numbers_of_json_are_parsed(datatype: str) -> None:
    """Whole numbers are read for any type, also those that are written as 1.0."""
    assert parse_numbers("image", [0, 1.0, 100], datatype).tolist() == [0, 1, 100]
    assert parse_numbers("image", [], datatype).tolist() == []


def test_floats_of_json_are_parsed() -> None:
    """Fractions, NaN and infinity are read for floats, so that the range of pixels can name them."""
    values = parse_numbers("image", [0.5, 1, float("nan"), float("-inf"), 1e300], "FP32")
    np.testing.assert_array_equal(values, [0.5, 1, np.nan, -np.inf, 1e300])


@pytest.mark.parametrize(
    ("value", "datatype", "message"),
    [
        (256, "UINT8", "must be a whole number from 0 to 255 (UINT8), not 256"),
        (-1, "UINT64", "from 0 to 18446744073709551615 (UINT64), not -1"),
        (128, "INT8", "from -128 to 127 (INT8), not 128"),
        (2**63, "INT64", "(INT64), not 9.22337e+18"),
        (10**400, "UINT8", "not a number of more than 300 digits"),
        (10**400, "FP32", "must be a number (FP32), not a number of more than 300 digits"),
        (1.5, "UINT8", "not 1.5"),
        (float("nan"), "UINT8", "not nan"),
        (float("inf"), "INT32", "not inf"),
        (True, "UINT8", "not a boolean"),
        (True, "FP32", "must be a number (FP32), not a boolean"),
        ("1", "UINT8", "not a string"),
        (None, "FP64", "not null"),
        ([], "UINT8", "not a list"),
        ({}, "UINT8", "not an object"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_value_that_is_no_number_of_the_type_is_named(value: object, datatype: str, message: str) -> None:
    """The first wrong value is named by its place, in lists or in images."""
    values = [0, 0, 0, 0, 1.5 if datatype.startswith("FP") else 2, value, "x", 0]
    for shape, place in (((), "image[5]"), ((2, 2, 2), "image[1][0][1]"), ((2, 2), "image[5]"), ((-1, -8), "image[5]")):
        with pytest.raises(InvalidRequestError) as caught:
            parse_numbers("image", values, datatype, shape)
        assert str(caught.value).startswith(f"{place}: must be")
        assert message in str(caught.value)


def test_shapes_of_a_model_are_listed() -> None:
    """A grey model takes three shapes; the first is the one that metadata name."""
    assert list_shapes(SPEC) == [(-1, 2, 3, 1), (-1, 2, 3), (-1, 6)]
    assert list_shapes(COLOUR) == [(-1, 2, 2, 3)]


def test_outputs_are_listed_as_far_as_the_model_has_them() -> None:
    """A model that scores no novelty has neither that nor acceptance."""
    names = [[output.key for output in list_outputs(fake_model(found))] for found in (None, NovelClassifier())]
    assert names == [
        ["probabilities", "label", "class_id", "probability"],
        ["probabilities", "label", "class_id", "probability", "novelty", "accepted"],
    ]


def test_outputs_are_computed() -> None:
    """Each output has the values, the type and the shape that the list names."""
    model = fake_model(NovelClassifier())
    probabilities = np.full((2, 10), 0.01, np.float32)
    probabilities[[0, 1], [9, 1]] = 0.91
    predictions = Predictions(probabilities, np.array([1.0, 2.1], np.float32))
    found = {output.key: compute_output(output.key, model, predictions) for output in list_outputs(model)}
    types = {"FP32": np.float32, "INT64": np.int64, "BOOL": np.bool_, "BYTES": np.object_}
    for output in list_outputs(model):
        assert found[output.key].dtype == types[output.datatype]
        assert found[output.key].shape == (2, *output.shape[1:])
    assert found["label"].tolist() == [b"Ankle boot", b"Trouser"]
    assert found["class_id"].tolist() == [9, 1]
    np.testing.assert_array_equal(found["probability"], np.array([0.91, 0.91], np.float32))
    np.testing.assert_allclose(found["novelty"], [0.5, 1.05])
    assert found["accepted"].tolist() == [True, False]


def test_novelty_of_a_model_without_one_is_an_error() -> None:
    """Who asks for what `list_outputs` does not name has made a mistake."""
    with pytest.raises(ValueError, match="novelty is no output"):
        compute_output("novelty", fake_model(), Predictions(np.full((1, 10), 0.1, np.float32)))


def test_classes_are_described() -> None:
    """The most probable come first, the lower index among equals, and no more than there are."""
    rows = np.array([[0.25, 0.5, 0.25], [0.1234565, 0.0, 0.8765435]], np.float32)
    labels = FASHION_MNIST_LABELS[:3]
    assert describe_classes(rows, labels, 2) == [
        ["0.500000:1:Trouser", "0.250000:0:T-shirt/top"],
        ["0.876544:2:Pullover", "0.123457:0:T-shirt/top"],
    ]
    assert [len(row) for row in describe_classes(rows, labels, 99)] == [3, 3]
