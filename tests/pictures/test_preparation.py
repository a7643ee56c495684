"""Pictures of any size as the model takes them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fashion_api.errors import InvalidImageError, UnsupportedImageError
from fashion_api.pictures.decoding import decode_image
from fashion_api.pictures.preparation import WHOLE, Crop, Fit, Options, Prepared, Turn, check_crop, prepare_picture
from tests import picture_files as pictures
from tests.picture_files import COLOURS, PIXELS, Pixels

LARGE = pictures.make_pixels(336, 448)
"""Wider than high, and brightest in the lower right corner."""
KINDS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")
TURNS: dict[Turn, Callable[[Pixels], Pixels]] = {
    0: np.copy,
    90: lambda pixels: np.rot90(pixels, -1),
    180: lambda pixels: np.rot90(pixels, 2),
    270: np.rot90,
}


def prepare(  # noqa: PLR0913  # as what is tested
    content: bytes,
    *,
    height: int = 28,
    width: int = 28,
    channels: int = 1,
    crop: tuple[float, float, float, float] = WHOLE,
    turn: Turn = 0,
    invert: bool | None = False,
    fit: Fit = "stretch",
) -> Prepared:
    options = Options(check_crop(Crop(*crop)), turn, invert, fit)
    return prepare_picture(content, options, height=height, width=width, channels=channels)


def average(pixels: Pixels, height: int = 28, width: int = 28) -> Pixels:
    """Shrink by whole factors."""
    down, across = pixels.shape[0] // height, pixels.shape[1] // width
    averaged: Pixels = pixels.reshape(height, down, width, across).mean(axis=(1, 3)).astype(np.uint8)
    return averaged


def assert_close(found: Pixels, expected: NDArray[Any]) -> None:
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.astype(int), expected, atol=8)


def article(border: int, middle: int) -> bytes:
    """A square on another grey."""
    pixels = np.full((280, 280), border, np.uint8)
    pixels[70:210, 70:210] = middle
    return pictures.grey_png(pixels)


class TestValues:
    @pytest.mark.parametrize("kind", KINDS)
    def test_each_type_is_averaged(self, kind: str) -> None:
        """A large picture of each type becomes a small one that shows the same."""
        assert_close(prepare(pictures.grey_picture(kind, LARGE)).image, average(LARGE))

    def test_picture_of_the_models_size_is_left_as_it_is(self) -> None:
        """A picture that the model takes as it is has the same pixels afterwards."""
        prepared = prepare(pictures.grey_png(), invert=None, fit="contain")
        np.testing.assert_array_equal(prepared.image, PIXELS)

    def test_fine_stripes_become_grey(self) -> None:
        """Stripes finer than a pixel of the result are averaged, and make no pattern."""
        stripes = np.tile(np.array([0, 255], np.uint8), (300, 155))
        assert_close(prepare(pictures.grey_png(stripes)).image, np.full((28, 28), 127))

    def test_colour_becomes_grey(self) -> None:
        """Colours become grey as they do where nothing is prepared."""
        file = pictures.save(Image.new("RGB", (600, 400), (10, 200, 90)), "PNG")
        assert_close(prepare(file).image, np.full((28, 28), 0.299 * 10 + 0.587 * 200 + 0.114 * 90))

    def test_transparency_is_over_black(self) -> None:
        """What is transparent is black, whatever its colour, and half of it half as light."""
        clear = Image.new("RGBA", (560, 560), (255, 255, 255, 0))
        clear.paste((255, 255, 255, 128), (280, 0, 560, 560))
        expected = np.zeros((28, 28))
        expected[:, 14:] = 128
        assert_close(prepare(pictures.save(clear, "PNG")).image, expected)

    def test_deep_grey_is_rounded(self) -> None:
        """16 bits become 8."""
        file = pictures.sixteen_bit_png(LARGE.astype(np.uint16) * 257)
        assert_close(prepare(file).image, average(LARGE))

    def test_small_picture_is_enlarged(self) -> None:
        """A picture smaller than the model's images is enlarged smoothly."""
        assert_close(prepare(pictures.grey_png(pictures.make_pixels(14, 14))).image, PIXELS)

    @pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (27, 29)])
    def test_size_of_the_result(self, size: tuple[int, int]) -> None:
        """The result has the model's size, whatever the picture's is."""
        for fit in ("contain", "cover", "stretch"):
            prepared = prepare(pictures.grey_png(pictures.make_pixels(*size)), height=20, width=30, fit=fit)
            assert (prepared.image.shape, str(prepared.image.dtype)) == ((20, 30), "uint8")


