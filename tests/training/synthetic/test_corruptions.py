import numpy as np
import numpy.typing as npt
import pytest

from fashion_api.training.synthetic.augmentation import Augmentation
from fashion_api.training.synthetic.corruptions import CORRUPTIONS

IMAGES = np.random.default_rng(2).integers(0, 256, (30, 28, 28), dtype=np.uint8)
BLANK = np.zeros((40, 28, 28), np.uint8)


def apply(name: str, images: npt.NDArray[np.uint8] = IMAGES, *, level: int = 1) -> npt.NDArray[np.uint8]:
    return CORRUPTIONS[name].apply(images, level)


@pytest.mark.parametrize("shape", [(28, 28), (5, 7), (1, 1), (5, 7, 3)], ids=str)
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corrupted_images_are_images_of_the_same_size(name: str, shape: tuple[int, ...]) -> None:
    """Every kind takes images of any size, and gives as many of the same size and type."""
    images = np.full((3, *shape), 200, np.uint8)
    for level in range(3):
        corrupted = apply(name, images, level=level)
        assert (corrupted.shape, corrupted.dtype) == (images.shape, images.dtype)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruption_changes_images_the_same_way_every_time(name: str) -> None:
    """A corruption changes the images in the same way each time, and does not modify the originals."""
    before = IMAGES.copy()
    first = apply(name)
    np.testing.assert_array_equal(first, apply(name))
    np.testing.assert_array_equal(before, IMAGES)
    assert (first != IMAGES).any()


@pytest.mark.parametrize("name", sorted(CORRUPTIONS.keys() - {"shift", "JPEG"}))
def test_harder_is_further_from_the_original(name: str) -> None:
    """With each strength, smooth images are further from what they were."""
    ramp = np.tile(np.linspace(0, 200, 28).astype(np.uint8), (200, 28, 1))
    distances = [np.abs(apply(name, ramp, level=level).astype(float) - ramp).mean() for level in range(3)]
    assert distances == sorted(distances)


def test_brightness_stops_at_white() -> None:
    """Bright pixels become white, and do not start again at black."""
    bright = apply("brightness", np.full((1, 2, 2), 250, np.uint8))
    assert (bright == 255).all()


def test_noise_has_the_standard_deviation() -> None:
    """The noise in a middle grey has the strength's standard deviation."""
    noisy = apply("noise", np.full((20, 28, 28), 128, np.uint8), level=0)
    assert noisy.std() == pytest.approx(10, rel=0.05)


def test_blur_keeps_the_light() -> None:
    """A spot is spread, and its light is all there."""
    spot = np.zeros((1, 28, 28), np.uint8)
    spot[0, 10:18, 10:18] = 255
    assert apply("blur", spot).sum() == pytest.approx(spot.sum(), rel=0.02)


def test_contrast_keeps_the_mean() -> None:
    """Less contrast does not change the mean of an image."""
    np.testing.assert_allclose(apply("contrast").mean(axis=(1, 2)), IMAGES.mean(axis=(1, 2)), atol=1)


def test_shift_moves_by_the_pixels_in_one_of_eight_directions() -> None:
    """Every image is its original moved by exactly the strength, with black moving in."""
    padded = np.pad(IMAGES, ((0, 0), (2, 2), (2, 2)))
    moved = [padded[:, y : y + 28, x : x + 28] for y in (0, 2, 4) for x in (0, 2, 4) if (y, x) != (2, 2)]
    shifted = apply("shift")
    assert all(any((image == option[index]).all() for option in moved) for index, image in enumerate(shifted))


@pytest.mark.parametrize("name", sorted(CORRUPTIONS.keys() - {"noise", "JPEG"}))
def test_equal_channels_are_corrupted_alike(name: str) -> None:
    """An image in colour with three equal channels is corrupted as the grey image is, but for noise and JPEG."""
    np.testing.assert_array_equal(apply(name, np.stack([IMAGES] * 3, -1)), np.stack([apply(name)] * 3, -1))


def test_rotation_goes_both_ways() -> None:
    """Of an upright bar's copies, some lean to the left and some to the right."""
    bar = BLANK.copy()
    bar[:, 4:24, 13:15] = 255
    top_left = apply("rotation", bar)[:, :10, :13].sum(axis=(1, 2))
    assert 0 < (top_left > top_left.mean()).sum() < len(bar)


def test_scale_enlarges_and_shrinks() -> None:
    """Of a square's copies, some become larger and some smaller, all in their place."""
    square = BLANK.copy()
    square[:, 9:19, 9:19] = 255
    sizes = np.sqrt(apply("scale", square, level=2).sum(axis=(1, 2)) / 255)
    assert {round(float(size)) for size in sizes} == {8, 13}


def test_occlusion_covers_the_share() -> None:
    """The rectangle is of the strength's share of height and width, and nothing else is changed."""
    occluded = apply("occlusion", BLANK, level=2)
    assert (occluded > 0).sum(axis=(1, 2)).max() == 14 * 14


@pytest.mark.parametrize(
    ("augmentation", "expected"),
    [
        (Augmentation(), set()),
        (Augmentation(max_shift=0.1), {"shift"}),
        (Augmentation(is_flipped=True, erased_share=0.2), {"occlusion"}),
        (Augmentation(captured_share=0.5), set(CORRUPTIONS) - {"shift", "occlusion"}),
    ],
    ids=["none", "moved", "erased", "captured"],
)
def test_corruption_is_trained_for_by_a_like_augmentation(augmentation: Augmentation, expected: set[str]) -> None:
    """Shifts train for the corruption by shifts, erasing for occlusion, and poor pictures for the other kinds."""
    assert {name for name, kind in CORRUPTIONS.items() if kind.is_trained_for(augmentation)} == expected
