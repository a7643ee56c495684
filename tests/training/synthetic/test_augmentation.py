import numpy as np
import pytest

from fashion_api.training.synthetic.augmentation import Augmentation, augment

IMAGES = np.random.default_rng(1).integers(1, 256, (40, 6, 8), dtype=np.uint8)


def augment_with(augmentation: Augmentation, *, seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return augment(IMAGES, augmentation, np.random.default_rng(seed))


def test_default_alters_nothing() -> None:
    """Without mirroring, shifts and erasing, the images are unchanged."""
    np.testing.assert_array_equal(augment_with(Augmentation()), IMAGES)


def test_flipped_image_is_itself_or_its_mirror_image() -> None:
    """Some images are mirrored left and right, the others left as they are."""
    is_same = (augment_with(Augmentation(is_flipped=True)) == IMAGES).all(axis=(1, 2))
    is_mirrored = (augment_with(Augmentation(is_flipped=True)) == IMAGES[:, :, ::-1]).all(axis=(1, 2))

    assert (is_same ^ is_mirrored).all()
    assert 0 < is_mirrored.sum() < len(IMAGES)


def test_shifted_image_is_moved_by_no_more_than_the_share() -> None:
    """Every image is its original moved by at most a quarter of its 6 rows and 8 columns, with black moving in."""
    padded = np.pad(IMAGES, ((0, 0), (1, 1), (2, 2)))
    moves = {(top, left): padded[:, top : top + 6, left : left + 8] for top in range(3) for left in range(5)}

    shifted = augment_with(Augmentation(max_shift=0.25))

    assert all(any((image == moved[index]).all() for moved in moves.values()) for index, image in enumerate(shifted))


def test_shift_of_less_than_a_pixel_alters_nothing() -> None:
    """A share of less than one pixel leaves small images unchanged."""
    np.testing.assert_array_equal(augment_with(Augmentation(max_shift=0.1)), IMAGES)


@pytest.mark.parametrize("augmentation", [Augmentation(is_flipped=True), Augmentation(max_shift=0.3)], ids=str)
def test_same_generator_state_gives_same_images(augmentation: Augmentation) -> None:
    """The result depends on the random generator alone."""
    np.testing.assert_array_equal(augment_with(augmentation, seed=5), augment_with(augmentation, seed=5))


@pytest.mark.parametrize("augmentation", [Augmentation(is_flipped=True), Augmentation(max_shift=0.3)], ids=str)
def test_other_generator_state_gives_other_images(augmentation: Augmentation) -> None:
    """Another epoch sees other images."""
    assert (augment_with(augmentation, seed=5) != augment_with(augmentation, seed=6)).any()


def test_erased_images_have_a_rectangle_of_one_grey() -> None:
    """Erasing changes a rectangle, to one grey, of no more than half the height and width."""
    erased = augment_with(Augmentation(erased_share=0.5))
    altered = (erased != IMAGES).any(axis=(1, 2))

    assert 0 < altered.sum() < len(IMAGES)
    for before, after in zip(IMAGES[altered], erased[altered], strict=True):
        rows, columns = np.nonzero(before != after)
        inside = after[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert len(np.unique(inside)) == 1
        assert inside.shape <= (3, 4)


def test_erasing_leaves_the_given_images_alone() -> None:
    """The given images are not modified."""
    before = IMAGES.copy()

    augment_with(Augmentation(erased_share=1.0))

    np.testing.assert_array_equal(IMAGES, before)


def test_channels_are_altered_alike() -> None:
    """An image in colour is mirrored, shifted and captured in all of its channels as the grey image is."""
    augmentation = Augmentation(is_flipped=True, max_shift=0.25, captured_share=0.5)
    coloured = augment(np.stack([IMAGES] * 3, -1), augmentation, np.random.default_rng(0))
    np.testing.assert_array_equal(coloured, np.stack([augment_with(augmentation)] * 3, -1))


def test_captured_share_becomes_poor_pictures() -> None:
    """About this share of the images is altered."""
    images = np.random.default_rng(0).integers(0, 256, (400, 28, 28), dtype=np.uint8)
    altered = augment(images, Augmentation(captured_share=0.5), np.random.default_rng(1))

    assert 0.3 < (altered != images).any(axis=(1, 2)).mean() < 0.6  # a poor picture may come out unaltered