class TestTurns:
    @pytest.mark.parametrize("turn", TURNS)
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_crop_is_of_the_upright_and_turned_picture(self, orientation: int, turn: Turn) -> None:
        """First EXIF's orientation is undone, then the picture is turned clockwise, then it is cropped."""
        file = pictures.exif_rotated_picture("JPEG", orientation, LARGE)
        turned = TURNS[turn](LARGE)
        height, width = turned.shape
        part = turned[height // 4 : height // 2, width // 2 : width]
        prepared = prepare(file, turn=turn, crop=(0.5, 0.25, 0.5, 0.25), height=14, width=14)
        assert_close(prepared.image, average(part, 14, 14))
        assert (prepared.source_height, prepared.source_width) == (height, width)
        assert (prepared.steps.upright, prepared.steps.turn) == (orientation > 1, turn)

    def test_crop_of_one_point_shows_a_pixel(self) -> None:
        """A crop narrower than a pixel shows the pixel that it is in."""
        prepared = prepare(pictures.grey_png(), crop=(0.9999, 0.9999, 1e-9, 1e-9))
        assert (prepared.image == PIXELS[-1, -1]).all()

    @pytest.mark.parametrize(
        "crop",
        [(0, 0, 0, 1), (0, 0, 1, 0), (-0.1, 0, 1, 1), (0.6, 0, 0.5, 1), (0, 1, 1, 1), (0, 0, float("nan"), 1)],
        ids=["no width", "no height", "left of it", "right of it", "below it", "no number"],
    )
    def test_crop_outside_of_the_picture_is_refused(self, crop: tuple[float, float, float, float]) -> None:
        """A crop that is not within the picture, or without area, is a mistake."""
        with pytest.raises(ValueError, match="must"):
            prepare(pictures.grey_png(), crop=crop)

    def test_crop_may_reach_over_the_edge_by_a_rounding_error(self) -> None:
        """The sum of two fractions may be a little over 1."""
        steps = prepare(pictures.grey_png(), crop=(0.1, 0.7, 0.9000000000000001, 0.3)).steps
        assert steps.crop.x + steps.crop.width <= 1


class TestInversion:
    @pytest.mark.parametrize(
        ("border", "middle", "inverts"),
        [(250, 30, True), (0, 200, False), (120, 30, True), (120, 200, False), (200, 250, False), (0, 0, False)],
        ids=["dark on white", "light on black", "dark on grey", "light on grey", "white on light", "nothing"],
    )
    def test_article_becomes_lighter_than_its_border(self, border: int, middle: int, *, inverts: bool) -> None:
        """A picture is inverted where its border is lighter than its middle, and only there."""
        prepared = prepare(article(border, middle), invert=None)
        assert prepared.steps.inverted is inverts
        assert prepared.image[14, 14] == (255 - middle if inverts else middle)

    @pytest.mark.parametrize("invert", [False, True])
    def test_caller_decides(self, *, invert: bool) -> None:
        """What the caller says is done, whatever the picture shows."""
        prepared = prepare(article(250, 30), invert=invert)
        assert (prepared.steps.inverted, prepared.image[14, 14]) == (invert, 225 if invert else 30)


class TestFit:
    def test_contain_adds_black(self) -> None:
        """All is shown at its aspect ratio, in the middle, with black at two sides."""
        image = prepare(pictures.grey_png(np.full((200, 400), 200, np.uint8)), fit="contain").image
        expected = np.zeros((28, 28))
        expected[7:21] = 200
        np.testing.assert_array_equal(image, expected)

    def test_black_that_is_added_stays_black_in_an_inverted_picture(self) -> None:
        """What is added is not inverted."""
        image = prepare(pictures.grey_png(np.zeros((400, 200), np.uint8)), fit="contain", invert=True).image
        assert (image[:, :7] == 0).all()
        assert (image[:, 7:21] == 255).all()

    def test_cover_cuts_two_sides_off(self) -> None:
        """The middle is shown, at its aspect ratio."""
        middle = pictures.make_pixels(280, 280)
        pixels = np.pad(middle, ((0, 0), (140, 140)), "edge")
        assert_close(prepare(pictures.grey_png(pixels), fit="cover").image, average(middle))

    def test_steps_are_reported(self) -> None:
        """What was done is said."""
        steps = prepare(pictures.grey_png(LARGE), fit="cover", crop=(0, 0, 0.5, 1)).steps
        assert (steps.fit, steps.crop, steps.upright) == ("cover", (0, 0, 0.5, 1), False)


class TestRefusals:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "empty"),
            (pictures.truncated_png(), "cut short"),
            (pictures.truncated_jpeg(), "cut short"),
            (pictures.zero_by_zero_png(), "without pixels"),
            (pictures.animated_picture("GIF"), "3 frames"),
            (pictures.animated_picture("PNG"), "3 frames"),
            (pictures.animated_picture("WEBP"), "3 frames"),
            (pictures.bomb_png(), "50000×50000"),
            (pictures.bomb_png(5000), "5000×5000"),
            (pictures.bomb_gif(), "damaged"),
            (pictures.run_length_bmp(2**24, 1), "not read"),
            (pictures.run_length_bmp() + bytes(2**18), "not read"),
            (pictures.many_scans_jpeg(33), "33 scans"),
        ],
        ids=["empty", "cut PNG", "cut JPEG", "no pixels", "GIF of frames", "PNG of frames", "WebP of frames", "bomb",
             "small bomb", "GIF bomb", "compressed BMP of many pixels",
             "compressed BMP of many bytes", "scans"],
    )  # fmt: skip
    def test_broken_and_costly_files_are_refused(self, content: bytes, message: str) -> None:
        """A damaged, animated or costly file is refused with the reason."""
        with pytest.raises(InvalidImageError, match=message):
            prepare(content)

    def test_small_compressed_bmp_is_prepared(self) -> None:
        """What is classified as it is can be prepared, too."""
        content = pictures.run_length_bmp()
        np.testing.assert_array_equal(prepare(content).image, decode_image(content, height=28, width=28))

    def test_other_files_are_refused(self) -> None:
        """A file of another type is refused as such."""
        with pytest.raises(UnsupportedImageError):
            prepare(pictures.TEXT_FILE)

    @pytest.mark.parametrize(
        ("width", "height"), [(9000, 6000), (60_000, 60_000)], ids=["54 megapixels", "the largest"]
    )
    def test_jpeg_of_too_many_pixels_is_refused_by_its_header(self, width: int, height: int) -> None:
        """A JPEG is refused for the size in its header, before its pixels are read."""
        with pytest.raises(InvalidImageError, match=f"{width}×{height}"):
            prepare(pictures.claim_jpeg_size(pictures.grey_jpeg(), width, height))

    def test_jpeg_of_separate_scans_is_refused_like_a_progressive_one(self) -> None:
        """A JPEG that has a scan for each channel is refused for their number or its size, whatever its tables hold."""
        assert prepare(pictures.separate_scans_jpeg(280, 280, 3)).source_width == 280
        for content in (pictures.separate_scans_jpeg(280, 280, 33), pictures.separate_scans_jpeg(7000, 6000, 3)):
            with pytest.raises(InvalidImageError, match="scans"):
                prepare(content)

    def test_large_progressive_jpeg_without_subsampling_is_refused(self) -> None:
        """A JPEG whose samples all have to be kept may have fewer pixels."""
        small = Image.new("RGB", (16, 16))
        fine, coarse = (
            pictures.claim_jpeg_size(pictures.save(small, "JPEG", progressive=True, subsampling=kind), 7000, 6000)
            for kind in ("4:4:4", "4:2:0")
        )
        with pytest.raises(InvalidImageError, match="progressive"):
            prepare(fine)
        assert prepare(coarse).source_width == 7000


