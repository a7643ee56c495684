import numpy as np
import pytest

from fashion_api.training.synthetic.augmentation import Augmentation, augment, list_views

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


def test_only_view_of_images_that_are_not_altered_is_as_they_are() -> None:
    """Without mirroring and shifts there is one view; erasing adds none."""
    (view,) = list_views(IMAGES, Augmentation(erased_share=0.5))

    np.testing.assert_array_equal(view, IMAGES)


def test_views_are_moved_by_a_pixel_and_mirrored() -> None:
    """The views are the image and its mirror image, each unshifted and shifted by a pixel in each direction."""
    padded = np.pad(IMAGES, ((0, 0), (1, 1), (1, 1)))
    moved = [padded[:, top : top + 6, left : left + 8] for top, left in ((1, 1), (0, 1), (2, 1), (1, 0), (1, 2))]
    mirrored = [view[:, :, ::-1] for view in (padded[:, t : t + 6, x : x + 8] for t, x in ((1, 1), (0, 1), (2, 1)))]

    views = list(list_views(IMAGES, Augmentation(is_flipped=True, max_shift=0.4)))

    assert len(views) == 10
    for expected in (*moved, *mirrored):
        assert sum(np.array_equal(view, expected) for view in views) == 1


def test_views_are_moved_only_where_a_pixel_fits_the_share() -> None:
    """A share of less than a pixel of the height gives shifts along the width only."""
    assert len(list(list_views(IMAGES, Augmentation(max_shift=0.13)))) == 3
