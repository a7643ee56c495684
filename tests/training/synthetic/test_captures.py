import numpy as np
import pytest

from fashion_api.images import Images
from fashion_api.training.synthetic.captures import TRAINING_CAPTURES, apply_capture, capture
from fashion_api.training.synthetic.report_captures import REPORT_CAPTURES

CAPTURES = {**TRAINING_CAPTURES, **REPORT_CAPTURES}
captures = pytest.mark.parametrize("name", CAPTURES)


def make_articles(count: int = 40) -> Images:
    """Draw light rectangles with some texture on black: uint8[count, 28, 28]."""
    articles = np.zeros((count, 28, 28), np.uint8)
    articles[:, 4:24, 8:20] = np.random.default_rng(1).integers(120, 220, (count, 20, 12))
    return articles


@captures
@pytest.mark.parametrize("shape", [(28, 28), (9, 6), (1, 1), (9, 6, 3)], ids=str)
def test_captured_image_has_the_size_of_the_original(name: str, shape: tuple[int, ...]) -> None:
    """Each kind takes images of any size, and gives as many uint8 images of the same size."""
    images = np.full((3, *shape), 90, np.uint8)
    altered = apply_capture(images, CAPTURES[name], np.random.default_rng(0))
    assert altered.shape == images.shape
    assert altered.dtype == np.uint8


@captures
def test_capture_alters_images_and_leaves_the_originals_alone(name: str) -> None:
    """Each kind alters nearly every image that it is given, and does so in a copy."""
    images = make_articles()
    altered = apply_capture(images, CAPTURES[name], np.random.default_rng(0))
    np.testing.assert_array_equal(images, make_articles())
    assert (altered != images).any(axis=(1, 2)).mean() > 0.6


@captures
def test_same_generator_state_captures_the_same_way(name: str) -> None:
    """The result depends on the images and the state of the random generator alone."""
    first, second = (apply_capture(make_articles(), CAPTURES[name], np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@captures
def test_channels_are_altered_alike(name: str) -> None:
    """An image in colour with three equal channels is altered as the grey image is, in every channel."""
    images = make_articles(6)
    coloured, grey = (
        apply_capture(given, CAPTURES[name], np.random.default_rng(3)) for given in (np.stack([images] * 3, -1), images)
    )
    np.testing.assert_array_equal(coloured, np.stack([grey] * 3, -1))


@captures
def test_captured_article_stays_recognisable(name: str) -> None:
    """An altered image is still more like its own article than like an empty picture."""
    images = make_articles()
    altered = apply_capture(images, CAPTURES[name], np.random.default_rng(0))
    correlations = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(images, altered, strict=True)]
    assert np.median(correlations) > 0.5


def test_report_keeps_kinds_that_training_does_not_show() -> None:
    """No kind is both in training and in the report's unmet kinds."""
    assert not TRAINING_CAPTURES.keys() & REPORT_CAPTURES.keys()
    assert not set(TRAINING_CAPTURES.values()) & set(REPORT_CAPTURES.values())


def test_capture_applies_several_kinds() -> None:
    """Of many images, most are altered, differently each, and the originals are left alone."""
    images = np.repeat(make_articles(1), 200, axis=0)
    altered = capture(images, np.random.default_rng(0))
    assert altered.shape == images.shape
    assert altered.dtype == np.uint8
    assert (images == images[0]).all()
    assert len({image.tobytes() for image in altered}) > 150


def test_capture_of_no_images_is_none() -> None:
    """An empty batch stays empty."""
    assert capture(np.zeros((0, 28, 28), np.uint8), np.random.default_rng(0)).shape == (0, 28, 28)