class TestColour:
    """For a model in colour."""

    def prepare(self, content: bytes, **options: Any) -> Prepared:  # noqa: ANN401  # those of `prepare`
        prepared = prepare(content, channels=3, **{"invert": None, "fit": "contain"} | options)
        assert (str(prepared.image.dtype), prepared.image.shape) == ("uint8", (28, 28, 3))
        return prepared

    @pytest.mark.parametrize("kind", KINDS)
    def test_each_channel_is_prepared_as_a_grey_picture(self, kind: str) -> None:
        """Turned, cropped and resampled, the three channels are what they would be alone."""
        options: dict[str, Any] = {"turn": 90, "crop": (0.25, 0, 0.5, 1), "fit": "stretch", "invert": True}
        pixels = np.stack((LARGE, np.flipud(LARGE), np.full_like(LARGE, 200)), axis=-1)
        image = self.prepare(pictures.grey_picture(kind, pixels), **options).image
        for channel in range(3):
            grey = prepare(pictures.grey_png(pixels[..., channel]), **options).image
            np.testing.assert_allclose(image[..., channel].astype(int), grey, atol=20 if kind == "GIF" else 8)

    def test_picture_of_the_size_keeps_its_pixels(self) -> None:
        """A picture of the model's size that needs nothing is as it was."""
        np.testing.assert_array_equal(self.prepare(pictures.grey_png(COLOURS)).image, COLOURS)

    def test_light_border_is_no_reason_to_invert(self) -> None:
        """What is dark on light stays so, unless the caller wants it inverted."""
        assert not self.prepare(article(border=220, middle=30)).steps.inverted
        assert self.prepare(article(border=220, middle=30), invert=True).image[14, 14].tolist() == [225] * 3


def test_colour_jpeg_of_the_size_becomes_the_grey_that_is_classified() -> None:
    """A JPEG of the model's size is prepared to the pixels that it is classified by where it is not prepared."""
    content = pictures.grey_picture("JPEG", COLOURS // 128 * 255)
    prepared = prepare(content, invert=False, fit="contain")
    np.testing.assert_array_equal(prepared.image, decode_image(content, height=28, width=28))


def test_prepared_picture_can_be_classified_as_it_is() -> None:
    """What was prepared is read back without a change."""
    prepared = prepare(pictures.grey_jpeg(LARGE), invert=None, fit="contain")
    np.testing.assert_array_equal(decode_image(pictures.grey_png(prepared.image), height=28, width=28), prepared.image)
