"""Flaws of images that the generators of training draw."""

import numpy as np
import pytest

from fashion_api.images import Images
from fashion_api.pictures.flaws import Flaw, find_flaws
from fashion_api.training.synthetic.corruptions import lower_contrast, shift
from fashion_api.training.synthetic.out_of_distribution import turn
from fashion_api.training.synthetic.poor_pictures import shrink


def make_shirts(count: int = 20) -> Images:
    """Draw light shirts with two sleeves and a random texture on black: uint8[count, 28, 28]."""
    shirts = np.zeros((count, 28, 28), np.uint8)
    texture = np.random.default_rng(0).integers(150, 230, (count, 28, 14))
    shirts[:, :, 7:14] = texture[:, :, :7]
    shirts[:, :, 14:21] = texture[:, :, 6::-1]
    shirts[:, 2:9, 2:26] = 200
    shirts[:, :3, 12:16] = 0
    return shirts


def find_all(images: Images) -> set[tuple[Flaw, ...]]:
    return {tuple(find_flaws(image)) for image in images}


def test_upright_article_has_no_flaw() -> None:
    """An article that fills the image, light on black, has no flaw."""
    assert find_all(make_shirts()) == {()}


@pytest.mark.parametrize("name", ["turned by 90°", "turned by 270°", "transposed"])
def test_article_turned_by_90_degrees_is_turned(name: str) -> None:
    """A shirt that lies on its side is found to be turned."""
    assert find_all(turn(make_shirts())[name]) == {("turned",)}


def test_article_a_pixel_beside_the_middle_is_not_turned() -> None:
    """A striped bag that was padded unevenly is not found to be turned, though its mirror image is beside it."""
    bag = np.zeros((1, 28, 28), np.uint8)
    bag[:, 5:23, 4:25] = 200
    bag[:, 5:23, 5:25:2] = 60
    assert find_all(np.roll(bag, 1, axis=2)) == {()}


def test_low_contrast_is_found() -> None:
    """An image with a fifth of the contrast, on grey, has low contrast."""
    assert find_all(lower_contrast(make_shirts(), 0.2, np.random.default_rng(0)) + np.uint8(40)) == {("low-contrast",)}


def test_small_article_is_found() -> None:
    """An article on less than half of the height and width is too small, one on 20 of 28 pixels is not."""
    assert find_all(shrink(make_shirts(), 0.4)) == {("too-small",)}
    assert find_all(shrink(make_shirts())) == {()}


def test_article_that_leaves_the_image_is_at_an_edge() -> None:
    """An article shifted by ten pixels, straight or diagonally, is cut off at an edge."""
    assert find_all(shift(make_shirts(), 10, np.random.default_rng(0))) == {("at-edge",)}


def test_dark_image_is_found() -> None:
    """An image at a fifth of its brightness is too dark."""
    assert find_all(make_shirts() // 5) == {("too-dark",)}


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (28, 28)], ids=str)
@pytest.mark.parametrize("grey", [0, 255])
def test_plain_image_has_a_flaw_of_its_greys(shape: tuple[int, int], grey: int) -> None:
    """An image of one grey, of any size, is too dark or has no contrast."""
    assert find_flaws(np.full(shape, grey, np.uint8)) == (["too-dark"] if grey == 0 else ["low-contrast"])


@pytest.mark.parametrize(
    ("image", "flaws"),
    [
        (np.full((8, 8, 3), 9, np.uint8), ["too-dark"]),
        (np.full((8, 8, 3), (255, 0, 90), np.uint8), ["low-contrast"]),
        (np.repeat(np.arange(192, dtype=np.uint8).reshape(8, 8, 3), 1, axis=0), []),
    ],
    ids=["dark", "of one colour", "at an edge"],
)
def test_picture_in_colour_is_judged_by_its_light_only(image: Images, flaws: list[Flaw]) -> None:
    """Where the background need not be black, no place or size of a thing can be told."""
    assert find_flaws(image) == flaws
