"""Heat maps by covering parts of an image."""

import numpy as np
import numpy.typing as npt
import pytest

from fashion_api.inference.occlusion import VARIANTS, cover, map_heat

LIT = np.full((28, 28), 200, np.uint8)


def heat(probabilities: list[float], height: int = 28, width: int = 28) -> npt.NDArray[np.float64]:
    return map_heat(np.array(probabilities, np.float32), height=height, width=width)


def test_first_variant_is_the_image_itself() -> None:
    """The image is classified as it is, too."""
    np.testing.assert_array_equal(cover(LIT)[0], LIT)


@pytest.mark.parametrize(("height", "width"), [(28, 28), (32, 20), (1, 1), (1, 7), (100, 100)])
def test_every_pixel_is_covered_and_none_always(height: int, width: int) -> None:
    """Each pixel is black in some variant, and each variant covers a part of the image."""
    covered = cover(np.ones((height, width), np.uint8))[1:] == 0
    assert covered.any(axis=0).all()
    assert covered.any(axis=(1, 2)).all()
    assert (height, width) <= (7, 7) or not covered.all(axis=0).any()


def test_square_is_a_quarter_of_the_image() -> None:
    """No square covers more than a quarter of each side."""
    covered = cover(LIT)[1:] == 0
    assert max(covered.any(axis=2).sum(axis=1)) == max(covered.any(axis=1).sum(axis=1)) == 7


def test_pixel_that_matters_is_hot() -> None:
    """Where only one pixel decides, the map is highest there, and zero far from it."""
    probabilities = [0.9 if variant[5, 20] else 0.1 for variant in cover(LIT)]
    found = heat(probabilities)
    assert found[5, 20] == found.max() == pytest.approx(0.8)
    assert found[20, 5] == 0


def test_pixel_that_speaks_against_the_class_is_cold() -> None:
    """Where covering a pixel raises the probability, the map is below zero."""
    found = heat([0.2 if variant[5, 20] else 1.0 for variant in cover(LIT)])
    assert found[5, 20] == found.min() == pytest.approx(-0.8)


def test_map_is_within_its_bounds() -> None:
    """No value is outside of −1 to 1."""
    found = heat([1.0] + [0.0] * (VARIANTS - 1), 13, 9)
    assert found.shape == (13, 9)
    np.testing.assert_array_equal(found, 1)


def test_all_channels_of_a_part_are_covered() -> None:
    """Of an image in colour, a covered pixel is black."""
    variants = cover(np.stack([LIT, LIT // 2, LIT // 4], axis=-1))
    greys = cover(LIT)
    for channel, value in enumerate((200, 100, 50)):
        np.testing.assert_array_equal(variants[..., channel] == value, greys == 200)
    assert set(np.unique(variants)) == {0, 50, 100, 200}
